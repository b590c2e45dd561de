using System.Diagnostics;
using System.Text.Json;
using Fathom.Cache;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Tests;
using Fathom.Text;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom prefill</c>, <c>fathom cache</c> and <c>fathom run</c> on one store, in processes that come and go, also by force.</summary>
public sealed class CacheCommandTests : IDisposable
{
    private const int KillsInShort = 4;
    private static readonly string s_nano = TestFiles.Path("models", "fathom-nano");
    private static readonly string s_prose = File.ReadAllText(Path.Combine(s_nano, "heldout.txt"));

    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Store => _folder.Path("store");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_stored_text_answers_as_if_it_had_been_read_again()
    {
        (string a, string b) = (s_prose[..6000], s_prose[20_000..23_000]);
        string first = Write("a.txt", a), second = Write("b.txt", b), whole = Write("whole.txt", $"{a}\n\n{b}ly, and so it");
        using JsonDocument read = await Json("prefill", "--pin", "prose", first, second, "--json");
        int tokens = read.RootElement.GetProperty("tokens").GetInt32();
        Assert.Equal(0, read.RootElement.GetProperty("cachedTokens").GetInt32());
        using JsonDocument again = await Json("prefill", "--pin", "prose", first, second, "--json");
        Assert.Equal((tokens, 0L), (again.RootElement.GetProperty("cachedTokens").GetInt32(), again.RootElement.GetProperty("bytesWritten").GetInt64()));

        // What follows belongs to the last word of the text.
        using JsonDocument cold = await Json("run", "--prompt-file", whole, "--no-cache", "--temperature", "0.9", "--seed", "4", "--max-tokens", "40", "--json");
        using JsonDocument warm = await Json("run", "ly, and so it", "--cache", "prose", "--temperature", "0.9", "--seed", "4", "--max-tokens", "40", "--json");
        Assert.Equal(cold.RootElement.GetProperty("text").GetString(), warm.RootElement.GetProperty("text").GetString());
        Assert.Equal(cold.RootElement.GetProperty("promptTokens").GetInt32(), warm.RootElement.GetProperty("promptTokens").GetInt32());
        Assert.Equal(tokens, warm.RootElement.GetProperty("cachedTokens").GetInt32());
    }

    [Fact]
    public async Task What_is_stored_in_one_numeric_mode_is_not_found_in_the_other()
    {
        string file = Write("a.txt", s_prose[..3000]);
        using JsonDocument read = await Json("prefill", "--pin", "a", file, "--numeric", "fast", "--json");
        FathomProcess exact = await Run("run", "x", "--cache", "a", "--max-tokens", "1");
        Assert.Equal(1, exact.ExitCode);
        Assert.Contains("--cache a", exact.Error, StringComparison.Ordinal);
        using JsonDocument fast = await Json("run", "x", "--cache", "a", "--max-tokens", "1", "--numeric", "fast", "--json");
        Assert.Equal(read.RootElement.GetProperty("tokens").GetInt32(), fast.RootElement.GetProperty("cachedTokens").GetInt32());
        Assert.Equal("fast", fast.RootElement.GetProperty("numeric").GetString());
    }

