using System.Text.Json;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Serving;

namespace Fathom.Server.Responses;

/// <summary>A Responses request in neutral terms.</summary>
/// <param name="Request">what the engine is asked</param>
/// <param name="Streams">whether the answer streams</param>
/// <param name="Ignored">fields that have no effect</param>
internal sealed record ResponsesRequest(GenerationRequest Request, bool Streams, IReadOnlyCollection<string> Ignored)
{
    /// <summary>The tools, to tell the client in its own words which one is called.</summary>
    public required ResponsesTools Tools { get; init; }

    /// <summary>Whether only the first call of a tool is shown.</summary>
    public bool OneCall { get; init; }

    /// <summary>Fields of the request that the response repeats: names and JSON texts.</summary>
    public required IReadOnlyDictionary<string, string> Repeated { get; init; }
}

/// <summary>Reads the body of a Responses request. Stateless.</summary>
internal static class ResponsesWire
{
    private const int TopMax = 20;
    private const string LogProbabilities = "message.output_text.logprobs";

    private static readonly string[] s_repeated =
    [
        "instructions", "max_output_tokens", "max_tool_calls", "metadata", "reasoning", "temperature", "text", "tool_choice", "tools", "top_p", "user",
        "safety_identifier", "prompt_cache_key",
    ];

    /// <summary>The request of a body.</summary>
    /// <param name="body">JSON object</param> <param name="caller">who asks</param> <param name="revision">how prompts are written</param>
    /// <exception cref="RequestErrorException">it breaks a rule</exception>
    public static ResponsesRequest Read(JsonElement body, Caller caller, EncoderRevision revision)
    {
        var fields = new JsonFields(body, "");
        var ignored = new SortedSet<string>(StringComparer.Ordinal);
        fields.String("model");                                                           // one model is served, under any name
        RequireStateless(fields);
        (ThinkingMode thinking, ReasoningEffort effort) = Thinking(fields, revision, ignored);
        ResponsesTools tools = ResponsesTools.Read(fields, ignored);
        (CallChoice calls, string? callName) = ResponsesChoice.Read(fields, tools);
        CallGrammars grammars = CallFields.Grammars(tools.Schemas, calls, callName);
        AnswerForm form = Form(fields, tools.Functions.Count > 0, ignored);
        var conversation = new Conversation { Messages = new ResponsesInput(ignored).Read(fields), Thinking = thinking, Effort = effort };
        string? safety = fields.String("safety_identifier"), user = fields.String("user") ?? safety;
        var request = new GenerationRequest
        {
            Prompt = new GenerationPrompt.Chat(conversation.WithTools(tools.Functions).WithResponseFormat(form.Schema)),
            Sampling = SamplingFields.Read(fields, thinking == ThinkingMode.Thinking, ignored),
            MaxTokens = fields.Integer("max_output_tokens", 1),
            TopLogProbabilities = Top(fields),
            AnswerGrammar = form.Grammar ?? grammars.Reply,
            CallGrammar = grammars.Block,
            Calls = calls,
            CallName = callName,
            Tenant = caller.Tenant(user),
            Holder = caller.Holder(user),
        };
        bool streams = fields.Boolean("stream") ?? false, oneCall = !(fields.Boolean("parallel_tool_calls") ?? true);
        PassOver(fields);
        ignored.UnionWith(fields.Unasked);
        return new ResponsesRequest(request, streams, ignored) { Tools = tools, OneCall = oneCall, Repeated = Repeated(body) };
    }

    // A client that relies on the server's memory must not be answered without it.
    private static void RequireStateless(JsonFields fields)
    {
        const string Advice = "this server stores no responses. Send all items of the conversation in input.";
        if (fields.String("previous_response_id") is not null)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"previous_response_id: expected none, found one; {Advice}", "previous_response_id");
        }
        if (fields.Any("conversation") is not null)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"conversation: expected none, found one; {Advice}", "conversation");
        }
        if (fields.Boolean("background") ?? false)
        {
            throw new RequestErrorException(
                ErrorReason.Invalid,
                "background: expected false, found true; this server stores no responses to be fetched later. Stream the response instead.",
                "background");
        }
        if (fields.Any("prompt") is not null)
        {
            throw new RequestErrorException(
                ErrorReason.Invalid, "prompt: expected none, found one; this server stores no prompts. Send its text in instructions and input.", "prompt");
        }
        fields.Boolean("store");                                                          // the response says that nothing is stored
    }

    private static AnswerForm Form(JsonFields fields, bool hasTools, SortedSet<string> ignored)
    {
        if (fields.Object("text") is not { } text)
        {
            return new AnswerForm(null, null);
        }
        AnswerForm form = AnswerForm.Read(text, "format", hasTools);
        if (text.String("verbosity") is not (null or "medium"))
        {
            ignored.Add("text.verbosity");
        }
        ignored.UnionWith(text.Unasked);
        return form;
    }

    private static (ThinkingMode Mode, ReasoningEffort Effort) Thinking(JsonFields fields, EncoderRevision revision, SortedSet<string> ignored)
    {
        if (fields.Object("reasoning") is not { } reasoning)
        {
            return (ThinkingMode.Thinking, ReasoningEffort.Unspecified);
        }
        ReasoningEffort effort = Efforts.Read(reasoning, "effort", revision);
        if (reasoning.String("summary") is not null)
        {
            ignored.Add("reasoning.summary");                                             // the reasoning itself is given
        }
        ignored.UnionWith(reasoning.Unasked);
        return (reasoning.String("effort") == "none" ? ThinkingMode.Chat : ThinkingMode.Thinking, effort);
    }

    private static int? Top(JsonFields fields)
    {
        int? top = fields.Integer("top_logprobs", 0, TopMax);
        return top ?? (fields.Strings("include").Contains(LogProbabilities) ? 0 : null);
    }

    // What has no effect here must still be what it should be.
    private static void PassOver(JsonFields fields)
    {
        if (fields.String("truncation") is { } truncation and not ("auto" or "disabled"))
        {
            throw fields.Unknown("truncation", "auto or disabled", truncation);
        }
        fields.Strings("include");
        fields.Object("metadata");
        fields.String("prompt_cache_key");
        fields.Object("stream_options");
        var types = new JsonFields(fields.Json, "");
        types.String("service_tier");
        types.Integer("max_tool_calls", 0);
        types.Array("context_management");
    }

    private static Dictionary<string, string> Repeated(JsonElement body)
    {
        var repeated = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in s_repeated)
        {
            if (body.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
            {
                repeated[name] = JsonText.InOneLine(value) ?? throw new RequestErrorException(
                    ErrorReason.Invalid, $"{name}: expected well-formed Unicode, found a part of a character. Was it cut in the middle?", name);
            }
        }
        return repeated;
    }
}
