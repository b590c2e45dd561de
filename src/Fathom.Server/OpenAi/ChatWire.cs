using System.Text.Json;
using Fathom.Prompts;
using Fathom.Serving;

namespace Fathom.Server.OpenAi;

/// <summary>A Chat Completions request in neutral terms.</summary>
/// <param name="Request">what the engine is asked</param>
/// <param name="Streams">whether the answer streams</param>
/// <param name="IncludesUsage">whether a chunk of its own tells the tokens</param>
/// <param name="Ignored">fields that have no effect</param>
internal sealed record ChatRequest(GenerationRequest Request, bool Streams, bool IncludesUsage, IReadOnlyCollection<string> Ignored)
{
    /// <summary>Whether a stream tells how far the reading of the prompt is.</summary>
    public bool TellsProgress { get; init; }
}

/// <summary>Reads the body of a Chat Completions request. Stateless.</summary>
internal static class ChatWire
{
    /// <summary>The request of a body.</summary>
    /// <param name="body">JSON object</param> <param name="caller">who asks</param>
    /// <param name="revision">how prompts are written</param> <param name="isBeta">whether the last turn may be left open</param>
    /// <exception cref="RequestErrorException">it breaks a rule</exception>
    public static ChatRequest Read(JsonElement body, Caller caller, EncoderRevision revision, bool isBeta)
    {
        var fields = new JsonFields(body, "");
        var ignored = new SortedSet<string>(StringComparer.Ordinal);
        fields.String("model");                                                           // one model is served, under any name
        if (fields.Integer("n", 1) > 1)
        {
            throw new RequestErrorException(ErrorReason.Invalid, "n: expected 1, found more. Send the request several times; the prompt is read once.", "n");
        }
        string? userId = fields.String("user_id"), user = fields.String("user");
        ThinkingMode thinking = Thinking(fields, revision, out ReasoningEffort effort, out int? budget);
        ToolFields tools = ToolFields.Read(fields, ignored);
        AnswerForm form = AnswerForm.Read(fields, "response_format", tools.Tools.Count > 0, wrapper: "json_schema");
        var messages = new Conversation { Messages = ChatMessages.Read(fields, isBeta, ignored), Thinking = thinking, Effort = effort };
        Conversation conversation = tools.Place(messages).WithResponseFormat(form.Schema);
        int? longest = fields.Integer("max_completion_tokens", 1), longestBefore = fields.Integer("max_tokens", 1);         // its name now, and its old one
        var request = new GenerationRequest
        {
            Prompt = new GenerationPrompt.Chat(conversation),
            Sampling = SamplingFields.Read(fields, thinking == ThinkingMode.Thinking, ignored),
            MaxTokens = longest ?? longestBefore,
            ThinkingTokens = budget,
            StopStrings = fields.Strings("stop"),
            TopLogProbabilities = LogProbabilities(fields),
            AnswerGrammar = form.Grammar ?? tools.Grammars.Reply,
            CallGrammar = tools.Grammars.Block,
            Calls = tools.Choice,
            CallName = tools.Name,
            Tenant = caller.Tenant(userId ?? user),
            Holder = caller.Holder(userId ?? user),
        };
        bool streams = fields.Boolean("stream") ?? false;
        bool includesUsage = fields.Object("stream_options")?.Boolean("include_usage") ?? false;
        bool tellsProgress = fields.Boolean("return_progress") ?? false;
        if (tellsProgress && !streams)
        {
            ignored.Add("return_progress");
        }
        ignored.UnionWith(fields.Unasked);
        return new ChatRequest(request, streams, includesUsage, ignored) { TellsProgress = tellsProgress };
    }

    private static ThinkingMode Thinking(JsonFields fields, EncoderRevision revision, out ReasoningEffort effort, out int? budget)
    {
        JsonFields? thinking = fields.Object("thinking");
        int? ofThinking = thinking?.Integer("budget_tokens", 0);
        budget = fields.Integer("thinking_token_budget", 0) ?? ofThinking;
        string? type = thinking?.String("type");
        bool isOn = type switch
        {
            null or "enabled" or "adaptive" => true,
            "disabled" => false,
            _ => throw thinking!.Unknown("type", "enabled or disabled", type),             // it has a type
        };
        effort = Efforts.Read(fields, "reasoning_effort", revision);
        return isOn && fields.String("reasoning_effort") != "none" ? ThinkingMode.Thinking : ThinkingMode.Chat;
    }

    private static int? LogProbabilities(JsonFields fields)
    {
        bool isOn = fields.Boolean("logprobs") ?? false;
        int? top = fields.Integer("top_logprobs", 0, 20);
        if (top > 0 && !isOn)
        {
            throw new RequestErrorException(ErrorReason.Invalid, "top_logprobs: expected logprobs to be true beside it.", "top_logprobs");
        }
        return isOn ? top ?? 0 : null;
    }
}
