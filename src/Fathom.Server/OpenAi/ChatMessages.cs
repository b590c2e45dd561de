using System.Text.Json;
using Fathom.Prompts;

namespace Fathom.Server.OpenAi;

/// <summary>Reads the messages of a Chat Completions request. Stateless.</summary>
internal static class ChatMessages
{
    /// <summary>The messages of a body, oldest first.</summary>
    /// <param name="fields">of the body</param>
    /// <param name="isBeta">whether the last turn may be left open</param>
    /// <param name="ignored">gets the names of fields that have no effect</param>
    /// <exception cref="RequestErrorException">a message breaks a rule</exception>
    public static List<Message> Read(JsonFields fields, bool isBeta, ISet<string> ignored)
    {
        IReadOnlyList<JsonFields> messages = fields.Objects("messages");
        if (messages.Count == 0)
        {
            throw fields.Missing("messages", "at least one message");
        }
        var result = new List<Message>(messages.Count);
        for (int i = 0; i < messages.Count; i++)
        {
            result.Add(Read(messages[i], i == messages.Count - 1, isBeta));
            if (messages[i].String("name") is not null)
            {
                ignored.Add("messages.name");
            }
            foreach (string unknown in messages[i].Unasked)
            {
                ignored.Add("messages." + unknown[(unknown.LastIndexOf('.') + 1)..]);
            }
        }
        return result;
    }

    private static Message Read(JsonFields message, bool isLast, bool isBeta)
    {
        string? role = message.String("role");
        MessageContent content = Content(message);
        switch (role)
        {
            case "system" or "developer":
                return new Message.System(content);
            case "user":
                return new Message.User(content);
            case "tool":
                string call = message.String("tool_call_id") ?? throw message.Missing("tool_call_id", "the id of the call that it answers");
                return new Message.ToolResult(call, content);
            case "assistant":
                return Assistant(message, content, isLast, isBeta);
            case null:
                throw message.Missing("role", "system, developer, user, assistant or tool");
            default:
                throw message.Unknown("role", "system, developer, user, assistant or tool", role);
        }
    }

    private static Message.Assistant Assistant(JsonFields message, MessageContent content, bool isLast, bool isBeta)
    {
        bool isPrefix = message.Boolean("prefix") ?? false;
        if (isPrefix && !isLast)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"{message.PathOf("prefix")}: expected in the last message only.", message.PathOf("prefix"));
        }
        if (isPrefix && !isBeta)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"{message.PathOf("prefix")}: expected under /beta/chat/completions, found on "
                + $"another path. Set the client's base to …/beta.", message.PathOf("prefix"));
        }
        if (isLast && !isPrefix)
        {
            throw new RequestErrorException(
                ErrorReason.Invalid, $"{message.PathOf("role")}: expected the last message to be of the user or of a tool, found the assistant's. To "
                    + $"have it continued, send \"prefix\": true under /beta/chat/completions.", message.PathOf("role"));
        }
        // Some clients send the field under its other name.
        string? reasoningContent = message.String("reasoning_content"), reasoning = message.String("reasoning");
        message.String("refusal");
        message.Object("audio");
        message.Array("annotations");
        return new Message.Assistant(content) { Reasoning = reasoningContent ?? reasoning ?? "", ToolCalls = [.. message.Objects("tool_calls").Select(Call)], LeaveOpen = isPrefix };
    }

    private static ToolCall Call(JsonFields call)
    {
        call.String("type");
        JsonFields function = call.Object("function") ?? throw call.Missing("function", "an object with name and arguments");
        string name = function.String("name") ?? throw function.Missing("name", "the function's name");
        return new ToolCall(call.String("id"), name, function.String("arguments") is { Length: > 0 } arguments ? arguments : "{}");
    }

    private static MessageContent Content(JsonFields message)
    {
        if (message.Any("content") is not { } content)
        {
            return MessageContent.Empty;
        }
        if (content.ValueKind == JsonValueKind.String)
        {
            return message.String("content")!;                                            // its kind is a string
        }
        return new MessageContent([.. message.Objects("content").Select(Part)]);
    }

    private static ContentPart Part(JsonFields part)
    {
        string type = part.String("type") ?? throw part.Missing("type", "text");
        return type is "text" or "input_text" or "output_text"
            ? new ContentPart.Text(part.String("text") ?? throw part.Missing("text", "a string")) : new ContentPart.Unsupported(type);
    }
}
