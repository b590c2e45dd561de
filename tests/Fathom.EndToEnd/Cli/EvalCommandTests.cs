using System.Text.Json;
using Xunit;

namespace Fathom.EndToEnd.Cli;

/// <summary><c>fathom eval lm</c> with the bundled model.</summary>
public class EvalCommandTests
{
    private const string Verse =
        "And it came to pass in those days, that there went out a decree from Caesar Augustus, that all the world should be taxed.";

    [Fact]
    public async Task Prose_costs_fewer_bits_than_noise()
    {
        double prose = await BitsPerByte(Verse), noise = await BitsPerByte("xq7#Zp@v0kW!jT^9rLmB&3yG");
        Assert.InRange(prose, 0.2, 2);
        Assert.True(noise > 4, $"noise {noise:F3}");
    }

    [Fact]
    public async Task Counts_every_byte_and_gives_the_same_bits_on_any_number_of_threads()
    {
        using JsonDocument one = await Eval(Verse, "--threads", "1"), two = await Eval(Verse, "--threads", "2");
        Assert.Equal(Verse.Length, one.RootElement.GetProperty("bytes").GetInt32());
        Assert.Equal(one.RootElement.GetProperty("bitsPerByte").GetDouble(), two.RootElement.GetProperty("bitsPerByte").GetDouble());
    }

    [Fact]
    public async Task Fast_is_near_exact_and_says_how_near()
    {
        using JsonDocument exact = await Eval(Verse), fast = await Eval(Verse, "--numeric", "fast", "--against", "exact");
        JsonElement against = fast.RootElement.GetProperty("against");
        Assert.Equal("exact", against.GetProperty("numeric").GetString());
        Assert.Equal(exact.RootElement.GetProperty("bitsPerByte").GetDouble(), against.GetProperty("bitsPerByte").GetDouble(), 9);
        Assert.NotEqual(exact.RootElement.GetProperty("bitsPerByte").GetDouble(), fast.RootElement.GetProperty("bitsPerByte").GetDouble());
        Assert.InRange(against.GetProperty("meanKl").GetDouble(), 1e-9, 0.02);
        Assert.InRange(against.GetProperty("topAgreement").GetDouble(), 0.9, 1);
        FathomProcess same = await FathomProcess.RunAsync(["eval", "lm", "--text", "-", "--against", "exact", "--quiet"], Verse, TestContext.Current.CancellationToken);
        Assert.Equal(0, same.ExitCode);
        Assert.Contains("0.000000 nats", same.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_a_numeric_mode_that_there_is_not()
    {
        FathomProcess wrong = await FathomProcess.RunAsync(["eval", "lm", "--text", "-", "--numeric", "int8"], Verse, TestContext.Current.CancellationToken);
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("--numeric: expected exact or fast, found 'int8'", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refuses_an_empty_text_and_a_missing_option()
    {
        FathomProcess empty = await FathomProcess.RunAsync("eval", "lm", "--text", "-");
        Assert.Equal(1, empty.ExitCode);
        Assert.Contains("empty", empty.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await FathomProcess.RunAsync("eval", "lm")).ExitCode);
    }

    [Fact]
    public async Task Sums_windows_and_texts_and_compares_with_models_without_a_network()
    {
        using var folder = new TempFiles();
        string one = folder.Write(Verse), two = folder.Write(Verse + " And all went to be taxed."), training = folder.Write(string.Concat(Enumerable.Repeat(Verse + "\n", 50)));
        FathomProcess eval = await FathomProcess.RunAsync(
            "eval", "lm", "--text", one, "--text", two, "--windows", "16", "--baselines", training, "--json", "--quiet");
        Assert.Equal((0, ""), (eval.ExitCode, eval.Error));
        using JsonDocument json = JsonDocument.Parse(eval.Output);
        JsonElement root = json.RootElement;
        Assert.Equal(16, root.GetProperty("windows").GetInt32());
        JsonElement[] texts = [.. root.GetProperty("texts").EnumerateArray()];
        Assert.Equal([one, two], texts.Select(text => text.GetProperty("text").GetString()));
        Assert.Equal(root.GetProperty("bytes").GetInt32(), texts.Sum(text => text.GetProperty("bytes").GetInt32()));
        Assert.Equal(
            root.GetProperty("bitsPerByte").GetDouble() * root.GetProperty("bytes").GetInt32(),
            texts.Sum(text => text.GetProperty("bitsPerByte").GetDouble() * text.GetProperty("bytes").GetInt32()), 6);
        using JsonDocument whole = await Eval(Verse);
        Assert.True(texts[0].GetProperty("bitsPerByte").GetDouble() > whole.RootElement.GetProperty("bitsPerByte").GetDouble(), "windows forget");
        JsonElement[] experts = [.. root.GetProperty("experts").EnumerateArray()];
        Assert.Equal([true, false, false, false, false], experts.Select(layer => layer.GetProperty("routedByToken").GetBoolean()));
        Assert.All(experts, layer => Assert.True(layer.GetProperty("least").GetDouble() <= 1 && layer.GetProperty("most").GetDouble() >= 1));
        JsonElement baselines = root.GetProperty("baselines");
        Assert.InRange(baselines.GetProperty("ngram").GetDouble(), 0.01, 4);
        Assert.InRange(baselines.GetProperty("compressed").GetDouble(), 0, 4);
        Assert.NotEmpty(baselines.GetProperty("compressor").GetString()!);
    }

    private sealed class TempFiles : IDisposable
    {
        private readonly string _root = Directory.CreateTempSubdirectory("fathom-eval").FullName;
        private int _count;

        public string Write(string text)
        {
            string path = Path.Combine(_root, $"{_count++}.txt");
            File.WriteAllText(path, text);
            return path;
        }

        public void Dispose() => Directory.Delete(_root, recursive: true);
    }

    private static async Task<double> BitsPerByte(string text)
    {
        using JsonDocument json = await Eval(text);
        return json.RootElement.GetProperty("bitsPerByte").GetDouble();
    }

    private static async Task<JsonDocument> Eval(string text, params string[] more)
    {
        FathomProcess eval = await FathomProcess.RunAsync(
            ["eval", "lm", "--text", "-", "--json", "--quiet", .. more], text, TestContext.Current.CancellationToken);
        Assert.Equal(0, eval.ExitCode);
        return JsonDocument.Parse(eval.Output);
    }
}
