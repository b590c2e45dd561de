using System.CommandLine;
using System.Globalization;
using Fathom.Train.Runs;

namespace Fathom.Cli;

/// <summary><c>fathom train</c>: trains a small model, and goes on where it stopped.</summary>
internal static class TrainCommand
{
    private const int DefaultMinutes = 150;

    public static Command Create()
    {
        var config = new Option<string>("--config") { Description = "Settings of the run, JSON.", HelpName = "FILE", Required = true };
        var output = new Option<string?>("--output")
        {
            Description = "Folder of the run's state, log and model. Default: a folder with the config's name in the user's data folder.",
            HelpName = "DIR",
        };
        var minutes = new Option<int>("--minutes")
        {
            Description = "Stop after this long; the same command goes on.",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultMinutes,
        };
        minutes.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));
        Option<int> threads = Arguments.Threads();
        Option<bool> quiet = Arguments.Quiet();
        var command = new CommandWithExample(
            "train",
            "Trains a small model from a config; Ctrl-C stops behind the current step, the same command goes on bit for bit.",
            "fathom train --config runs/tiny/run.json --minutes 10")
        {
            config, output, minutes, threads, quiet, TrainIndexerCommand.Create(),
        };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                string path = parsed.GetValue(config)!;                                   // required
                RunConfig settings = RunConfig.Read(path);
                var folder = new RunFolder(parsed.GetValue(output) ?? DefaultFolder(path));
                using TrainingRun run = TrainingRun.Open(settings, folder, parsed.GetValue(threads));
                bool silent = parsed.GetValue(quiet);
                run.Train(TimeSpan.FromMinutes(parsed.GetValue(minutes)), progress => Report(progress, silent), cancellation);
                Console.Out.WriteLine(run.IsComplete
                    ? $"{run.ModelPath}"
                    : $"{run.ModelPath} after {run.Steps} of {settings.Steps} steps; the same command goes on.");
                return ExitCode.Success;
            },
            CancellationToken.None));
        return command;
    }

    private static string DefaultFolder(string config) => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create), "fathom", "train", Path.GetFileNameWithoutExtension(config));

    private static void Report(RunProgress progress, bool quiet)
    {
        if (quiet)
            return;
        Train.StepStatistics s = progress.Statistics;
        TimeSpan left = TimeSpan.FromSeconds((progress.Steps - s.Step) * s.Elapsed.TotalSeconds);
        string heldOut = progress.HeldOutBitsPerByte is { } bits ? string.Create(CultureInfo.InvariantCulture, $", held out {bits:F3} bits per byte") : "";
        string answers = s.AnswerLoss is { } loss ? string.Create(CultureInfo.InvariantCulture, $", answers {loss:F3}") : "";
        string recall = string.Join(' ', s.IndexerRecall.Where(value => value is not null).Select(value => (value ?? 0).ToString("F2", CultureInfo.InvariantCulture)));
        Console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"step {s.Step} of {progress.Steps}, loss {s.Loss:F4}{answers}{heldOut}, recall {recall}, {s.TokensPerSecond:N0} tokens/s, {left:d\\.hh\\:mm} left"));
    }
}
