using System.CommandLine;
using Fathom.Cache;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Text;

namespace Fathom.Cli;

/// <summary><c>fathom run</c>: completes a text.</summary>
internal static class RunCommand
{
    private const int DefaultMaxTokens = 200;
    private const float DefaultTemperature = 0.8f;
    private const float DefaultTopP = 0.95f;

    private static TimeSpan Worthwhile { get; } = TimeSpan.FromSeconds(2);

    public static Command Create()
    {
        var prompt = new Argument<string?>("PROMPT") { Description = "The text to complete.", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<string?>("--prompt-file") { Description = "Take the text from a file; - is stdin.", HelpName = "FILE" };
        Option<string?> model = Arguments.Model();
        Option<int> threads = Arguments.Threads();
        Option<NumericMode> numeric = Arguments.Numeric();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();
        var caches = new CacheArguments();
        var noCache = new Option<bool>("--no-cache") { Description = "Neither look for the text in the caches on the disk nor store it there." };
        var cache = new Option<string?>("--cache") { Description = "Go on from a text that fathom prefill --pin has stored: PROMPT stands behind it.", HelpName = "NAME" };
        var generation = new GenerationArguments(DefaultMaxTokens, DefaultTemperature, DefaultTopP);
        var control = new ControlArguments();
        var command = new CommandWithExample(
            "run",
            "Completes a text: the completion streams to stdout, speeds go to stderr. The names of special tokens in the text stand for those tokens. "
            + $"A text that took {Worthwhile.TotalSeconds} seconds or more to read is kept on the disk, and its beginning is not read again.",
            "fathom run \"And it came to pass\" --max-tokens 60 --seed 7")
        {
            prompt, file, model, threads, numeric, cache, noCache, json, quiet,
        };
        caches.AddTo(command);
        generation.AddTo(command);
        control.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                byte[] text = Text(parsed.GetValue(prompt), parsed.GetValue(file));
                SamplingOptions sampling = generation.Sampling(parsed);
                StopStrings stops = control.Stops(parsed);
                Grammar? grammar = control.Schema(parsed);
                using ModelSession session = ModelSession.Open(
                    parsed.GetValue(model) ?? Arguments.BundledModel, parsed.GetValue(threads), parsed.GetValue(numeric), generation.AllowUnused(parsed));
                using var generator = new Generator(
                    session.Model, session.Device, generation.Context(parsed, session.Model), generation.Speculative(parsed));
                string? pinned = parsed.GetValue(cache);
                if (pinned is not null && parsed.GetValue(noCache))
                    throw new UsageException("--cache takes what is stored; it cannot go with --no-cache.");
                PrefixStore? store = parsed.GetValue(noCache) ? null : caches.Open(parsed, session, generation.Speculative(parsed));
                int[] tokens = Tokens(session, store, pinned, text);
                TokenRules rules = control.Rules(parsed, grammar, session, tokens, generation.MaxTokens(parsed));
                var run = new Run(session, generator, sampling, generation.MaxTokens(parsed), parsed.GetValue(json), parsed.GetValue(quiet));
                run.Complete(tokens, store, rules, stops, cancellation);
                return ExitCode.Success;
            },
            cancellation));
        return command;
    }

    // Behind a pinned text, whose last letters may belong to the first token of what follows.
    private static int[] Tokens(ModelSession session, PrefixStore? store, string? pinned, byte[] text)
    {
        if (pinned is null)
            return [session.Model.Config.BosToken, .. session.Tokenizer.Encode(text, recognizeAddedTokens: true)];
        int[]? before = store!.TokensOf(pinned);                                          // asked for together with a store
        StorePin? pin = store.FindPin(pinned);
        if (before is null || pin is null)
            throw new RequestException($"--cache {pinned}: expected a text that this model has stored whole under this name with this --numeric and --speculative, found none. fathom cache list shows what there is.");
        return [.. before, .. session.Tokenizer.Encode([.. System.Text.Encoding.UTF8.GetBytes(pin.Rest), .. text], recognizeAddedTokens: true)];
    }

    private static byte[] Text(string? prompt, string? file) => (prompt, file) switch
    {
        (not null, null) => System.Text.Encoding.UTF8.GetBytes(prompt),
        (null, not null) => TextInput.Read(file),
        (null, null) => throw new UsageException("Expected a text to complete, found none. Give it in quotes or with --prompt-file."),
        _ => throw new UsageException("Expected one text to complete, found two: PROMPT and --prompt-file."),
    };

    private sealed class Run(ModelSession session, Generator generator, SamplingOptions sampling, int maxTokens, bool json, bool quiet)
    {
        private int _restored;
        private int _given;

        public void Complete(int[] tokens, PrefixStore? store, TokenRules rules, StopStrings stops, CancellationToken cancellation)
        {
            var progress = new ReadingProgress(tokens.Length, quiet);
            if (store is null)
                generator.Read(tokens, progress.Report, cancellation);
            else
                _restored = generator.Read(tokens, store, Worthwhile, progress.Found, progress.Report, cancellation);
            progress.End();
            var completion = new System.Text.StringBuilder();
            var detokenizer = new Detokenizer(session.Tokenizer);
            var sampler = new Sampler(sampling, session.Model.Config.VocabularySize);
            Obey(sampler, rules);
            foreach (Token token in generator.Generate(sampler, session.Model.Config.EosToken, maxTokens, cancellation))
            {
                _given++;
                rules.Push(token.Id);
                Obey(sampler, rules);
                Write(stops.Push(detokenizer.Push(token.Id)));
                if (stops.Hit is not null)
                    break;
            }

            Write(stops.Push(detokenizer.Flush()) + stops.Flush());
            string reason = stops.Hit is null ? Reason(generator.Finish) : "stop";
            if (json)
                WriteJson(completion.ToString(), reason, tokens.Length);
            else
                Console.Out.WriteLine();
            if (!quiet)
                Console.Error.WriteLine($"{(_restored > 0 ? $"{_restored} tokens from the cache, " : "")}{Speeds.Line(generator.Stats)}, {Arguments.NameOf(session.Model.NumericMode)}, seed {sampling.Seed}, ended by {reason}");

            void Write(string piece)
            {
                completion.Append(piece);
                if (!json)
                {
                    Console.Out.Write(piece);
                    Console.Out.Flush();
                }
            }
        }

        // Before every draw: what may come, and what must.
        private static void Obey(Sampler sampler, TokenRules rules)
        {
            sampler.Mask = rules.Mask;
            if (!rules.Forced.IsEmpty)
                sampler.Force(rules.Forced[..1]);
        }

        private void WriteJson(string completion, string reason, int promptTokens)
        {
            JsonOutput.Write(json =>
            {
                json.WriteString("text", completion);
                json.WriteString("finish", reason);
                json.WriteNumber("seed", sampling.Seed);
                json.WriteString("numeric", Arguments.NameOf(session.Model.NumericMode));
                json.WriteNumber("promptTokens", promptTokens);
                json.WriteNumber("cachedTokens", _restored);
                json.WriteNumber("tokens", _given);
                json.WriteNumber("prefillTokensPerSecond", Speeds.Prefill(generator.Stats));
                json.WriteNumber("decodeTokensPerSecond", Speeds.Decode(generator.Stats));
                json.WriteNumber("guesses", generator.Stats.Guesses);
                json.WriteNumber("rightGuesses", generator.Stats.RightGuesses);
            });
        }

        private static string Reason(FinishReason reason) => reason switch
        {
            FinishReason.Stop => "stop",
            FinishReason.Length => "length",
            _ => "context",
        };
    }
}
