using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary>Whole runs of runs/tiny as processes, in a world that kills them, fills the disk and names wrong files.</summary>
public class TrainingProofTests
{
    private const int Steps = 24;

    // The same bits on one instruction set; the order of sums differs between sets, hence ranges.
    private const double FirstLoss = 7.38, LastLoss = 5.64, Slack = 0.2;

    private static readonly (string Key, JsonNode? Value)[] s_short =
    [
        ("steps", Steps), ("checkpointEvery", 2), ("evaluateEvery", Steps), ("decaySteps", 8),
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_tiny_run_learns_what_it_is_known_to_learn()
    {
        using var folder = new TempFolder();
        string output = folder.Path("out");
        FathomProcess train = await TrainingFolder.RunAsync(TestFiles.Path("runs", "tiny", "run.json"), output, Cancellation);
        Assert.Equal((0, ""), (train.ExitCode, train.Error));
        string[][] log = [.. File.ReadLines(Path.Combine(output, "log.csv")).Select(line => line.Split(','))];
        Assert.Equal(101, log.Length);
        Assert.InRange(Loss(log[1]), FirstLoss - Slack, FirstLoss + Slack);
        Assert.InRange(log[^10..].Average(Loss), LastLoss - Slack, LastLoss + Slack);
        Assert.StartsWith("<svg", await File.ReadAllTextAsync(Path.Combine(output, "curves.svg"), Cancellation), StringComparison.Ordinal);
        FathomProcess eval = await FathomProcess.RunAsync(
            "eval", "lm", "--model", Path.Combine(output, "model"), "--text", TestFiles.Path("runs", "tiny", "heldout.txt"), "--json", "--quiet");
        Assert.Equal((0, ""), (eval.ExitCode, eval.Error));
        Assert.InRange(JsonNode.Parse(eval.Output)!["bitsPerByte"]!.GetValue<double>(), 1, 3.5);
    }

    [Fact]
    public async Task A_run_killed_again_and_again_ends_in_the_same_bytes()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no SIGKILL.");
        using var folder = new TrainingFolder(s_short);
        Assert.Equal(0, (await folder.RunAsync("straight", Cancellation)).ExitCode);
        string killed = folder.At("killed"), partial = Path.Combine(killed, "state.bin.partial");
        DateTime begin = DateTime.UtcNow;
        Func<bool>[] moments =
        [
            () => File.Exists(Path.Combine(killed, "log.csv")),                             // before any checkpoint
            () => File.Exists(partial),                                                     // in the middle of a first one
            () => Places(killed).Length > 1,                                                // between place and state
            () => Places(killed).Any(step => step >= 8),                                    // behind one
            () => DateTime.UtcNow - begin > TimeSpan.FromSeconds(1),                        // anywhere
            () => Places(killed).Any(step => step >= 14) && File.Exists(partial),
        ];
        int kills = 0;
        foreach (Func<bool> moment in moments)
        {
            begin = DateTime.UtcNow;
            kills += await folder.KillAsync("killed", moment, Cancellation) ? 1 : 0;
        }
        Assert.True(kills >= 4, $"only {kills} of {moments.Length} moments came before the end of the run");
        FathomProcess last = await folder.RunAsync("killed", Cancellation);
        Assert.Equal((0, folder.At("killed", "model") + Environment.NewLine), (last.ExitCode, last.Output));
        AssertSame(folder, "straight", "killed");
    }

