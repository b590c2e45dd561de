using System.Text;
using System.Text.Json;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Cli;

public class PlanCommandTests
{
    [Theory]
    [InlineData("flash", "7.3 %", "10.0 %")]
    [InlineData("pro", "10.5 %", "26.5 %")]
    public async Task Prints_both_ratios_in_per_cent(string model, string cache, string operations)
    {
        FathomProcess run = await FathomProcess.RunAsync("plan", model, "--context", "1048576");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains(cache, run.Output, StringComparison.Ordinal);
        Assert.Contains(operations, run.Output, StringComparison.Ordinal);
        Assert.Contains("available", run.Output, StringComparison.Ordinal);
        Assert.NotEmpty(run.Error);
    }

    [Theory]
    [InlineData("flash", 3514.25, 0.0734, 0.0997, 159.6)]
    [InlineData("pro", 5031.4375, 0.1051, 0.2648, 864.7)]
    [InlineData("v3.2", 48_068, 1, 1, 671)]
    public async Task Json_holds_the_promised_numbers(string model, double kvBytesPerToken, double kvVsV32, double flopsVsV32, double weightsGB)
    {
        FathomProcess run = await FathomProcess.RunAsync("plan", model, "--context", "1048576", "--json", "--quiet");
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        double Number(string name) => json.RootElement.GetProperty(name).GetDouble();

        Assert.Equal(kvBytesPerToken, Number("kvBytesPerToken"));
        Assert.Equal(kvVsV32, Number("kvVsV32"), 0.00005);
        Assert.Equal(flopsVsV32, Number("flopsVsV32"), 0.00005);
        Assert.Equal(weightsGB, Number("weightsBytes") / 1e9, 0.05);
        Assert.InRange(Number("kvBytesTotal"), kvBytesPerToken * 1048576, kvBytesPerToken * 1048576 * 1.01);
        Assert.True(Number("flopsPerToken") > Number("flopsWeightedPerToken") || model != "flash", "FP4 index scores count half");
        Assert.True(Number("weightsBytesPerToken") < Number("weightsBytes"), "a token reads a part of the experts");
    }

    [Fact]
    public async Task Each_user_takes_a_whole_cache()
    {
        using JsonDocument one = JsonDocument.Parse((await FathomProcess.RunAsync("plan", "pro", "--context", "65536", "--json")).Output);
        using JsonDocument ten = JsonDocument.Parse((await FathomProcess.RunAsync("plan", "pro", "--context", "65536", "--users", "10", "--json")).Output);
        Assert.Equal(10 * one.RootElement.GetProperty("kvBytesTotal").GetInt64(), ten.RootElement.GetProperty("kvBytesTotal").GetInt64());
        Assert.Equal(one.RootElement.GetProperty("kvVsV32").GetDouble(), ten.RootElement.GetProperty("kvVsV32").GetDouble());
    }

    [Fact]
    public async Task A_folder_is_planned_with_the_bytes_it_holds()
    {
        string folder = TestFiles.Path("tests", "goldens", "q_fp8_fp4");
        FathomProcess run = await FathomProcess.RunAsync("plan", folder, "--context", "512", "--json", "--quiet");
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.Equal("q_fp8_fp4", json.RootElement.GetProperty("model").GetString());
        Assert.Equal(3_321_726, json.RootElement.GetProperty("weightsBytes").GetInt64());
        Assert.Equal(26.9375, json.RootElement.GetProperty("kvBytesPerToken").GetDouble());
    }

    [Fact]
    public async Task A_config_without_tensors_is_planned_and_its_unknown_keys_are_shown()
    {
        using var folder = new TempFolder();
        string config = await File.ReadAllTextAsync(TestFiles.Path("tests", "goldens", "d_flash", "config.json"), TestContext.Current.CancellationToken);
        folder.Write("config.json", Encoding.UTF8.GetBytes(config.Insert(1, "\"vision_tower\": 1,")));
        FathomProcess run = await FathomProcess.RunAsync("plan", folder.Root, "--context", "512", "--json", "--quiet");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("vision_tower", run.Error, StringComparison.Ordinal);
        Assert.Contains("holds no tensors", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_name_the_bundled_model_is_planned()
    {
        FathomProcess run = await FathomProcess.RunAsync("plan", "--context", "4096");
        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("fathom-nano", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Measuring_reads_with_the_model_and_grows_with_the_context()
    {
        double before = 0;
        foreach (string context in (string[])["500", "4096", "65536", "1048576"])
        {
            FathomProcess run = await FathomProcess.RunAsync("plan", "--context", context, "--measure", "--json", "--quiet");
            Assert.True(run.ExitCode == 0, run.Error);
            double seconds = JsonDocument.Parse(run.Output).RootElement.GetProperty("forecast").GetProperty("measuredPrefillSeconds").GetDouble();
            Assert.True(seconds > before, $"{context} tokens: {seconds} s, fewer tokens: {before} s");
            before = seconds;
        }
    }

    [Theory]
    [InlineData("plan", "flash")]
    [InlineData("plan", "flash", "--context", "1024", "--measure")]
    [InlineData("plan", "flash", "--context")]
    [InlineData("plan", "flash", "--context", "many")]
    [InlineData("plan", "flash", "--context", "0")]
    [InlineData("plan", "flash", "--context", "1048577")]
    [InlineData("plan", "flash", "--context", "1024", "--users", "0")]
    [InlineData("plan", "flash", "--context", "1024", "--threads", "-1")]
    [InlineData("plan", "flash", "--context", "1024", "--model", "elsewhere")]
    [InlineData("plan", "flash", "pro", "--context", "1024")]
    [InlineData("plan", "no-such-folder", "--context", "1024")]
    public async Task Wrong_usage_gives_2_and_says_why(params string[] arguments)
    {
        FathomProcess run = await FathomProcess.RunAsync(arguments);
        Assert.Equal(2, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Contains("See 'fathom plan --help'.", run.Error, StringComparison.Ordinal);
    }
}
