using Fathom.Cache;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Serving;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Serving;

/// <summary>What a request came to.</summary>
internal sealed record Outcome(List<GenerationEvent> Events)
{
    public GenerationEvent.Accepted Accepted => Events.OfType<GenerationEvent.Accepted>().Single();

    public GenerationEvent.Finished Finished => Assert.IsType<GenerationEvent.Finished>(Events[^1]);

    public GenerationEvent.Failed Failed => Assert.IsType<GenerationEvent.Failed>(Events[^1]);

    public string Answer => string.Concat(Events.OfType<GenerationEvent.Answer>().Select(answer => answer.Text));

    public string Reasoning => string.Concat(Events.OfType<GenerationEvent.Reasoning>().Select(reasoning => reasoning.Text));

    public string Arguments => string.Concat(Events.OfType<GenerationEvent.CallArguments>().Select(arguments => arguments.Json));

    /// <summary>Bits of the tokens' log-probabilities, which differ wherever a logit does.</summary>
    public int[] Bits => [.. Events.SelectMany(e => e is GenerationEvent.Answer answer ? answer.Tokens : []).Select(token => BitConverter.SingleToInt32Bits(token.LogProbability))];
}

/// <summary>The bundled model behind an engine, and requests to it.</summary>
internal sealed class ServingBench : IDisposable
{
    public const string EndOfSentence = ProtocolTokens.EndOfSentence;

    private readonly CpuDevice _cpu = new(2);
    private readonly LanguageModel _model;
    private readonly Tokenizer _tokenizer;

    /// <param name="change">of the options that tests have by default</param> <param name="maxRows">of a batch</param> <param name="store">folder of a store, or null</param>
    /// <param name="model">its folder's name</param> <param name="decorate">what stands before the processor, or null</param>
    public ServingBench(
        Func<ServingOptions, ServingOptions>? change = null, int maxRows = 64, string? store = null, string model = "fathom-nano", Func<Device, Device>? decorate = null)
    {
        Device device = decorate?.Invoke(_cpu) ?? _cpu;
        string folder = TestFiles.Path("models", model);
        _model = LanguageModel.Load(folder, device, new LoadOptions { MaxRows = maxRows });
        _tokenizer = Tokenizer.Load(folder);
        var options = new ServingOptions
        {
            Context = 8192,
            MemoryBytes = 1_000_000_000,
            DefaultMaxTokens = 256,
            StoreWorthwhile = TimeSpan.Zero,
            OpenStore = store is null ? null : tenant => new PrefixStore(store, StoreScope.Of(_model, tenant), device, _model.Transformer.Layout, new StoreOptions()),
        };
        Engine = new ServingEngine(_model, device, _tokenizer, change?.Invoke(options) ?? options);
    }

    public ServingEngine Engine { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>A text of so many words, another for each seed.</summary>
    public static string Prose(int words, int seed)
    {
        string[] vocabulary = ["the", "river", "went", "down", "to", "a", "great", "sea", "and", "men", "of", "old", "built", "ships", "there"];
        var random = new Random(seed);
        return string.Join(' ', Enumerable.Range(0, words).Select(_ => vocabulary[random.Next(vocabulary.Length)]));
    }

    public static GenerationRequest Text(string text, int maxTokens, ulong seed = 1, string holder = "", string tenant = "") => new()
    {
        Prompt = new GenerationPrompt.Text(text),
        Sampling = new SamplingOptions { Seed = seed },
        MaxTokens = maxTokens,
        TopLogProbabilities = 0,
        Holder = holder,
        Tenant = tenant,
    };

    public static GenerationRequest Chat(params Message[] messages) => new()
    {
        Prompt = new GenerationPrompt.Chat(new Conversation { Messages = messages, Thinking = ThinkingMode.Thinking }),
        Sampling = new SamplingOptions { Seed = 3 },
        MaxTokens = 256,
    };

    public async Task<Outcome> RunAsync(GenerationRequest request)
    {
        var events = new List<GenerationEvent>();
        await foreach (GenerationEvent next in Engine.Generate(request, Cancellation))
        {
            events.Add(next);
        }
        return new Outcome(events);
    }

    public void Dispose()
    {
        Engine.Dispose();
        _model.Dispose();
        _cpu.Dispose();
    }
}