    [Fact]
    public async Task A_full_disk_costs_no_checkpoint_and_the_run_goes_on()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The limit on file sizes stands for the full disk.");
        using var folder = new TrainingFolder(s_short);
        Assert.Equal(0, (await folder.RunAsync("straight", Cancellation)).ExitCode);
        string state = folder.At("full", "state.bin");
        await folder.KillAsync("full", () => File.Exists(state), Cancellation);
        byte[] before = await File.ReadAllBytesAsync(state, Cancellation);
        // 128 KiB hold the log but no state. The runtime's double mapping makes a large file of memory, so it goes.
        FathomProcess full = await folder.RunInShellAsync("trap '' XFSZ; export DOTNET_EnableWriteXorExecute=0; ulimit -f 128", "full", Cancellation);
        Assert.Equal(1, full.ExitCode);
        Assert.Contains("last good checkpoint", full.Error, StringComparison.Ordinal);
        AssertClean(full);
        Assert.Equal(before, await File.ReadAllBytesAsync(state, Cancellation));
        Assert.False(File.Exists(state + ".partial"));
        Assert.Equal(0, (await folder.RunAsync("full", Cancellation)).ExitCode);
        AssertSame(folder, "straight", "full");
    }

    [Theory]
    [InlineData("texts", "", "found an empty file")]
    [InlineData("heldOut", "", "at least two tokens")]
    [InlineData("texts", "text \u00ff\u00fe\u0000\u0001", "UTF-8")]
    [InlineData("heldOut", "text \u00ff\u00fe\u0000\u0001", "UTF-8")]
    public async Task Refuses_texts_that_are_none(string key, string latin, string telling)
    {
        using var bad = new TempFolder();
        string path = bad.Write("bad.txt", Encoding.Latin1.GetBytes(latin));
        using var folder = new TrainingFolder((key, key == "texts" ? new JsonArray(path) : path));
        await AssertRefused(folder, path, telling);
    }

    [Fact]
    public async Task Refuses_a_model_beyond_the_memory()
    {
        using var large = new TempFolder();
        JsonNode config = JsonNode.Parse(await File.ReadAllTextAsync(TestFiles.Path("runs", "tiny", "config.json"), Cancellation))!;
        config["hidden_size"] = 16384;
        config["moe_intermediate_size"] = 16384;
        config["n_routed_experts"] = 1024;
        string path = large.Write("config.json", Encoding.UTF8.GetBytes(config.ToJsonString()));
        using var folder = new TrainingFolder(("model", path));
        await AssertRefused(folder, path, "GiB of memory that this process may use, found about");
    }

    private static async Task AssertRefused(TrainingFolder folder, string where, string telling)
    {
        string kept = folder.At("out", "state.bin");
        Directory.CreateDirectory(folder.At("out"));
        await File.WriteAllTextAsync(kept, "the last checkpoint", Cancellation);
        FathomProcess train = await folder.RunAsync("out", Cancellation);
        Assert.Equal(1, train.ExitCode);
        Assert.Contains(where, train.Error, StringComparison.Ordinal);
        Assert.Contains(telling, train.Error, StringComparison.Ordinal);
        AssertClean(train);
        Assert.Equal("the last checkpoint", await File.ReadAllTextAsync(kept, Cancellation));
    }

    // A failure is one line, without a stack.
    private static void AssertClean(FathomProcess train) => Assert.DoesNotContain(Environment.NewLine, train.Error.TrimEnd(), StringComparison.Ordinal);

    private static void AssertSame(TrainingFolder folder, string one, string other)
    {
        Assert.Equal(File.ReadAllBytes(folder.At(one, "model", "model.safetensors")), File.ReadAllBytes(folder.At(other, "model", "model.safetensors")));
        Assert.Equal(Losses(folder.At(one, "log.csv")), Losses(folder.At(other, "log.csv")));
        Assert.Equal(Steps + 1, Losses(folder.At(other, "log.csv")).Length);
    }

    private static string[] Losses(string log) => [.. File.ReadLines(log).Select(line => string.Join(',', line.Split(',')[..2]))];

    private static double Loss(string[] cells) => double.Parse(cells[1], CultureInfo.InvariantCulture);

    private static int[] Places(string folder) => !Directory.Exists(folder) ? [] :
    [
        .. Directory.GetFiles(folder, "place-*.json").Select(path => int.Parse(Path.GetFileNameWithoutExtension(path).AsSpan("place-".Length), CultureInfo.InvariantCulture)),
    ];
}
