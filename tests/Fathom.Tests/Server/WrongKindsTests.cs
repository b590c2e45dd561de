using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Fathom.Prompts;
using Fathom.Server;
using Fathom.Server.Anthropic;
using Fathom.Server.Responses;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>Every field of a body that uses all of them is given a value of every other kind: the request is refused with the place of the field, whatever it is.</summary>
public partial class WrongKindsTests
{
    private const string Messages = """
        {"model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}], "stream": true, "temperature": 1, "top_p": 1, "top_k": 5, "seed": 1,
         "stop_sequences": ["a"], "metadata": {"user_id": "u"}, "thinking": {"type": "enabled", "budget_tokens": 5, "display": "omitted"}, "output_config": {"effort": "high", "format": {"type": "text"}},
         "output_format": {"type": "text"}, "service_tier": "auto", "inference_geo": "eu", "speed": "fast", "mcp_servers": [], "context_management": {}, "cache_control": {"type": "ephemeral"},
         "tools": [{"type": "custom", "name": "t", "description": "d", "strict": false, "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"}}],
         "tool_choice": {"type": "tool", "name": "t", "disable_parallel_tool_use": true},
         "messages": [
          {"role": "user", "content": "a"}, {"role": "system", "content": "a"},
          {"role": "assistant", "content": [{"type": "thinking", "thinking": "a", "signature": "s"}, {"type": "redacted_thinking"}, {"type": "text", "text": "a"}, {"type": "tool_use", "id": "i", "name": "t", "input": {"a": 1}}]},
          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "is_error": true, "content": [{"type": "text", "text": "a"}]}, {"type": "tool_result", "tool_use_id": "i", "content": "a"}, {"type": "text", "text": "a"}]}]}
        """;

    private const string Responses = """
        {"model": "m", "instructions": "a", "max_output_tokens": 9, "stream": true, "temperature": 1, "top_p": 1, "top_logprobs": 1, "store": false, "background": false, "parallel_tool_calls": true,
         "max_tool_calls": 1, "metadata": {"a": "b"}, "include": ["a"], "truncation": "auto", "service_tier": "auto", "user": "u", "safety_identifier": "u", "prompt_cache_key": "k", "stream_options": {},
         "context_management": [], "reasoning": {"effort": "high", "summary": "auto"}, "text": {"format": {"type": "text"}, "verbosity": "low"},
         "tools": [{"type": "function", "name": "t", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": true, "defer_loading": true},
          {"type": "custom", "name": "c", "description": "d", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}},
          {"type": "namespace", "name": "n", "description": "d", "tools": [{"type": "function", "name": "f"}]}],
         "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f", "namespace": "n"}]},
         "input": [
          {"type": "message", "id": "i", "status": "completed", "role": "user", "content": "a"}, {"role": "developer", "content": [{"type": "input_text", "text": "a"}]},
          {"type": "reasoning", "id": "i", "summary": [{"type": "summary_text", "text": "a"}], "content": [{"type": "reasoning_text", "text": "a"}], "encrypted_content": "e"},
          {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "a"}]},
          {"type": "function_call", "call_id": "c", "name": "t", "namespace": "n", "arguments": "{}"}, {"type": "custom_tool_call", "call_id": "d", "name": "c", "input": "a"},
          {"type": "function_call_output", "call_id": "c", "output": "a"}, {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "a"}]}]}
        """;

    private static readonly Func<JsonNode>[] s_others =
        [() => JsonValue.Create("x"), () => JsonValue.Create(5), () => JsonValue.Create(0.5), () => JsonValue.Create(true), () => new JsonObject(), () => new JsonArray(), () => new JsonArray(new JsonObject(), 5, null)];

    [Fact]
    public void In_the_messages_dialect() => AssertRefused(
        Messages, json => MessagesWire.Read(json, ScriptedStream.Nobody, EncoderRevision.April, counts: false),
        // What goes to the model as it is, or is passed over.
        isFree: @"input_schema\.|\.input\.|cache_control\.",
        // What may also be another kind.
        isEither: @"^stop_sequences = ""|^system = ""|\.content = ["" \[]");

    [Fact]
    public void In_the_responses_dialect() => AssertRefused(
        Responses, json => ResponsesWire.Read(json, ScriptedStream.Nobody, EncoderRevision.April),
        isFree: @"parameters\.|^metadata\.|\.summary\[\d\]\.",
        isEither: @"^include = ""|^input = ""|^tool_choice = ""|\.(content|output) = ["" \[]");

    private static void AssertRefused(string body, Action<JsonElement> read, string isFree, string isEither)
    {
        read(Parse(body));
        int refused = 0;
        foreach (string place in Places(JsonNode.Parse(body)!, ""))
        {
            foreach (Func<JsonNode> other in s_others)
            {
                JsonNode changed = JsonNode.Parse(body)!, value = other();
                JsonValueKind kind = Replace(changed, place, value);
                string change = $"{place} = {value.ToJsonString()}";
                RequestError? error = Catch(() => read(Parse(changed.ToJsonString())));
                bool mustFail = kind != value.GetValueKind() && !(IsBoolean(kind) && IsBoolean(value.GetValueKind()))
                    && !Regex.IsMatch(place, isFree) && !Regex.IsMatch(change, isEither);
                if (!mustFail)
                {
                    continue;
                }
                refused++;
                Assert.True(error is not null, $"{change}: expected a refusal.");
                Assert.True(error.Status == 400 && error.Parameter == place && error.Message.StartsWith(place, StringComparison.Ordinal), $"{change}: {error.Status} {error.Parameter}: {error.Message}");
            }
        }
        Assert.True(refused > 300, $"{refused} changes");
    }

    // Anything but a refusal is a defect, whatever was changed.
    private static RequestError? Catch(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (RequestErrorException e)
        {
            return e.Error;
        }
    }

    private static bool IsBoolean(JsonValueKind kind) => kind is JsonValueKind.True or JsonValueKind.False;

    private static JsonElement Parse(string json) => JsonDocument.Parse(json).RootElement;

    /// <summary>The places of all values below a node, written as errors write them.</summary>
    private static IEnumerable<string> Places(JsonNode node, string place)
    {
        IEnumerable<(string Place, JsonNode? Value)> children = node switch
        {
            JsonObject fields => fields.Select(field => (place.Length == 0 ? field.Key : $"{place}.{field.Key}", field.Value)),
            JsonArray array => array.Select((value, i) => ($"{place}[{i}]", value)),
            _ => [],
        };
        return children.SelectMany(child => child.Value is null ? [child.Place] : Places(child.Value, child.Place).Prepend(child.Place));
    }

    /// <summary>Puts a value in a place; returns the kind that it had.</summary>
    private static JsonValueKind Replace(JsonNode root, string place, JsonNode value)
    {
        JsonNode node = root;
        foreach (Match step in Step().Matches(place))
        {
            node = step.Groups[1].Success ? node[int.Parse(step.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture)]! : node[step.Value]!;
        }
        JsonValueKind kind = node.GetValueKind();
        node.ReplaceWith(value);
        return kind;
    }

    [GeneratedRegex(@"\[(\d+)\]|[^.\[\]]+")]
    private static partial Regex Step();
}
