using System.CommandLine;
using System.Globalization;
using Fathom.Cpu;
using Fathom.Train.Indexers;

namespace Fathom.Cli;

/// <summary><c>fathom train indexer</c>: fits a finished model's lightning indexers to its own attention over long texts.</summary>
internal static class TrainIndexerCommand
{
    private const int DefaultMinutes = 60;
    private static readonly IndexerTuningOptions s_defaults = new();

    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "The model folder, in singles or BF16.", HelpName = "DIR", Required = true };
        var output = new Option<string>("--output") { Description = "Folder of the tuned model; empty or new.", HelpName = "DIR", Required = true };
        var text = new Option<string>("--text") { Description = "Prose to hide facts in.", HelpName = "FILE", Required = true };
        Option<int> length = Number("--length", "Tokens of a text.", s_defaults.Length, 512);
        Option<int> steps = Number("--steps", "Updates.", s_defaults.Steps, 1);
        Option<int> minutes = Number("--minutes", "Stop after this long, behind the current text.", DefaultMinutes, 1);
        Option<int> seed = Number("--seed", "Seed of the texts.", s_defaults.Seed, 0);
        var rate = new Option<float>("--rate")
        {
            Description = "Highest learning rate.", HelpName = "R", DefaultValueFactory = _ => s_defaults.Rate,
        };
        rate.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && float.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out float value) && !(value > 0 && float.IsFinite(value)))
                result.AddError($"--rate: expected more than 0, found {value}.");
        });
        Option<int> threads = Arguments.Threads();
        Option<bool> quiet = Arguments.Quiet();
        var command = new CommandWithExample(
            "indexer",
            "Fits a finished model's lightning indexers, and nothing else, to its own attention over long texts.",
            "fathom train indexer --model nano/model --output tuned --text prose.txt --length 65536")
        {
            model, output, text, length, steps, rate, minutes, seed, threads, quiet,
        };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                var options = new IndexerTuningOptions
                {
                    Length = parsed.GetValue(length),
                    Steps = parsed.GetValue(steps),
                    Rate = parsed.GetValue(rate),
                    Seed = parsed.GetValue(seed),
                    Threads = parsed.GetValue(threads),
                };
                using var device = new CpuDevice(options.Threads);
                using IndexerTuning tuning = IndexerTuning.Open(parsed.GetValue(model)!, parsed.GetValue(output)!, parsed.GetValue(text)!, device, options); // required
                Run(tuning, TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(quiet), cancellation);
                return ExitCode.Success;
            },
            CancellationToken.None));
        return command;
    }

    private static void Run(IndexerTuning tuning, TimeSpan time, bool quiet, CancellationToken cancellation)
    {
        Print("before", tuning.Measure(cancellation));
        tuning.Tune(time, progress => Report(progress, quiet), cancellation);
        Print("after", tuning.Measure(cancellation));
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tuning.ModelPath} after {tuning.Steps} steps"));
    }

    private static void Print(string when, IReadOnlyList<IReadOnlyList<IndexerFigures>> texts)
    {
        foreach ((int number, IReadOnlyList<IndexerFigures> layers) in texts.Index())
        {
            foreach (IndexerFigures f in layers)
            {
                Console.Out.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{when}, text {number + 1}, layer {f.Layer}: divergence {f.Divergence:F3}, recall {f.Recall:F3} of at most {f.Attainable:F3}, of 64 entries {f.RecallOfFew:F3} of at most {f.AttainableOfFew:F3}; where answers follow {f.AnswerRecall:F3} and {f.AnswerRecallOfFew:F3}; attention on entries {f.EntryShare:F3}"));
            }
        }
    }

    private static void Report(IndexerTuningProgress progress, bool quiet)
    {
        if (quiet)
            return;
        string layers = string.Join("; ", progress.Figures.Select(f => string.Create(
            CultureInfo.InvariantCulture, $"layer {f.Layer}: divergence {f.Divergence:F3}, recall {f.Recall:F3} and {f.RecallOfFew:F3}, answers {f.AnswerRecall:F3} and {f.AnswerRecallOfFew:F3}")));
        Console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"step {progress.Steps} of {progress.TotalSteps}, {layers}; read in {progress.Reading.TotalSeconds:F0} s, learnt in {progress.Learning.TotalSeconds:F0} s"));
    }

    private static Option<int> Number(string name, string description, int preset, int least)
    {
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => preset };
        option.Validators.Add(result => Arguments.InRange(result, least, int.MaxValue));
        return option;
    }
}
