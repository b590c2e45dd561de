using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Serving;
using Microsoft.Extensions.AI;
using Effort = Microsoft.Extensions.AI.ReasoningEffort;

namespace Fathom.Extensions.AI;

/// <summary>A request in the engine's terms.</summary>
/// <param name="Request">what the engine is asked</param>
/// <param name="Ignored">names of options that have no effect</param>
internal sealed record ChatRequest(GenerationRequest Request, IReadOnlyCollection<string> Ignored)
{
    /// <summary>Whether reasoning is left out of the response.</summary>
    public bool HidesReasoning { get; init; }

    /// <summary>Whether only the first call is shown.</summary>
    public bool OneCall { get; init; }

    /// <summary>Reads messages and options.</summary>
    /// <exception cref="GenerationException">they ask for what cannot be done</exception>
    public static ChatRequest Read(IEnumerable<ChatMessage> messages, ChatOptions? options, ServingEngine engine)
    {
        options ??= new ChatOptions();
        var own = options as FathomChatOptions;
        RefuseStored(options);
        var ignored = new SortedSet<string>(StringComparer.Ordinal);
        ThinkingMode thinking = options.Reasoning?.Effort == Effort.None ? ThinkingMode.Chat : ThinkingMode.Thinking;
        OfferedFunctions functions = OfferedFunctions.Read(options);
        (Grammar? form, string? schema) = Form(options.ResponseFormat, functions.Tools.Count > 0);
        var conversation = new Conversation
        {
            Messages = ChatMessages.Read(messages, options.Instructions),
            Thinking = thinking,
            Effort = EffortOf(options.Reasoning?.Effort, engine.Revision),
        };
        var request = new GenerationRequest
        {
            Prompt = new GenerationPrompt.Chat(conversation.WithTools(functions.Tools).WithResponseFormat(schema)),
            Sampling = Sampling(options, own, thinking, ignored),
            MaxTokens = options.MaxOutputTokens,
            ThinkingTokens = own?.ThinkingTokens,
            StopStrings = [.. options.StopSequences ?? []],
            AnswerGrammar = form ?? functions.Grammars.Reply,
            CallGrammar = functions.Grammars.Block,
            Calls = functions.Choice,
            CallName = functions.Name,
            Tenant = own?.Tenant ?? "",
            Holder = own?.Tenant ?? "",
        };
        ReadIgnored(options, engine.ModelName, ignored);
        bool hides = options.Reasoning?.Output == ReasoningOutput.None;
        return new ChatRequest(request, ignored) { HidesReasoning = hides, OneCall = options.AllowMultipleToolCalls == false };
    }

    // A client that relies on what is stored elsewhere would be answered without its history.
    private static void RefuseStored(ChatOptions options)
    {
        if (options.ConversationId is not null)
        {
            throw GenerationException.Invalid("ConversationId: expected none, since no conversation is stored here. Send all messages each time; what was "
                + "read before is found in the cache.");
        }
        if (options.ContinuationToken is not null)
        {
            throw GenerationException.Invalid("ContinuationToken: expected none, since no response goes on in the background. Send the request again.");
        }
    }

    // One grammar holds the answer, another the calls: a reply follows one of them.
    private static (Grammar? Grammar, string? Schema) Form(ChatResponseFormat? format, bool hasTools)
    {
        if (format is not ChatResponseFormatJson json)
        {
            return (null, null);
        }
        if (hasTools)
        {
            throw GenerationException.Invalid("ResponseFormat: expected text beside tools, found JSON. Offer tools in one request and ask for JSON in the "
                + "next.");
        }
        try
        {
            return json.Schema is { } schema ? (JsonGrammar.FromSchema(schema), schema.GetRawText()) : (JsonGrammar.AnyObject(), null);
        }
        catch (RequestException e)
        {
            throw new GenerationException(FaultKind.Invalid, $"ResponseFormat: {e.Message}", e);
        }
    }

    private static Prompts.ReasoningEffort EffortOf(Effort? effort, EncoderRevision revision) => (effort, revision) switch
    {
        (null or Effort.None, _) => Prompts.ReasoningEffort.Unspecified,
        (Effort.Low, EncoderRevision.July31) => Prompts.ReasoningEffort.Low,
        (Effort.ExtraHigh, _) => Prompts.ReasoningEffort.Max,
        _ => Prompts.ReasoningEffort.High,
    };

    private static SamplingOptions Sampling(ChatOptions options, FathomChatOptions? own, ThinkingMode thinking, SortedSet<string> ignored)
    {
        bool thinks = thinking == ThinkingMode.Thinking;
        // A model that thinks by the likeliest tokens runs in circles.
        Ignore(thinks && options.Temperature is not (null or 1), nameof(options.Temperature), ignored);
        Ignore(thinks && options.TopP is not (null or 1), nameof(options.TopP), ignored);
        return new SamplingOptions
        {
            Temperature = thinks ? 1 : options.Temperature ?? 1,
            TopP = thinks ? 1 : options.TopP ?? 1,
            TopK = options.TopK ?? 0,
            MinP = own?.MinP ?? 0,
            Seed = unchecked((ulong)(options.Seed ?? Random.Shared.NextInt64())),
        };
    }

    private static void ReadIgnored(ChatOptions options, string model, SortedSet<string> ignored)
    {
        Ignore(options.ModelId is { } id && id != model, nameof(options.ModelId), ignored);
        Ignore(options.FrequencyPenalty is not (null or 0), nameof(options.FrequencyPenalty), ignored);
        Ignore(options.PresencePenalty is not (null or 0), nameof(options.PresencePenalty), ignored);
        Ignore(options.Reasoning?.Output == ReasoningOutput.Summary, "Reasoning.Output", ignored);
        Ignore(options.AllowBackgroundResponses == true, nameof(options.AllowBackgroundResponses), ignored);
        Ignore(options.RawRepresentationFactory is not null, nameof(options.RawRepresentationFactory), ignored);
        foreach (string name in options.AdditionalProperties?.Keys ?? [])
        {
            ignored.Add($"{nameof(options.AdditionalProperties)}.{name}");
        }
    }

    private static void Ignore(bool isGiven, string name, SortedSet<string> ignored)
    {
        if (isGiven)
        {
            ignored.Add(name);
        }
    }
}