    [Fact]
    public async Task Lists_shows_pins_drops_and_checks()
    {
        string file = Write("a.txt", s_prose[..9000]);
        await Json("prefill", "--pin", "a", file, "--json");
        using JsonDocument list = await Json("cache", "list", "--json");
        JsonElement model = Assert.Single(list.RootElement.GetProperty("models").EnumerateArray());
        Assert.Equal("fathom-nano", model.GetProperty("model").GetString());
        string id = Assert.Single(model.GetProperty("pins").EnumerateArray()).GetProperty("checkpoint").GetString()!;
        FathomProcess shown = await Run("cache", "show", "a");
        Assert.Contains(id, shown.Output, StringComparison.Ordinal);
        Assert.Contains("pinned as a", shown.Output, StringComparison.Ordinal);

        Assert.Equal(0, (await Run("cache", "pin", "same", id[..6])).ExitCode);
        Assert.Equal(0, (await Run("run", "x", "--cache", "same", "--max-tokens", "1")).ExitCode);
        Assert.Equal(0, (await Run("cache", "check")).ExitCode);
        string segment = Directory.GetFiles(Store, "*.segment", SearchOption.AllDirectories)[0];
        byte[] bytes = await File.ReadAllBytesAsync(segment, Cancellation);
        bytes[1000] ^= 1;
        await File.WriteAllBytesAsync(segment, bytes, Cancellation);
        FathomProcess damaged = await Run("cache", "check");
        Assert.Equal(1, damaged.ExitCode);
        Assert.Contains(segment, damaged.Output, StringComparison.Ordinal);
        FathomProcess gone = await Run("run", "x", "--cache", "a", "--max-tokens", "1");
        Assert.Equal(1, gone.ExitCode);
        Assert.Contains("--cache a", gone.Error, StringComparison.Ordinal);

        // Reading it again makes it whole.
        await Json("prefill", "--pin", "a", file, "--json");
        Assert.Equal(0, (await Run("run", "x", "--cache", "a", "--max-tokens", "1")).ExitCode);
        Assert.Equal(0, (await Run("cache", "drop", "a")).ExitCode);
        Assert.Equal(1, (await Run("cache", "drop", "a")).ExitCode);
        Assert.Equal(2, (await Run("prefill", "--pin", "no/name", file)).ExitCode);
    }

    [Fact]
    public async Task A_stored_text_serves_guesses_if_it_was_stored_for_them()
    {
        string file = Write("a.txt", s_prose[..6000]);
        await Json("prefill", "--pin", "a", file, "--speculative", "--json");
        string[] question = ["run", " And", "--cache", "a", "--max-tokens", "40", "--temperature", "0", "--json"];
        using JsonDocument guessed = await Json([.. question, "--speculative"]);
        FathomProcess without = await Run(question);
        Assert.Equal(1, without.ExitCode);
        Assert.Contains("--speculative", without.Error, StringComparison.Ordinal);
        await Json("prefill", "--pin", "a", file, "--json");
        using JsonDocument plain = await Json(question);
        Assert.Equal(plain.RootElement.GetProperty("text").GetString(), guessed.RootElement.GetProperty("text").GetString());
    }

    /// <summary>
    /// Every file that a writer finished before it was killed is whole, and a sequence that goes on from what is found says what one says that was computed from nothing.
    /// FATHOM_KILLS sets how often.
    /// </summary>
    [Fact]
    public async Task A_writer_killed_at_any_moment_loses_nothing_finished_and_leaves_nothing_wrong()
    {
        int kills = int.TryParse(Environment.GetEnvironmentVariable("FATHOM_KILLS"), out int wanted) ? wanted : KillsInShort;
        string file = Write("long.txt", s_prose[..60_000]);
        using var device = new CpuDevice(2);
        using LanguageModel model = LanguageModel.Load(s_nano, device, new LoadOptions());
        Tokenizer tokenizer = Tokenizer.Load(s_nano);
        int[] tokens = [model.Config.BosToken, .. tokenizer.Encode(s_prose[..60_000], recognizeAddedTokens: false)];
        var random = new Random(5);
        int found = 0, damaged = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            using (Process writer = Start("prefill", "--pin", "long", file, "--checkpoint", "512", "--cache-dir", Store, "--quiet"))
            {
                await Task.Delay(random.Next(200, 2500), Cancellation);
                writer.Kill();
                await writer.WaitForExitAsync(Cancellation);
            }

            var store = new PrefixStore(Store, StoreScope.Of(model), device, model.Transformer.Layout, new StoreOptions { Report = _ => damaged++ });
            using var generator = new Generator(model, device, tokens.Length);
            int end = Math.Min(tokens.Length, store.Find(tokens) + 3);
            int restored = generator.Read(tokens.AsSpan(0, end), store, TimeSpan.MaxValue, null, null, Cancellation);
            Assert.True(restored >= found || restored == end, $"kill {kill}: {restored} tokens found, {found} before");
            found = restored;
            using var cold = new Generator(model, device, tokens.Length);
            cold.Read(tokens.AsSpan(0, end), null, Cancellation);
            Assert.Equal(cold.Logits.ToArray(), generator.Logits.ToArray());
            Assert.Empty(new StoreCatalog(Store).Check(default, Cancellation).Damaged);
            Assert.Empty(Directory.Exists(Store) ? Directory.GetFiles(Store, "*.partial", SearchOption.AllDirectories) : []);
            if (found > tokens.Length - 600)
            {
                Directory.Delete(Store, recursive: true);
                found = 0;
            }
        }

