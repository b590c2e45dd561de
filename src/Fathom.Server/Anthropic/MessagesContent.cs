using System.Text.Json;
using Fathom.Prompts;

namespace Fathom.Server.Anthropic;

/// <summary>Reads system text and messages of a Messages request. One body each.</summary>
/// <param name="ignored">gets the names of what has no effect</param>
internal sealed class MessagesContent(SortedSet<string> ignored)
{
    // Claude Code puts a line about its version in front, which changed with every request and so kept all that follows from being cached.
    private const string BillingHeader = "x-anthropic-billing-header";

    private const string Kinds = "text or tool_result";

    /// <summary>Whether any block is marked for the cache.</summary>
    public bool HasMark { get; private set; }

    /// <summary>Whether an object is marked for the cache.</summary>
    public static bool MarksCache(JsonFields fields) => fields.Object("cache_control") is not null;

    /// <summary>The messages of a body, system text in front, oldest first.</summary>
    /// <exception cref="RequestErrorException">a message breaks a rule</exception>
    public List<Message> Read(JsonFields fields)
    {
        var messages = new List<Message>();
        if (fields.Any("system") is not null && System(fields, "system") is { Parts.Count: > 0 } system)
        {
            Message.System.Append(messages, system);
        }
        IReadOnlyList<JsonFields> all = fields.Objects("messages");
        if (all.Count == 0)
        {
            throw fields.Missing("messages", "at least one message");
        }
        for (int i = 0; i < all.Count; i++)
        {
            Add(messages, all[i], isLast: i == all.Count - 1);
            ignored.UnionWith(all[i].Unasked.Select(name => "messages." + name[(name.LastIndexOf('.') + 1)..]));
        }
        return messages;
    }

    private void Add(List<Message> messages, JsonFields message, bool isLast)
    {
        string role = message.String("role") ?? throw message.Missing("role", "user, assistant or system");
        if (message.Any("content") is null)
        {
            throw message.Missing("content", "a string or an array of blocks");
        }
        switch (role)
        {
            case "user":
                AddUser(messages, message);
                break;
            case "assistant":
                messages.Add(Assistant(message, isLast));
                break;
            case "system":
                Message.System.Append(messages, System(message, "content"));
                break;
            default:
                throw message.Unknown("role", "user, assistant or system", role);
        }
    }

    private void AddUser(List<Message> messages, JsonFields message)
    {
        int before = messages.Count;
        var texts = new List<ContentPart>();
        foreach ((string? text, JsonFields? block) in Blocks(message, "content"))
        {
            if (block?.String("type") is "tool_result")
            {
                Flush();
                messages.Add(ToolResult(block));
            }
            else
            {
                texts.Add(new ContentPart.Text(text ?? Text(block!, Kinds)));             // one of the two is there
            }
        }
        Flush();
        if (messages.Count == before)
        {
            messages.Add(new Message.User(MessageContent.Empty));
        }

        void Flush()
        {
            if (texts.Count > 0)
            {
                messages.Add(new Message.User(new MessageContent([.. texts])));
                texts.Clear();
            }
        }
    }

    private Message.ToolResult ToolResult(JsonFields block)
    {
        string id = block.String("tool_use_id") ?? throw block.Missing("tool_use_id", "the id of the call that it answers");
        var parts = new List<ContentPart>();
        if (block.Boolean("is_error") ?? false)
        {
            // The template has no mark for it.
            parts.Add(new ContentPart.Text("Error:"));
        }
        foreach ((string? text, JsonFields? inner) in block.Any("content") is null ? [] : Blocks(block, "content"))
        {
            if (inner is null || inner.String("type") is "text")
            {
                parts.Add(new ContentPart.Text(text ?? Text(inner!, "text")));            // one of the two is there
                continue;
            }
            // Refusing it would end every conversation in which a tool has once read a picture; the template names it to the model.
            string kind = inner.String("type") ?? throw inner.Missing("type", "text");
            parts.Add(new ContentPart.Unsupported(kind));
            ignored.Add("messages.tool_result." + kind);
        }
        return new Message.ToolResult(id, new MessageContent(parts));
    }

    private Message.Assistant Assistant(JsonFields message, bool isLast)
    {
        var texts = new List<ContentPart>();
        var calls = new List<ToolCall>();
        string reasoning = "";
        foreach ((string? text, JsonFields? block) in Blocks(message, "content"))
        {
            switch (block?.String("type"))
            {
                case "thinking":
                    reasoning += block.String("thinking") ?? throw block.Missing("thinking", "a string");
                    block.String("signature");
                    break;
                case "redacted_thinking":
                    ignored.Add("messages.redacted_thinking");
                    break;
                case "tool_use":
                    calls.Add(Call(block));
                    break;
                default:
                    texts.Add(new ContentPart.Text(text ?? Text(block!, "text, thinking, redacted_thinking or tool_use")));   // one of the two is there
                    break;
            }
        }
        if (isLast && calls.Count > 0)
        {
            throw new RequestErrorException(
                ErrorReason.Invalid,
                $"{message.PathOf("content")}: expected a message with a tool_result for every tool_use behind this one, found none.",
                message.PathOf("content"));
        }
        // The last turn is gone on with.
        return new Message.Assistant(new MessageContent(texts)) { Reasoning = reasoning, ToolCalls = calls, LeaveOpen = isLast };
    }

    private static ToolCall Call(JsonFields block)
    {
        string id = block.String("id") ?? throw block.Missing("id", "the id of the call");
        string name = FunctionTool.Name(block, "name");
        return new ToolCall(id, name, block.Object("input")?.Json.GetRawText() ?? "{}");
    }

    private MessageContent System(JsonFields owner, string field)
    {
        var parts = new List<ContentPart>();
        foreach ((string? text, JsonFields? block) in Blocks(owner, field))
        {
            string value = text ?? Text(block!, "text");                                  // one of the two is there
            if (value.StartsWith(BillingHeader, StringComparison.OrdinalIgnoreCase))
            {
                ignored.Add(BillingHeader);
                continue;
            }
            parts.Add(new ContentPart.Text(value));
        }
        return new MessageContent(parts);
    }

    /// <summary>The blocks of a field, or its one string.</summary>
    private IEnumerable<(string? Text, JsonFields? Block)> Blocks(JsonFields owner, string field)
    {
        if (owner.Any(field) is { ValueKind: not (JsonValueKind.String or JsonValueKind.Array) } other)
        {
            throw owner.Wrong(field, "a string or an array of blocks", other);
        }
        if (owner.Any(field) is { ValueKind: JsonValueKind.String })
        {
            yield return (owner.String(field), null);
            yield break;
        }
        foreach (JsonFields block in owner.Objects(field))
        {
            HasMark |= MarksCache(block);
            yield return (null, block);
        }
    }

    private static string Text(JsonFields block, string expected)
    {
        string type = block.String("type") ?? throw block.Missing("type", expected);
        if (type != "text")
        {
            throw new RequestErrorException(
                ErrorReason.Invalid,
                $"{block.PathOf("type")}: expected {expected}, found \"{type}\"; the model reads text only. Send what it says as text.",
                block.PathOf("type"));
        }
        return block.String("text") ?? throw block.Missing("text", "a string");
    }
}
