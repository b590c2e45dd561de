using System.Text.Json;
using Fathom.Prompts;

namespace Fathom.Tests.Prompts;

/// <summary>Reads the conversations of chat.json, which are in OpenAI's form with the encoder's own extras.</summary>
internal static class ChatGoldens
{
    private static readonly JsonElement s_root = Load("chat.json");

    public static JsonElement Load(string file)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Path("tests", "goldens", file)));
        return document.RootElement.Clone();
    }

    public static IEnumerable<JsonElement> Cases => s_root.GetProperty("cases").EnumerateArray();

    public static IEnumerable<JsonElement> FillInTheMiddle => s_root.GetProperty("fim").EnumerateArray();

    public static JsonElement Case(string name) => Cases.Single(c => c.GetProperty("name").GetString() == name);

    public static RenderedPrompt Encode(JsonElement golden)
    {
        EncoderRevision revision = golden.GetProperty("encoder").GetString() == "0731" ? EncoderRevision.July31 : EncoderRevision.April;
        return new PromptEncoder(revision).Encode(ReadConversation(golden.GetProperty("input")));
    }

    private static Conversation ReadConversation(JsonElement input)
    {
        var conversation = new Conversation
        {
            Messages = [.. input.GetProperty("messages").EnumerateArray().Select(ReadMessage)],
            Prior = [.. Items(input, "context").Select(ReadMessage)],
            Thinking = PromptNames.ParseThinking(Text(input, "thinking_mode")!),
            Effort = PromptNames.ParseEffort(Text(input, "reasoning_effort")),
            DropOldReasoning = !input.TryGetProperty("drop_thinking", out JsonElement drop) || drop.GetBoolean(),
            BeginOfSentence = !input.TryGetProperty("add_default_bos_token", out JsonElement bos) || bos.GetBoolean(),
        };
        return conversation.WithTools(ReadTools(input));
    }

    private static Message ReadMessage(JsonElement message)
    {
        MessageContent content = ReadContent(message);
        Message read = PromptNames.ParseRole(Text(message, "role")!) switch
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
            return content.GetString()!;
        return new MessageContent([.. content.EnumerateArray().Select(part => Text(part, "type") == "text"
            ? (ContentPart)new ContentPart.Text(Text(part, "text")!)
            : new ContentPart.Unsupported(Text(part, "type")!))]);
    }

    private static ToolCall ReadCall(JsonElement call)
    {
        JsonElement function = call.GetProperty("function");
        return new ToolCall(Text(call, "id"), Text(function, "name")!, Text(function, "arguments")!);
    }

    private static List<Tool> ReadTools(JsonElement owner) =>
        [.. Items(owner, "tools").Select(tool => new Tool(tool.GetProperty("function").GetRawText()))];

    private static JsonElement.ArrayEnumerator Items(JsonElement owner, string name) =>
        owner.TryGetProperty(name, out JsonElement items) ? items.EnumerateArray() : default;

    private static string? Text(JsonElement owner, string name) => owner.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    private static string? Raw(JsonElement owner, string name) => owner.TryGetProperty(name, out JsonElement value) ? value.GetRawText() : null;
}
