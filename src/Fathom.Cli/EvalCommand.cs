using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Fathom.Engine;

namespace Fathom.Cli;

/// <summary><c>fathom eval</c>: measures how good a model is.</summary>
internal static class EvalCommand
{
    public static Command Create() => new CommandWithExample("eval", "Measures how good a model is.", "fathom eval lm --text heldout.txt")
    {
        LanguageModelling(),
        EvalNeedleCommand.Create(),
    };

    private static CommandWithExample LanguageModelling()
    {
        var text = new Option<string>("--text") { Description = "The text; - is stdin.", HelpName = "FILE", Required = true };
        var allowUnused = new Option<bool>("--allow-unused") { Description = "Accept a checkpoint with tensors that the model does not use." };
        Option<string?> model = Arguments.Model();
        Option<int> threads = Arguments.Threads();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();
        var command = new CommandWithExample(
            "lm",
            "Bits per byte of a text in one running context: one begin-of-text token in front, every byte counted.",
            "fathom eval lm --text heldout.txt --json")
        {
            text, model, threads, json, quiet, allowUnused,
        };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                byte[] bytes = TextInput.Read(parsed.GetValue(text)!);                    // required
                using ModelSession session = ModelSession.Open(
                    parsed.GetValue(model) ?? Arguments.BundledModel, parsed.GetValue(threads), parsed.GetValue(allowUnused));
                int[] tokens = session.Tokenizer.Encode(bytes, recognizeAddedTokens: false);
                var progress = new ReadingProgress(tokens.Length, parsed.GetValue(quiet));
                long begin = Stopwatch.GetTimestamp();
                double nats = TextScorer.Score(session.Model, session.Device, tokens, progress.Report, cancellation);
                progress.End();
                Report(nats / Math.Log(2) / bytes.Length, tokens.Length, bytes.Length, parsed.GetValue(json));
                if (!parsed.GetValue(quiet))
                    Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tokens.Length / Stopwatch.GetElapsedTime(begin).TotalSeconds:N0} tokens/s"));
                return ExitCode.Success;
            },
            cancellation));
        return command;
    }

    private static void Report(double bitsPerByte, int tokens, int bytes, bool json)
    {
        if (!json)
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{bitsPerByte:F4} bits per byte ({tokens:N0} tokens, {bytes:N0} bytes)"));
            return;
        }
        JsonOutput.Write(writer =>
        {
            writer.WriteNumber("bitsPerByte", bitsPerByte);
            writer.WriteNumber("tokens", tokens);
            writer.WriteNumber("bytes", bytes);
        });
    }
}
