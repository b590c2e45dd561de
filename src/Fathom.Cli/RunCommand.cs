using System.CommandLine;
using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Cli;

/// <summary><c>fathom run</c>: completes a text.</summary>
internal static class RunCommand
{
    private const int DefaultMaxTokens = 200;
    private const float DefaultTemperature = 0.8f;
    private const float DefaultTopP = 0.95f;

    public static Command Create()
    {
        var prompt = new Argument<string?>("PROMPT") { Description = "The text to complete.", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<string?>("--prompt-file") { Description = "Take the text from a file; - is stdin.", HelpName = "FILE" };
        Option<string?> model = Arguments.Model();
        Option<int> threads = Arguments.Threads();
        Option<bool> json = Arguments.Json();
        Option<bool> quiet = Arguments.Quiet();
        var generation = new GenerationArguments(DefaultMaxTokens, DefaultTemperature, DefaultTopP);
        var command = new CommandWithExample(
            "run",
            "Completes a text: the completion streams to stdout, speeds go to stderr. The names of special tokens in the text stand for those tokens.",
            "fathom run \"And it came to pass\" --max-tokens 60 --seed 7")
        {
            prompt, file, model, threads, json, quiet,
        };
        generation.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                byte[] text = Text(parsed.GetValue(prompt), parsed.GetValue(file));
                SamplingOptions sampling = generation.Sampling(parsed);
                using ModelSession session = ModelSession.Open(
                    parsed.GetValue(model) ?? Arguments.BundledModel, parsed.GetValue(threads), generation.AllowUnused(parsed));
                using var generator = new Generator(
                    session.Model, session.Device, generation.Context(parsed, session.Model), generation.Speculative(parsed));
                var run = new Run(session, generator, sampling, generation.MaxTokens(parsed), parsed.GetValue(json), parsed.GetValue(quiet));
                run.Complete(text, cancellation);
                return ExitCode.Success;
            },
            cancellation));
        return command;
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
        public void Complete(byte[] text, CancellationToken cancellation)
        {
            int[] tokens = [session.Model.Config.BosToken, .. session.Tokenizer.Encode(text, recognizeAddedTokens: true)];
            var progress = new ReadingProgress(tokens.Length, quiet);
            generator.Read(tokens, progress.Report, cancellation);
            progress.End();
            var completion = new System.Text.StringBuilder();
            var detokenizer = new Detokenizer(session.Tokenizer);
            var sampler = new Sampler(sampling, session.Model.Config.VocabularySize);
            foreach (Token token in generator.Generate(sampler, session.Model.Config.EosToken, maxTokens, cancellation))
                Write(detokenizer.Push(token.Id));
            Write(detokenizer.Flush());
            if (json)
                WriteJson(completion.ToString(), tokens.Length);
            else
                Console.Out.WriteLine();
            if (!quiet)
                Console.Error.WriteLine($"{Speeds.Line(generator.Stats)}, seed {sampling.Seed}, ended by {Reason(generator.Finish)}");

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

        private void WriteJson(string completion, int promptTokens)
        {
            JsonOutput.Write(json =>
            {
                json.WriteString("text", completion);
                json.WriteString("finish", Reason(generator.Finish));
                json.WriteNumber("seed", sampling.Seed);
                json.WriteNumber("promptTokens", promptTokens);
                json.WriteNumber("tokens", generator.Length - promptTokens);
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
