using System.CommandLine;
using System.Globalization;
using Fathom.Devices;
using Fathom.Engine;

namespace Fathom.Cli;

/// <summary><c>fathom eval draft</c>: how often the MTP block guesses the model's next token.</summary>
internal static class EvalDraftCommand
{
    public static Command Create()
    {
        var text = new Option<string>("--text") { Description = "A text that the model has not written, nor seen in training; - is stdin.", HelpName = "FILE", Required = true };
        var temperatures = new Option<float[]>("--temperature") { Description = "Temperatures to draw at. May be given several times. Default: 0 and 1.", HelpName = "T" };
        var windows = new Option<int>("--windows") { Description = "Read pieces of N tokens apart.", HelpName = "N", DefaultValueFactory = _ => 1024 };
        var seed = new Option<long>("--seed") { Description = "Seed of the draws.", HelpName = "S", DefaultValueFactory = _ => 1 };
        Option<string?> model = Arguments.Model();
        Option<int> threads = Arguments.Threads();
        Option<bool> json = Arguments.Json();
        windows.Validators.Add(result => Arguments.InRange(result, 1, int.MaxValue));
        seed.Validators.Add(result => Arguments.InRange(result, 0, long.MaxValue));
        var command = new CommandWithExample(
            "draft",
            "How often speculative decoding would guess right: at every place of the text, the model and its MTP block draw the next token with the same random number.",
            "fathom eval draft --text heldout.txt")
        {
            text, temperatures, windows, seed, model, threads, json,
        };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                byte[] bytes = TextInput.Read(parsed.GetValue(text)!);                     // required
                using ModelSession session = ModelSession.Open(parsed.GetValue(model) ?? Arguments.BundledModel, parsed.GetValue(threads), NumericMode.Exact, allowUnused: false);
                int[] tokens = session.Tokenizer.Encode(bytes, recognizeAddedTokens: false);
                float[] wanted = parsed.GetValue(temperatures) is { Length: > 0 } given ? given : [0, 1];
                foreach (float temperature in wanted)
                {
                    SamplingOptions sampling = Sampling(temperature, (ulong)parsed.GetValue(seed));
                    (int right, int guesses) = Count(session, tokens, parsed.GetValue(windows), sampling, cancellation);
                    Write(temperature, right, guesses, parsed.GetValue(json));
                }
                return ExitCode.Success;
            },
            cancellation));
        return command;
    }

    private static SamplingOptions Sampling(float temperature, ulong seed)
    {
        try
        {
            return new SamplingOptions { Temperature = temperature, Seed = seed }.Validate();
        }
        catch (RequestException problem)
        {
            throw new UsageException("--" + problem.Message);
        }
    }

    // An empty text goes to the scorer too: it says what is wrong.
    private static (int Right, int Guesses) Count(ModelSession session, int[] tokens, int window, SamplingOptions sampling, CancellationToken cancellation)
    {
        (int right, int guesses) = (0, 0);
        for (int first = 0; first == 0 || first < tokens.Length; first += window)
        {
            ReadOnlySpan<int> piece = tokens.AsSpan(first, Math.Min(window, tokens.Length - first));
            (int more, int of) = DraftScorer.Score(session.Model, session.Device, piece, sampling, progress: null, cancellation);
            (right, guesses) = (right + more, guesses + of);
        }
        return (right, guesses);
    }

    private static void Write(float temperature, int right, int guesses, bool json)
    {
        if (json)
        {
            JsonOutput.Write(json =>
            {
                json.WriteNumber("temperature", temperature);
                json.WriteNumber("right", right);
                json.WriteNumber("guesses", guesses);
            });
            return;
        }
        Console.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"temperature {temperature}: {right:N0} of {guesses:N0} guesses right, {100.0 * right / Math.Max(1, guesses):F1} %"));
    }
}
