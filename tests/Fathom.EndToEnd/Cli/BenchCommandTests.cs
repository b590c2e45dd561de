using System.Text.Json;
using System.Xml.Linq;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom bench</c>; no test looks at a time.</summary>
public sealed class BenchCommandTests : IDisposable
{
    private const string Header = "section,name,at,value,unit,limit,share,repetitions";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fathom-bench-");

    [Fact]
    public async Task Measures_a_synthetic_model_and_writes_figures_and_picture()
    {
        FathomProcess run = await FathomProcess.RunAsync(
            "bench", "--shape", "nano", "--layers", "3", "--prompts", "32", "--depths", "16,2500", "--synthetic-cache",
            "--quick", "--profile", "--csv", _folder.FullName, "--picture", _folder.FullName, "--quiet");
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Empty(run.Error);
        foreach (string word in (string[])["nano", "HCA", "CSA", "window", "SparseAttention", "GB/s", "caches hold random rows"])
            Assert.Contains(word, run.Output, StringComparison.Ordinal);

        string[] lines = await File.ReadAllLinesAsync(Path.Combine(_folder.FullName, "nano-3-official.csv"), TestContext.Current.CancellationToken);
        Assert.Equal(Header, lines[0]);
        Assert.All(lines, line => Assert.Equal(Header.Split(',').Length, line.Split(',').Length));
        foreach (string start in (string[])["decode,speed,2500,", "product,fp4,512,", "product,fp4 fast,1,", "product,fp4 fast,512,"])
            Assert.Contains(lines, line => line.StartsWith(start, StringComparison.Ordinal));
        Assert.Equal("svg", XElement.Load(Path.Combine(_folder.FullName, "nano-3-official.svg")).Name.LocalName);
    }

    [Fact]
    public async Task Json_of_a_folder_holds_every_section()
    {
        FathomProcess run = await FathomProcess.RunAsync(
            "bench", "--shape", TestFiles.Path("models", "fathom-nano"), "--prompts", "16", "--depths", "8", "--quick", "--json", "--quiet");
        Assert.True(run.ExitCode == 0, run.Error);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.Equal("fathom-nano", json.RootElement.GetProperty("model").GetString());
        string?[] sections = [.. json.RootElement.GetProperty("figures").EnumerateArray().Select(figure => figure.GetProperty("section").GetString()).Distinct()];
        Assert.All((string[])["machine", "product", "prefill", "decode", "layer", "operation"], section => Assert.Contains(section, sections));
    }

    [Fact]
    public async Task Refuses_what_the_memory_cannot_hold_and_says_how_much_it_needs()
    {
        FathomProcess run = await FathomProcess.RunAsync("bench", "--shape", "pro", "--layers", "61", "--experts", "384");
        Assert.Equal(1, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Matches(@"needs [89]\d\d\.\d GB of memory .* available \d+\.\d GB\. Choose fewer --layers", run.Error);
    }

    [Theory]
    [InlineData("--shape", "nowhere", "expected flash, pro, nano or a model folder")]
    [InlineData("--experts", "1000", "--experts: expected")]
    [InlineData("--depths", "5,x", "--depths: expected numbers")]
    [InlineData("--depths", "2000000", "expected at most")]
    [InlineData("--format", "int3", "int3")]
    public async Task Refuses_wrong_options(string option, string value, string message)
    {
        FathomProcess run = await FathomProcess.RunAsync("bench", option, value);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
