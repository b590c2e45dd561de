using System.Text.Json;
using System.Text.RegularExpressions;
using Fathom.Prompts;
using Fathom.Serving;

namespace Fathom.Server.OpenAi;

/// <summary>A Chat Completions request in neutral terms.</summary>
/// <param name="Request">what the engine is asked</param> <param name="Streams">whether the answer streams</param> <param name="IncludesUsage">whether a chunk of its own tells the tokens</param>
/// <param name="Ignored">fields that have no effect</param>
internal sealed record ChatRequest(GenerationRequest Request, bool Streams, bool IncludesUsage, IReadOnlyCollection<string> Ignored);

/// <summary>Reads the body of a Chat Completions request. Stateless.</summary>
internal static partial class ChatWire
{
    private const int ToolsMax = 128;

    /// <summary>The request of a body.</summary>
    /// <param name="body">JSON object</param> <param name="exchange">whose it is</param> <param name="isBeta">whether the last turn may be left open</param>
    /// <exception cref="RequestErrorException">it breaks a rule</exception>
    public static ChatRequest Read(JsonElement body, Exchange exchange, bool isBeta)
    {
        var fields = new JsonFields(body, "");
        var ignored = new SortedSet<string>(StringComparer.Ordinal);
        fields.String("model");                                                           // one model is served, under any name
        if (fields.Integer("n", 1) > 1)
        {
            throw new RequestErrorException(ErrorReason.Invalid, "n: expected 1, found more. Send the request several times; the prompt is read once.", "n");
        }
        string? user = fields.String("user_id") ?? fields.String("user");
        fields.Any("user");
        ThinkingMode thinking = Thinking(fields, exchange.Engine.Revision, out ReasoningEffort effort, out int? budget);
        IReadOnlyList<Tool> tools = Tools(fields, ignored);
        Conversation conversation = Place(tools, new Conversation { Messages = ChatMessages.Read(fields, isBeta, ignored), Thinking = thinking, Effort = effort });
        RequireTextFormat(fields);
        (CallChoice calls, string? callName) = Choice(fields, tools);
        var request = new GenerationRequest
        {
            Prompt = new GenerationPrompt.Chat(conversation),
            Sampling = SamplingFields.Read(fields, thinking == ThinkingMode.Thinking, ignored),
            MaxTokens = fields.Integer("max_completion_tokens", 1) ?? fields.Integer("max_tokens", 1),
            ThinkingTokens = budget,
            StopStrings = fields.Strings("stop"),
            TopLogProbabilities = LogProbabilities(fields),
            Calls = calls,
            CallName = callName,
            Tenant = exchange.Caller.Tenant(user),
            Holder = exchange.Caller.Holder(user),
        };
        fields.Any("max_tokens");
        bool streams = fields.Boolean("stream") ?? false;
        bool includesUsage = fields.Object("stream_options")?.Boolean("include_usage") ?? false;
        ignored.UnionWith(fields.Unasked);
        return new ChatRequest(request, streams, includesUsage, ignored);
    }

    private static ThinkingMode Thinking(JsonFields fields, EncoderRevision revision, out ReasoningEffort effort, out int? budget)
    {
        JsonFields? thinking = fields.Object("thinking");
        budget = fields.Integer("thinking_token_budget", 0) ?? thinking?.Integer("budget_tokens", 0);
        string? type = thinking?.String("type");
        bool isOn = type switch
        {
            null or "enabled" or "adaptive" => true,
            "disabled" => false,
            _ => throw thinking!.Unknown("type", "enabled or disabled", type),             // it has a type
        };
        string? name = fields.String("reasoning_effort");
        effort = Effort(fields, name, revision);
        return isOn && name != "none" ? ThinkingMode.Thinking : ThinkingMode.Chat;
    }

