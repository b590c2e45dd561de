using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.Anthropic;

/// <summary>What whole and streamed replies write alike. Stateless.</summary>
internal static class AnthropicJson
{
    /// <summary>What a message begins with.</summary>
    public static void WriteHead(Utf8JsonWriter json, ReplyHead head)
    {
        json.WriteString("id", head.Id);
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", head.Model);
        json.WriteString("system_fingerprint", head.Fingerprint);
    }

    /// <summary>
    /// The tokens of a request. All of a prompt is cached; what was not cached before counts as written to the cache if the client asked for that, else as
    /// read.
    /// </summary>
    public static void WriteUsage(Utf8JsonWriter json, TokenUsage usage, bool marksCache)
    {
        int missed = usage.Prompt - usage.Cached;
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", marksCache ? 0 : missed);
        json.WriteNumber("cache_creation_input_tokens", marksCache ? missed : 0);
        json.WriteNumber("cache_read_input_tokens", usage.Cached);
        json.WriteNumber("output_tokens", usage.Completion);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("thinking_tokens", usage.Reasoning);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Why a reply ended.</summary>
    /// <param name="json">to write to</param> <param name="finished">null while it goes on</param>
    public static void WriteStop(Utf8JsonWriter json, GenerationEvent.Finished? finished)
    {
        json.WriteString("stop_reason", finished?.Reason switch
        {
            null => null,
            EndReason.Stop => "end_turn",
            EndReason.ToolCalls => "tool_use",
            EndReason.StopString => "stop_sequence",
            // A reply that runs in circles is cut off, as one that is too long.
            _ => "max_tokens",
        });
        json.WriteString("stop_sequence", finished?.StopString);
    }

    /// <summary>A block as one object's members.</summary>
    /// <param name="json">to write to</param>
    /// <param name="block">to write</param>
    /// <param name="begins">whether it is written as it is when it begins: empty</param>
    /// <param name="hidesThinking">whether thinking is left out</param>
    public static void WriteBlock(Utf8JsonWriter json, MessageBlock block, bool begins, bool hidesThinking)
    {
        switch (block.Kind)
        {
            case BlockKind.Thinking:
                string thinking = begins ? "" : block.Text.ToString();
                json.WriteString("type", "thinking");
                json.WriteString("thinking", hidesThinking ? "" : thinking);
                json.WriteString("signature", begins ? "" : ThinkingSignature.Of(thinking));
                break;
            case BlockKind.Text:
                json.WriteString("type", "text");
                json.WriteString("text", begins ? "" : block.Text.ToString());
                break;
            default:
                json.WriteString("type", "tool_use");
                json.WriteString("id", block.Id);
                json.WriteString("name", block.Name);
                json.WritePropertyName("input");
                WriteInput(json, begins ? "{}" : block.Text.ToString());
                json.WriteStartObject("caller");
                json.WriteString("type", "direct");                                       // by the model itself
                json.WriteEndObject();
                break;
        }
    }

    private static void WriteInput(Utf8JsonWriter json, string input)
    {
        if (Object(input) is { } text)
        {
            json.WriteRawValue(text, skipInputValidation: true);
            return;
        }
        // The model called a value JSON that is none. The prompt shows such a text as this parameter too, when it comes back.
        json.WriteStartObject();
        json.WriteString("arguments", input);
        json.WriteEndObject();
    }

    private static string? Object(string input)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(input);
            return JsonText.InOneLine(document.RootElement);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
