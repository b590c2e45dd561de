using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Fathom.Cache;
using Fathom.Engine;
using Fathom.Planning;
using Fathom.Text;

namespace Fathom.Cli;

/// <summary><c>fathom prefill</c>: reads documents once, so that questions about them need not.</summary>
internal static class PrefillCommand
{
    // Texts that may follow: of each kind of character one, so that tokens which depend on what follows show themselves.
    private static readonly string[] s_continuations = ["a", "Z", "7", " ", "  b", "\n", "\n\n", ".", "'s", ")", "é", "中", "🙂", "-"];

    public static Command Create()
    {
        var files = new Argument<string[]>("FILES") { Description = "Documents, UTF-8, in this order.", Arity = ArgumentArity.OneOrMore };
        var pin = new Option<string>("--pin") { Description = "Name under which fathom run --cache finds the text; it is never removed to make room.", HelpName = "NAME", Required = true };
        Option<string?> model = Arguments.Model();
        Option<int> threads = Arguments.Threads();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();
        var checkpoint = new Option<int>("--checkpoint")
        {
            Description = "Tokens between two places at which reading can go on after it was ended by force.",
            HelpName = "N",
            DefaultValueFactory = _ => Generator.CheckpointTokens,
        };
        checkpoint.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));
        var caches = new CacheArguments();
        var command = new CommandWithExample(
            "prefill",
            "Reads documents and keeps what the model remembers of them on the disk: one begin-of-text token, then the documents in the given order with an empty line between two, up to "
            + "the last token that does not depend on what follows. What was stopped, by Ctrl-C or otherwise, goes on when the same command is given again.",
            "fathom prefill --pin contracts a.txt b.txt && fathom run --cache contracts \"The notice period is\"")
        {
            files, pin, checkpoint, model, threads, json, quiet,
        };
        caches.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                string name = parsed.GetValue(pin)!;                                      // required
                string[] sources = parsed.GetValue(files)!;                               // one or more
                string text = string.Join("\n\n", sources.Select(source => Encoding.UTF8.GetString(TextInput.Read(source))));
                using ModelSession session = ModelSession.Open(parsed.GetValue(model) ?? Arguments.BundledModel, parsed.GetValue(threads), allowUnused: false);
                PrefixStore store = caches.Open(parsed, session);
                var prefill = new Prefill(session, store, parsed.GetValue(threads), parsed.GetValue(json), parsed.GetValue(quiet));
                return prefill.Run(name, sources, text, parsed.GetValue(checkpoint), cancellation);
            },
            cancellation));
        return command;
    }

    /// <summary>The tokens of a text whatever follows it, and the end of the text that they leave out.</summary>
    private static (int[] Tokens, string Remainder) Stable(Tokenizer tokenizer, string text)
    {
        int[] tokens = tokenizer.Encode(text, recognizeAddedTokens: false);
        int stable = tokens.Length;
        foreach (string continuation in s_continuations)
            stable = Math.Min(stable, tokens.AsSpan().CommonPrefixLength(tokenizer.Encode(text + continuation, recognizeAddedTokens: false)));

        // The rest must be whole characters.
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        for (; ; stable--)
        {
            int length = tokenizer.DecodeBytes(tokens.AsSpan(0, stable)).Length;
            if (length == bytes.Length || (bytes[length] & 0xC0) != 0x80)
                return (tokens[..stable], Encoding.UTF8.GetString(bytes.AsSpan(length)));
        }
    }

    private sealed class Prefill(ModelSession session, PrefixStore store, int threads, bool json, bool quiet)
    {
        public int Run(string name, string[] sources, string text, int checkpoint, CancellationToken cancellation)
        {
            (int[] stable, string rest) = Stable(session.Tokenizer, text);
            int[] tokens = [session.Model.Config.BosToken, .. stable];
            int stored = store.Find(tokens);
            double forecast = Forecast(tokens.Length) * (1 - ((double)stored / tokens.Length));
            if (!quiet)
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tokens.Length:N0} tokens, {stored:N0} of them stored already; {forecast:N0} s at least for the rest."));
            using var generator = new Generator(session.Model, session.Device, session.Model.Config.MaxPositions);
            var progress = new ReadingProgress(tokens.Length, quiet);
            long begin = Stopwatch.GetTimestamp();
            try
            {
                stored = generator.Read(tokens, store, TimeSpan.Zero, progress.Found, progress.Report, cancellation, checkpoint);
            }
            catch (OperationCanceledException)
            {
                progress.End();
                throw new RequestException($"Stopped at {generator.Length:N0} of {tokens.Length:N0} tokens, which are stored. Give the same command again to go on.");
            }

            progress.End();
            double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            if (!IsPinned(name, tokens, sources, rest))
                throw new RequestException($"{name}: the text was read but is not stored whole. The lines above say why; make room or choose another --cache-dir, and give the same command again.");
            if (json)
            {
                JsonOutput.Write(writer =>
                {
                    writer.WriteString("pin", name);
                    writer.WriteNumber("tokens", tokens.Length);
                    writer.WriteNumber("cachedTokens", stored);
                    writer.WriteNumber("seconds", seconds);
                    writer.WriteNumber("forecastSeconds", forecast);
                    writer.WriteNumber("bytesWritten", store.Statistics.BytesWritten);
                });
            }
            else
            {
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{name}: {tokens.Length:N0} tokens, {tokens.Length - stored:N0} read in {seconds:N1} s, {store.Statistics.BytesWritten:N0} B written"));
            }

            return ExitCode.Success;
        }

        private bool IsPinned(string name, int[] tokens, string[] sources, string rest)
        {
            try
            {
                return store.Pin(name, tokens, sources, rest);
            }
            catch (ArgumentException e)
            {
                throw new UsageException(e.Message);
            }
        }

        private double Forecast(int tokens)
        {
            var plan = ContextPlan.For(session.Model.Config, TensorInventory.For(session.Model.Config), tokens);
            return Planning.Forecast.For(plan, MachineRates.Measure(threads), users: 1, MachineRates.MeasureMemoryAvailable()).PrefillSeconds;
        }
    }
}
