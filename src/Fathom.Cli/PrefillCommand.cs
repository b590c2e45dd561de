using System.CommandLine;
using System.Text;
using Fathom.Cache;
using Fathom.Devices;
using Fathom.Engine;
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
        Option<NumericMode> numeric = Arguments.Numeric();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();
        var checkpoint = new Option<int>("--checkpoint")
        {
            Description = "Tokens between two places at which reading can go on after it was ended by force.",
            HelpName = "N",
            DefaultValueFactory = _ => Generator.CheckpointTokens,
        };
        checkpoint.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));
        var csv = new Option<string?>("--csv") { Description = "Write tokens, seconds, speed and memory at every checkpoint.", HelpName = "FILE" };
        var speculative = new Option<bool>("--speculative") { Description = "Keep what fathom run --speculative needs as well; such texts are stored apart." };
        var caches = new CacheArguments();
        var command = new CommandWithExample(
            "prefill",
            "Reads documents and keeps what the model remembers of them on the disk: one begin-of-text token, then the documents in the given order with an empty line between two, up to "
            + "the last token that does not depend on what follows. What was stopped, by Ctrl-C or otherwise, goes on when the same command is given again.",
            "fathom prefill --pin contracts a.txt b.txt && fathom run --cache contracts \"The notice period is\"")
        {
            files, pin, checkpoint, speculative, csv, model, threads, numeric, json, quiet,
        };
        caches.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                string name = parsed.GetValue(pin)!;                                      // required
                string[] sources = parsed.GetValue(files)!;                               // one or more
                string text = string.Join("\n\n", sources.Select(source => Encoding.UTF8.GetString(TextInput.Read(source))));
                using ModelSession session = ModelSession.Open(
                    parsed.GetValue(model) ?? Arguments.BundledModel, parsed.GetValue(threads), parsed.GetValue(numeric), allowUnused: false);
                PrefixStore store = caches.Open(parsed, session, parsed.GetValue(speculative));
                (int[] stable, string remainder) = Stable(session.Tokenizer, text);
                int[] tokens = [session.Model.Config.BosToken, .. stable];
                var reading = new PrefillReading(session, store, tokens, parsed.GetValue(checkpoint), parsed.GetValue(quiet));
                reading.Run(cancellation);
                if (parsed.GetValue(csv) is { } path)
                    File.WriteAllText(path, reading.Csv);
                Pin(store, name, tokens, sources, remainder);
                if (parsed.GetValue(json))
                    JsonOutput.Write(writer => reading.WriteJson(writer, name));
                else
                    Console.Out.WriteLine($"{name}: {reading}");
                return ExitCode.Success;
            },
            cancellation));
        return command;
    }

    private static void Pin(PrefixStore store, string name, int[] tokens, string[] sources, string remainder)
    {
        try
        {
            if (!store.Pin(name, tokens, sources, remainder))
                throw new RequestException($"{name}: the text was read but is not stored whole. The lines above say why; make room or choose another --cache-dir, and give the same command again.");
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
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
}
