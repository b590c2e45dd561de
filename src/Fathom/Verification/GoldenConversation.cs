using System.Text.Json;
using Fathom.Prompts;

namespace Fathom.Verification;

/// <summary>
/// Reads a conversation of chat.json, which is in OpenAI's form with the encoder's own extras. Throws what JsonElement throws where a part is
/// missing or of another kind.
/// </summary>
internal static class GoldenConversation
{
    /// <summary>The prompt that our encoder writes for a golden case.</summary>
    /// <exception cref="PromptException">the conversation cannot be rendered</exception>
    public static RenderedPrompt Encode(JsonElement golden)
    {
        EncoderRevision revision = Text(golden, "encoder") switch
        {
            "april" or null => EncoderRevision.April,
            "0731" => EncoderRevision.July31,
            string other => throw new FormatException($"encoder: expected april or 0731, found \"{other}\"."),
        };
        return new PromptEncoder(revision).Encode(ReadConversation(golden.GetProperty("input")));
    }

    private static Conversation ReadConversation(JsonElement input)
    {
        var conversation = new Conversation
        {
            Messages = [.. input.GetProperty("messages").EnumerateArray().Select(ReadMessage)],
            Prior = [.. Items(input, "context").Select(ReadMessage)],
            Thinking = PromptNames.ParseThinking(Required(input, "thinking_mode")),
            Effort = PromptNames.ParseEffort(Text(input, "reasoning_effort")),
            DropOldReasoning = !input.TryGetProperty("drop_thinking", out JsonElement drop) || drop.GetBoolean(),
            BeginOfSentence = !input.TryGetProperty("add_default_bos_token", out JsonElement bos) || bos.GetBoolean(),
        };
        return conversation.WithTools(ReadTools(input));
    }

    private static Message ReadMessage(JsonElement message)
    {
        MessageContent content = ReadContent(message);
        Message read = PromptNames.ParseRole(Required(message, "role")) switch
        {
            MessageRole.System => new Message.System(content) { Tools = ReadTools(message), ResponseFormat = Raw(message, "response_format") },
            MessageRole.Developer => new Message.Developer(content) { Tools = ReadTools(message), ResponseFormat = Raw(message, "response_format") },
            MessageRole.User => new Message.User(content),
            MessageRole.Tool => new Message.ToolResult(Text(message, "tool_call_id"), content),
            MessageRole.LatestReminder => new Message.LatestReminder(content),
            _ => new Message.Assistant(content)
            {
                Reasoning = Text(message, "reasoning_content") ?? "",
                ToolCalls = [.. Items(message, "tool_calls").Select(ReadCall)],
                LeaveOpen = message.TryGetProperty("wo_eos", out JsonElement open) && open.GetBoolean(),
            },
        };
        return Text(message, "task") is string task ? read with { Task = PromptNames.ParseTask(task) } : read;
    }

    private static MessageContent ReadContent(JsonElement message)
    {
        if (!message.TryGetProperty("content", out JsonElement content) || content.ValueKind == JsonValueKind.Null)
            return MessageContent.Empty;
        if (content.ValueKind == JsonValueKind.String)
            return Required(message, "content");
        return new MessageContent([.. content.EnumerateArray().Select(part => Required(part, "type") == "text"
            ? (ContentPart)new ContentPart.Text(Required(part, "text"))
            : new ContentPart.Unsupported(Required(part, "type")))]);
    }

    private static ToolCall ReadCall(JsonElement call)
    {
        JsonElement function = call.GetProperty("function");
        return new ToolCall(Text(call, "id"), Required(function, "name"), Required(function, "arguments"));
    }

    private static List<Tool> ReadTools(JsonElement owner) =>
        [.. Items(owner, "tools").Select(tool => new Tool(tool.GetProperty("function").GetRawText()))];

    private static JsonElement.ArrayEnumerator Items(JsonElement owner, string name) =>
        owner.TryGetProperty(name, out JsonElement items) && items.ValueKind != JsonValueKind.Null ? items.EnumerateArray() : default;

    private static string Required(JsonElement owner, string name) =>
        owner.GetProperty(name).GetString() ?? throw new FormatException($"{name}: expected a string, found null.");

    private static string? Text(JsonElement owner, string name) => owner.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    private static string? Raw(JsonElement owner, string name) => owner.TryGetProperty(name, out JsonElement value) ? value.GetRawText() : null;
}
