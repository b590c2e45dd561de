using System.Text.Json;
using System.Xml.Linq;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom eval needle</c> and <c>qa</c> with the bundled model, which cannot find anything.</summary>
public class EvalTaskTests
{
    [Fact]
    public async Task Needle_reports_by_depth_and_distance_and_draws()
    {
        string picture = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".svg");
        try
        {
            FathomProcess eval = await FathomProcess.RunAsync(
                "eval", "needle", "--context", "512,1024", "--seed", "3", "--samples", "1", "--json", "--quiet", "--picture", picture);
            Assert.Equal((0, ""), (eval.ExitCode, eval.Error));
            using JsonDocument json = JsonDocument.Parse(eval.Output);
            JsonElement root = json.RootElement;
            Assert.InRange(root.GetProperty("accuracy").GetDouble(), 0.4, 1);           // what stands in the text is found
            Assert.InRange(root.GetProperty("n").GetInt32(), 10, 56);
            Assert.Equal(10, root.GetProperty("byDepth").GetArrayLength());
            Assert.Equal(root.GetProperty("n").GetInt32(), root.GetProperty("byDistance").EnumerateArray().Sum(bucket => bucket.GetProperty("n").GetInt32()));
            Assert.InRange(root.GetProperty("confidence").GetProperty("high").GetDouble(), root.GetProperty("accuracy").GetDouble(), 1);
            Assert.Equal([512, 1024], root.GetProperty("contexts").EnumerateArray().Select(context => context.GetProperty("context").GetInt32()));
            Assert.Equal("svg", XElement.Load(picture).Name.LocalName);
        }
        finally
        {
            File.Delete(picture);
        }
    }

    [Theory]
    [InlineData("--indexer", "random")]
    [InlineData("--indexer", "recent")]
    [InlineData("--indexer", "oracle")]
    [InlineData("--window-only")]
    public async Task Needle_takes_every_selection_and_says_which(params string[] selection)
    {
        FathomProcess eval = await FathomProcess.RunAsync(["eval", "needle", "--context", "512", "--samples", "1", "--kind", "passKey", .. selection]);
        Assert.Equal(0, eval.ExitCode);
        Assert.Contains(selection[^1] == "--window-only" ? "window only" : selection[^1] + " indexer", eval.Output, StringComparison.Ordinal);
        Assert.Contains("95 % confidence", eval.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--context", "many")]
    [InlineData("--context", "100")]
    [InlineData("--kind", "contracts")]
    [InlineData("--samples", "0")]
    [InlineData("--window-only", "--indexer", "recent")]
    public async Task Needle_refuses_wrong_usage(params string[] wrong) =>
        Assert.Equal(2, (await FathomProcess.RunAsync(["eval", "needle", .. wrong])).ExitCode);

    [Fact]
    public async Task Qa_asks_free_and_constrained()
    {
        FathomProcess eval = await FathomProcess.RunAsync("eval", "qa", "--context", "512", "--samples", "1", "--json", "--quiet");
        Assert.Equal((0, ""), (eval.ExitCode, eval.Error));
        using JsonDocument json = JsonDocument.Parse(eval.Output);
        JsonElement free = json.RootElement.GetProperty("free"), constrained = json.RootElement.GetProperty("constrained");
        Assert.Equal(free.GetProperty("exactMatch").GetProperty("share").GetDouble(), json.RootElement.GetProperty("exactMatch").GetDouble());
        Assert.Equal(free.GetProperty("quoted").GetProperty("share").GetDouble(), json.RootElement.GetProperty("quoted").GetDouble());
        Assert.Equal(1, constrained.GetProperty("quoted").GetProperty("share").GetDouble());
        Assert.InRange(free.GetProperty("n").GetInt32(), 1, 16);
        Assert.InRange(free.GetProperty("exactMatch").GetProperty("confidence").GetProperty("high").GetDouble(), 0.01, 1);
    }

    [Fact]
    public async Task Qa_asks_one_way_where_told_to()
    {
        FathomProcess free = await FathomProcess.RunAsync("eval", "qa", "--context", "512", "--samples", "1", "--free-only");
        Assert.Equal(0, free.ExitCode);
        Assert.Contains("free", free.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("constrained", free.Output, StringComparison.Ordinal);
        Assert.Equal(2, (await FathomProcess.RunAsync("eval", "qa", "--free-only", "--constrained")).ExitCode);
        Assert.Equal(2, (await FathomProcess.RunAsync("eval", "qa", "--context", "100")).ExitCode);
    }
}
