using System.Text.Json;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary>A packed model does what the model does that it was made from.</summary>
public sealed class PackedModelTests : IDisposable
{
    private static readonly string s_nano = TestFiles.Path("models", "fathom-nano");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fathom-packed-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Runs_inspects_and_measures_like_its_source()
    {
        string packed = Path.Combine(_folder.FullName, "packed");
        FathomProcess made = await FathomProcess.RunAsync("quantize", s_nano, packed, "--format", "packed");
        Assert.True(made.ExitCode == 0, made.Error);
        Assert.Contains("packed for this program", made.Output, StringComparison.Ordinal);
        Assert.Equal(await Text(s_nano), await Text(packed));

        FathomProcess inspected = await FathomProcess.RunAsync("inspect", packed, "--json"), source = await FathomProcess.RunAsync("inspect", s_nano, "--json");
        using JsonDocument json = JsonDocument.Parse(inspected.Output), of = JsonDocument.Parse(source.Output);
        Assert.Equal("packed", json.RootElement.GetProperty("tensorSpelling").GetString());
        Assert.Equal(of.RootElement.GetProperty("parameters").GetRawText(), json.RootElement.GetProperty("parameters").GetRawText());

        FathomProcess bench = await FathomProcess.RunAsync("bench", "--shape", packed, "--prompts", "16", "--depths", "8", "--quick", "--quiet");
        Assert.True(bench.ExitCode == 0, bench.Error);
        Assert.Contains("major faults", bench.Output, StringComparison.Ordinal);

        FathomProcess again = await FathomProcess.RunAsync("quantize", packed, Path.Combine(_folder.FullName, "again"), "--format", "f32");
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("not packed", again.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_keeps_a_synthetic_model_and_takes_it_again()
    {
        string[] bench = ["bench", "--shape", "nano", "--layers", "3", "--packed", _folder.FullName, "--prompts", "16", "--depths", "8", "--quick", "--quiet"];
        FathomProcess first = await FathomProcess.RunAsync(bench);
        Assert.True(first.ExitCode == 0, first.Error);
        string file = Path.Combine(_folder.FullName, "packed-00000.safetensors");
        DateTime written = File.GetLastWriteTimeUtc(file);
        FathomProcess second = await FathomProcess.RunAsync(bench);
        Assert.True(second.ExitCode == 0, second.Error);
        Assert.Equal(written, File.GetLastWriteTimeUtc(file));
    }

    private static async Task<string> Text(string model)
    {
        FathomProcess run = await FathomProcess.RunAsync("run", "And it came to pass", "--model", model, "--temperature", "0", "--max-tokens", "20", "--quiet");
        Assert.True(run.ExitCode == 0, run.Error);
        return run.Output;
    }
}