        Assert.Equal(0, damaged);
        TestContext.Current.SendDiagnosticMessage("{0} kills, {1} tokens found behind the last", kills, found);
    }

    [Fact]
    public async Task Ctrl_C_stores_what_was_read()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill.");
        string file = Write("long.txt", s_prose[..150_000]);
        using Process reader = Start("prefill", "--pin", "long", file, "--cache-dir", Store, "--quiet", "--threads", "1");
        await Task.Delay(2500, Cancellation);
        using (Process kill = Process.Start("kill", ["-INT", reader.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync(Cancellation);
        }

        string error = await reader.StandardError.ReadToEndAsync(Cancellation);
        await reader.WaitForExitAsync(Cancellation);
        Assert.Equal(1, reader.ExitCode);
        Assert.Contains("which are stored", error, StringComparison.Ordinal);
        using JsonDocument read = await Json("prefill", "--pin", "long", file, "--json");
        Assert.InRange(read.RootElement.GetProperty("cachedTokens").GetInt32(), 1, read.RootElement.GetProperty("tokens").GetInt32() - 1);
    }

    [Fact]
    public async Task A_full_disk_or_a_folder_that_cannot_be_written_is_said_and_the_answer_comes_all_the_same()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The limit on file sizes stands for the full disk.");
        string file = Write("a.txt", s_prose[..9000]);
        string command = $"trap '' XFSZ; export DOTNET_EnableWriteXorExecute=0; ulimit -f 100; '{FathomProcess.ExecutablePath}' prefill --pin a '{file}' --cache-dir '{Store}'";
        using Process full = Process.Start(new ProcessStartInfo("bash", ["-c", command]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        string error = await full.StandardError.ReadToEndAsync(Cancellation);
        await full.WaitForExitAsync(Cancellation);
        Assert.Equal(1, full.ExitCode);
        Assert.Contains("was not written", error, StringComparison.Ordinal);
        Assert.Contains("not stored whole", error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Store, "*.partial", SearchOption.AllDirectories));
        await Json("prefill", "--pin", "a", file, "--json");

        string blocked = Write("blocked", "a file where the folder should be");
        FathomProcess run = await FathomProcess.RunAsync("run", s_prose[..9000], "--cache-dir", blocked, "--max-tokens", "3", "--quiet");
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.NotEmpty(run.Output.Trim());
    }

    private string Write(string name, string text) => _folder.Write(name, System.Text.Encoding.UTF8.GetBytes(text));

    private static Process Start(params string[] arguments) => Process.Start(
        new ProcessStartInfo(FathomProcess.ExecutablePath, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;

    private Task<FathomProcess> Run(params string[] arguments) => FathomProcess.RunAsync([.. arguments, "--cache-dir", Store]);

    private async Task<JsonDocument> Json(params string[] arguments)
    {
        FathomProcess run = await Run(arguments);
        Assert.True(run.ExitCode == 0, run.Error);
        return JsonDocument.Parse(run.Output);
    }
}
