using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Train.Evaluation;

namespace Fathom.Cli;

/// <summary><c>fathom eval lm</c>: bits per byte of texts.</summary>
internal sealed class EvalLmCommand
{
    private readonly Option<string[]> _text = new("--text") { Description = "A text, each in a context of its own; - is stdin. May be given several times.", HelpName = "FILE", Required = true };

    private readonly Option<int?> _windows = new("--windows")
    {
        Description = "Score pieces of N tokens apart, a begin-of-text token in front of each, instead of one running context.",
        HelpName = "N",
    };

    private readonly Option<string?> _baselines = new("--baselines")
    {
        Description = "Also what a byte n-gram with five bytes of context and a compressor make of the texts when they have seen this training text.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _allowUnused = new("--allow-unused") { Description = "Accept a checkpoint with tensors that the model does not use." };
    private readonly Option<string?> _model = Arguments.Model();
    private readonly Option<int> _threads = Arguments.Threads();
    private readonly Option<NumericMode> _numeric = Arguments.Numeric();
    private readonly Option<NumericMode> _against = Arguments.NumericOf(
        "--against",
        "Also compare every prediction with this numeric mode's: mean KL divergence, and how often the likeliest token is the same. Loads the model twice.");

    private readonly Option<bool> _json = Arguments.Json();
    private readonly Option<bool> _quiet = Arguments.Quiet();

    private EvalLmCommand() => _windows.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));

    public static Command Create()
    {
        var own = new EvalLmCommand();
        var command = new CommandWithExample(
            "lm",
            "Bits per byte of a text in one running context: one begin-of-text token in front, every byte counted.",
            "fathom eval lm --text heldout.txt --windows 1024 --json")
        {
            own._text, own._windows, own._baselines, own._against, own._model, own._threads, own._numeric, own._json, own._quiet, own._allowUnused,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() => own.Run(parsed, cancellation), cancellation));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string[] paths = parsed.GetValue(_text)!;                                         // required
        byte[][] texts = [.. paths.Select(TextInput.Read)];
        byte[]? training = parsed.GetValue(_baselines) is { } path ? TextInput.Read(path) : null;
        RoutingDevice? routing = null;
        using ModelSession session = Open(parsed, parsed.GetValue(_numeric), cpu => routing = new RoutingDevice(cpu));
        using ModelSession? reference = parsed.GetResult(_against) is null ? null : Open(parsed, parsed.GetValue(_against));
        Divergence? divergence = reference is null ? null : new Divergence(reference.Model.NumericMode, new TextDivergence());
        int[][] tokens = [.. texts.Select(bytes => session.Tokenizer.Encode(bytes, recognizeAddedTokens: false))];
        bool quiet = parsed.GetValue(_quiet);
        int? windows = parsed.GetValue(_windows);
        var progress = new ReadingProgress(tokens.Sum(text => text.Length), quiet);
        long begin = Stopwatch.GetTimestamp();
        var scores = new List<TextScore>();
        foreach ((string name, byte[] bytes, int[] ids) in paths.Zip(texts, tokens))
        {
            int before = scores.Sum(score => score.Tokens);
            double nats = Windows(ids, windows ?? Math.Max(1, ids.Length), read => progress.Report(before + read), (piece, told) => reference is null || divergence is null
                ? TextScorer.Score(session.Model, session.Device, piece, told, cancellation)
                : divergence.Measured.Add((reference.Model, reference.Device), (session.Model, session.Device), piece, told, cancellation));
            scores.Add(new TextScore(name, bytes.Length, ids.Length, nats / Math.Log(2)));
        }

        progress.End();
        TimeSpan elapsed = Stopwatch.GetElapsedTime(begin);
        LmBaselines? baselines = training is null ? null : LmBaselines.Measure(training, texts, quiet, cancellation);
        var report = new LmReport(scores, windows, baselines, divergence, routing!.Loads);
        if (parsed.GetValue(_json))
            JsonOutput.Write(report.Write);
        else
            Console.Out.Write(report.Text());
        if (!quiet)
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{scores.Sum(score => score.Tokens) / elapsed.TotalSeconds:N0} tokens/s"));
        return ExitCode.Success;
    }

    private ModelSession Open(ParseResult parsed, NumericMode numeric, Func<Device, Device>? decorate = null) => ModelSession.Open(
        parsed.GetValue(_model) ?? Arguments.BundledModel, parsed.GetValue(_threads), numeric, parsed.GetValue(_allowUnused), decorate);

    // Nats of all windows. An empty text goes to the scorer too: it says what is wrong.
    private static double Windows(int[] tokens, int window, Action<int> progress, Func<int[], Action<int>, double> score)
    {
        double nats = 0;
        for (int first = 0; first == 0 || first < tokens.Length; first += window)
        {
            int done = first;
            nats += score(tokens[first..Math.Min(first + window, tokens.Length)], read => progress(done + read));
        }

        return nats;
    }
}
