using System.Text;
using System.Text.Json;
using Fathom.Prompts;
using Microsoft.Extensions.AI;

namespace Fathom.Extensions.AI;

/// <summary>Reads the messages of a request. Stateless.</summary>
internal static class ChatMessages
{
    // OpenAI's newer name of the system's role.
    private static readonly ChatRole s_developer = new("developer");

    /// <summary>The messages, oldest first.</summary>
    /// <param name="messages">as the application gives them</param> <param name="instructions">system text in front; null or empty for none</param>
    /// <exception cref="GenerationException">a message holds what its role cannot</exception>
    public static List<Message> Read(IEnumerable<ChatMessage> messages, string? instructions)
    {
        var result = new List<Message>();
        if (!string.IsNullOrEmpty(instructions))
        {
            result.Add(new Message.System(instructions));
        }
        int index = 0;
        foreach (ChatMessage message in messages)
        {
            Add(result, message, $"messages[{index++}]");
        }
        if (result is [.., Message.Assistant])
        {
            throw GenerationException.Invalid($"messages[{index - 1}]: expected the last message to be of the user or of a tool, found the assistant's.");
        }
        return result;
    }

    private static void Add(List<Message> result, ChatMessage message, string place)
    {
        if (message.Role == ChatRole.System || message.Role == s_developer)
        {
            Message.System.Append(result, new MessageContent([.. message.Contents.Select(Part)]));
        }
        else if (message.Role == ChatRole.User || message.Role == ChatRole.Tool)
        {
            AddTurn(result, message, place);
        }
        else if (message.Role == ChatRole.Assistant)
        {
            result.Add(Assistant(message, place));
        }
        else
        {
            throw GenerationException.Invalid($"{place}: expected the role system, user, assistant or tool, found {message.Role}.");
        }
    }

    // Results of functions stand where they are among the user's texts.
    private static void AddTurn(List<Message> result, ChatMessage message, string place)
    {
        var parts = new List<ContentPart>();
        foreach (AIContent content in message.Contents)
        {
            if (content is not FunctionResultContent answer)
            {
                parts.Add(message.Role == ChatRole.User ? Part(content) : throw GenerationException.Invalid(
                    $"{place}: expected results of functions in a message of the role tool, found {content.GetType().Name}."));
                continue;
            }
            Flush();
            result.Add(new Message.ToolResult(answer.CallId, Result(answer)));
        }
        if (parts.Count > 0 || message.Contents.Count == 0)
        {
            Flush(always: true);
        }

        void Flush(bool always = false)
        {
            if (parts.Count > 0 || always)
            {
                result.Add(new Message.User(new MessageContent([.. parts])));
                parts.Clear();
            }
        }
    }

    // Texts of a reply are pieces of one text.
    private static Message.Assistant Assistant(ChatMessage message, string place)
    {
        var (text, reasoning, calls) = (new StringBuilder(), new StringBuilder(), new List<ToolCall>());
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case TextContent piece:
                    text.Append(piece.Text);
                    break;
                case TextReasoningContent thought:
                    reasoning.Append(thought.Text);
                    break;
                case FunctionCallContent call:
                    calls.Add(new ToolCall(call.CallId, call.Name, call.Arguments is { } arguments ? Json<IDictionary<string, object?>>(arguments) : "{}"));
                    break;
                case UsageContent:
                    break;
                default:
                    throw GenerationException.Invalid(
                        $"{place}: expected text, reasoning and calls of functions from the assistant, found {content.GetType().Name}.");
            }
        }
        return new Message.Assistant(text.ToString()) { Reasoning = reasoning.ToString(), ToolCalls = calls };
    }

    // A kind that the model cannot read is refused where the prompt is written, or named there in a result.
    private static ContentPart Part(AIContent content) => content switch
    {
        TextContent text => new ContentPart.Text(text.Text),
        DataContent data => new ContentPart.Unsupported(data.MediaType),
        UriContent uri => new ContentPart.Unsupported(uri.MediaType),
        _ => new ContentPart.Unsupported(content.GetType().Name),
    };

    private static MessageContent Result(FunctionResultContent answer) => answer.Result switch
    {
        null when answer.Exception is { } e => $"Error: {e.Message}",
        null => MessageContent.Empty,
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,            // its kind is a string
        AIContent content => new MessageContent([Part(content)]),
        IEnumerable<AIContent> contents => new MessageContent([.. contents.Select(Part)]),
        var value => Json<object>(value),
    };

    private static string Json<T>(T value) => JsonSerializer.Serialize(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(T)));
}
