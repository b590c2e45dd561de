using System.Text.Json;
using Fathom.Prompts;
using Fathom.Serving;

namespace Fathom.Server.Anthropic;

/// <summary>A Messages request in neutral terms.</summary>
/// <param name="Request">what the engine is asked</param>
/// <param name="Streams">whether the answer streams</param>
/// <param name="Ignored">fields that have no effect</param>
internal sealed record MessagesRequest(GenerationRequest Request, bool Streams, IReadOnlyCollection<string> Ignored)
{
    /// <summary>Whether the client is sent the signature of the thinking and not its text.</summary>
    public bool HidesThinking { get; init; }

    /// <summary>Whether only the first call of a tool is shown.</summary>
    public bool OneCall { get; init; }

    /// <summary>Whether the client marks what to cache. All is cached; the mark decides under which name tokens are counted.</summary>
    public bool MarksCache { get; init; }
}

/// <summary>Reads the body of a Messages request. Stateless.</summary>
internal static class MessagesWire
{
    /// <summary>The request of a body.</summary>
    /// <param name="body">JSON object</param>
    /// <param name="caller">who asks</param>
    /// <param name="revision">how prompts are written</param>
    /// <param name="counts">whether tokens are only counted</param>
    /// <exception cref="RequestErrorException">it breaks a rule</exception>
    public static MessagesRequest Read(JsonElement body, Caller caller, EncoderRevision revision, bool counts)
    {
        var fields = new JsonFields(body, "");
        var ignored = new SortedSet<string>(StringComparer.Ordinal);
        fields.String("model");                                                           // one model is served, under any name
        int? maxTokens = fields.Integer("max_tokens", 1);
        if (maxTokens is null && !counts)
        {
            throw fields.Missing("max_tokens", "the number of tokens to generate at most");
        }
        (ThinkingMode thinking, int? budget, bool hides) = Thinking(fields, ignored);
        ReasoningEffort effort = Effort(fields, revision, thinking, ignored);
        MessagesTools tools = MessagesTools.Read(fields, ignored);
        AnswerForm form = Form(fields, hasTools: tools.Functions.Count > 0);
        var content = new MessagesContent(ignored);
        var conversation = new Conversation { Messages = content.Read(fields), Thinking = thinking, Effort = effort };
        JsonFields? metadata = fields.Object("metadata");
        string? user = EndUser.Of(metadata?.String("user_id"));
        var request = new GenerationRequest
        {
            Prompt = new GenerationPrompt.Chat(conversation.WithTools(tools.Functions).WithResponseFormat(form.Schema)),
            Sampling = SamplingFields.Read(fields, thinking == ThinkingMode.Thinking, ignored),
            MaxTokens = maxTokens,
            ThinkingTokens = budget,
            StopStrings = fields.Strings("stop_sequences"),
            AnswerGrammar = form.Grammar ?? tools.Grammars.Reply,
            CallGrammar = tools.Grammars.Block,
            Calls = tools.Calls,
            CallName = tools.CallName,
            Tenant = caller.Tenant(user),
            Holder = caller.Holder(user),
        };
        bool streams = fields.Boolean("stream") ?? false, marksCache = MessagesContent.MarksCache(fields) | tools.MarksCache | content.HasMark;
        PassOver(fields);
        ignored.UnionWith(metadata?.Unasked ?? []);
        ignored.UnionWith(fields.Unasked);
        return new MessagesRequest(request, streams, ignored) { HidesThinking = hides, OneCall = tools.OneCall, MarksCache = marksCache };
    }

    // Without the field the model does not think, as in Anthropic's API.
    private static (ThinkingMode Mode, int? Budget, bool Hides) Thinking(JsonFields fields, SortedSet<string> ignored)
    {
        if (fields.Object("thinking") is not { } thinking)
        {
            return (ThinkingMode.Chat, null, false);
        }
        string type = thinking.String("type") ?? throw thinking.Missing("type", "enabled, adaptive or disabled");
        int? budget = thinking.Integer("budget_tokens", 0);
        string? display = thinking.String("display");
        if (display is not (null or "summarized" or "omitted"))
        {
            throw thinking.Unknown("display", "summarized or omitted", display);
        }
        if (type == "between_tools")
        {
            ignored.Add(thinking.PathOf("type"));                                         // the model thinks in every turn or in none
        }
        return type switch
        {
            "enabled" or "adaptive" or "between_tools" => (ThinkingMode.Thinking, budget, display == "omitted"),
            "disabled" => (ThinkingMode.Chat, null, false),
            _ => throw thinking.Unknown("type", "enabled, adaptive or disabled", type),
        };
    }

    private static ReasoningEffort Effort(JsonFields fields, EncoderRevision revision, ThinkingMode thinking, SortedSet<string> ignored)
    {
        if (fields.Object("output_config") is not { } output)
        {
            return ReasoningEffort.Unspecified;
        }
        output.Any("format");
        ReasoningEffort effort = Efforts.Read(output, "effort", revision);
        if (effort != ReasoningEffort.Unspecified && thinking == ThinkingMode.Chat)
        {
            ignored.Add(output.PathOf("effort"));
        }
        ignored.UnionWith(output.Unasked);
        return effort;
    }

    // The field has had two places.
    private static AnswerForm Form(JsonFields fields, bool hasTools)
    {
        AnswerForm form = AnswerForm.Read(fields, "output_format", hasTools);
        return fields.Object("output_config") is { } output && form.Grammar is null ? AnswerForm.Read(output, "format", hasTools) : form;
    }

    // What has no effect here must still be what it should be.
    private static void PassOver(JsonFields fields)
    {
        var types = new JsonFields(fields.Json, "");
        types.String("service_tier");
        types.String("inference_geo");
        types.String("speed");
        types.Array("mcp_servers");
        types.Object("context_management");
    }
}
