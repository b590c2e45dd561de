using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.Responses;

/// <summary>What whole and streamed responses write alike. Stateless.</summary>
internal static class ResponseJson
{
    /// <summary>The tokens of a request.</summary>
    public static void WriteUsage(Utf8JsonWriter json, TokenUsage usage)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", usage.Prompt);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", usage.Cached);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", usage.Completion);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", usage.Reasoning);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", usage.Prompt + usage.Completion);
        json.WriteEndObject();
    }

    /// <summary>Members of an error within a response.</summary>
    public static void WriteError(Utf8JsonWriter json, RequestError error)
    {
        json.WriteStartObject("error");
        json.WriteString("code", error.Reason switch
        {
            ErrorReason.TooLarge => "context_length_exceeded",
            ErrorReason.Busy => "rate_limit_exceeded",
            ErrorReason.Invalid => "invalid_prompt",
            _ => "server_error",
        });
        json.WriteString("message", error.Message);
        json.WriteEndObject();
    }

    /// <summary>An item as one object's members; one that has just begun is empty.</summary>
    public static void WriteItem(Utf8JsonWriter json, ResponseItem item)
    {
        json.WriteString("id", item.Id);
        switch (item.Kind)
        {
            case ItemKind.Reasoning:
                json.WriteString("type", "reasoning");
                json.WriteStartArray("summary");
                json.WriteEndArray();
                WriteContent(json, item);
                json.WriteNull("encrypted_content");
                break;
            case ItemKind.Message:
                json.WriteString("type", "message");
                json.WriteString("role", "assistant");
                WriteContent(json, item);
                break;
            default:
                WriteCall(json, item);
                break;
        }
        json.WriteString("status", item.IsOpen ? "in_progress" : item.IsWhole ? "completed" : "incomplete");
    }

    /// <summary>The one part of an item with text, as an object's members.</summary>
    /// <param name="json">to write to</param>
    /// <param name="item">reasoning or a message</param>
    /// <param name="text">of the part</param>
    /// <param name="scores">of its tokens</param>
    public static void WritePart(Utf8JsonWriter json, ResponseItem item, string text, IReadOnlyList<TokenScore> scores)
    {
        json.WriteString("type", item.Kind == ItemKind.Reasoning ? "reasoning_text" : "output_text");
        json.WriteString("text", text);
        if (item.Kind == ItemKind.Message)
        {
            json.WriteStartArray("annotations");
            json.WriteEndArray();
            ScoreJson.Write(json, "logprobs", scores);
        }
    }

    private static void WriteContent(Utf8JsonWriter json, ResponseItem item)
    {
        json.WriteStartArray("content");
        if (item.Text.Length > 0)
        {
            json.WriteStartObject();
            WritePart(json, item, item.Shown, item.Scores);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteCall(Utf8JsonWriter json, ResponseItem item)
    {
        bool isCustom = item.Kind == ItemKind.CustomCall;
        json.WriteString("type", isCustom ? "custom_tool_call" : "function_call");
        json.WriteString("call_id", item.CallId);
        json.WriteString("name", item.Tool!.Name);                                        // a call has a tool
        if (item.Tool.Namespace is { } scope)
        {
            json.WriteString("namespace", scope);
        }
        json.WriteString(isCustom ? "input" : "arguments", item.Shown);
    }
}