    // The levels of the API, as each encoder knows them.
    private static ReasoningEffort Effort(JsonFields fields, string? name, EncoderRevision revision) => (name, revision) switch
    {
        (null or "none", _) => ReasoningEffort.Unspecified,
        ("minimal" or "low", EncoderRevision.July31) => ReasoningEffort.Low,
        ("minimal" or "low" or "medium" or "high", _) => ReasoningEffort.High,
        ("xhigh", EncoderRevision.July31) => ReasoningEffort.High,
        ("xhigh" or "max" or "ultra", _) => ReasoningEffort.Max,
        _ => throw fields.Unknown("reasoning_effort", "none, minimal, low, medium, high, xhigh, max or ultra", name),
    };

    private static List<Tool> Tools(JsonFields fields, SortedSet<string> ignored)
    {
        var tools = new List<Tool>();
        IReadOnlyList<JsonFields> all = fields.Objects("tools");
        for (int i = 0; i < all.Count; i++)
        {
            // A kind that a client merely offers is no reason to refuse it.
            if (all[i].String("type") is not (null or "function"))
            {
                ignored.Add($"tools.{i}");
                continue;
            }
            JsonFields function = all[i].Object("function") ?? throw all[i].Missing("function", "an object with name and parameters");
            RequireName(function, "name", function.String("name"));
            tools.Add(new Tool(function.Json.GetRawText()));
        }
        return tools.Count <= ToolsMax ? tools : throw new RequestErrorException(ErrorReason.Invalid, $"tools: expected at most {ToolsMax} functions, found {tools.Count}.", "tools");
    }

    private static Conversation Place(IReadOnlyList<Tool> tools, Conversation conversation)
    {
        try
        {
            return conversation.WithTools(tools);
        }
        catch (PromptException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, e.Message, "tools");
        }
    }

    private static (CallChoice Calls, string? Name) Choice(JsonFields fields, IReadOnlyList<Tool> tools)
    {
        if (fields.Any("tool_choice") is not { } choice)
        {
            return (CallChoice.Free, null);
        }
        if (choice.ValueKind == JsonValueKind.Object)
        {
            JsonFields named = fields.Object("tool_choice")!;                             // it is an object
            string? name = named.Object("function")?.String("name");
            RequireName(named, "function.name", name);
            return tools.Any(tool => NameOf(tool) == name) ? (CallChoice.Required, name)
                : throw new RequestErrorException(ErrorReason.Invalid, $"tool_choice: expected the name of one of the tools, found {name}.", "tool_choice");
        }
        string? word = fields.String("tool_choice");
        return word switch
        {
            "auto" => (CallChoice.Free, null),
            "none" => (CallChoice.None, null),
            "required" or "any" when tools.Count > 0 => (CallChoice.Required, null),
            "required" or "any" => throw new RequestErrorException(ErrorReason.Invalid, $"tool_choice: expected tools beside \"{word}\", found none.", "tool_choice"),
            _ => throw fields.Unknown("tool_choice", "none, auto, required or {\"type\": \"function\", \"function\": {\"name\": …}}", word ?? ""),
        };
    }

    private static string? NameOf(Tool tool)
    {
        using JsonDocument function = JsonDocument.Parse(tool.FunctionJson);
        return function.RootElement.GetProperty("name").GetString();                      // checked when it was read
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

    private static void RequireTextFormat(JsonFields fields)
    {
        if (fields.Object("response_format") is { } format && format.String("type") is var type && type is not (null or "text"))
        {
            throw format.Unknown("type", "text", type);
        }
    }

    private static void RequireName(JsonFields fields, string field, string? name)
    {
        if (name is null || !FunctionName().IsMatch(name))
        {
            throw new RequestErrorException(
                ErrorReason.Invalid, $"{fields.PathOf(field)}: expected 1 to 64 letters, digits, underscores and dashes, found {(name is null ? "none" : $"\"{(name.Length > 80 ? name[..80] + "…" : name)}\"")}.", fields.PathOf(field));
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex FunctionName();
}
