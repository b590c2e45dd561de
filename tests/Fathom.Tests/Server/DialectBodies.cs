using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Fathom.Tests.Server;

/// <summary>A change of one value in a body.</summary>
/// <param name="Place">of the value, as errors write it</param> <param name="Kind">of the value before</param> <param name="Value">its new one</param> <param name="Body">the whole body then</param>
internal sealed record FieldChange(string Place, JsonValueKind Kind, JsonNode Value, string Body)
{
    public override string ToString() => $"{Place} = {Value.ToJsonString()}";
}

/// <summary>For each dialect bodies that use every field it reads, and the same with a value of another kind in each place.</summary>
internal static partial class DialectBodies
{
    public const string Chat = """
        {"model": "m", "n": 1, "user_id": "u", "user": "u", "thinking": {"type": "enabled", "budget_tokens": 5}, "thinking_token_budget": 5, "reasoning_effort": "high", "temperature": 1, "top_p": 1, "top_k": 5,
         "min_p": 0.5, "seed": 1, "frequency_penalty": 0, "presence_penalty": 0, "max_tokens": 80, "max_completion_tokens": 80, "stop": ["a"], "stream": true, "stream_options": {"include_usage": true}, "return_progress": true,
         "logprobs": true, "top_logprobs": 1, "response_format": {"type": "text"},
         "tools": [{"type": "function", "function": {"name": "t", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": true}}, {"type": "web_search"}],
         "tool_choice": {"type": "function", "function": {"name": "t"}},
         "messages": [
          {"role": "system", "content": "a", "name": "n"}, {"role": "user", "content": [{"type": "text", "text": "a"}]},
          {"role": "assistant", "content": "a", "reasoning_content": "a", "reasoning": "a", "refusal": "a", "audio": {}, "annotations": [], "prefix": false,
           "tool_calls": [{"id": "i", "type": "function", "function": {"name": "t", "arguments": "{}"}}]},
          {"role": "tool", "tool_call_id": "i", "content": "a"}]}
        """;

    public const string ChatSchema = """
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}}},
         "max_tokens": 40, "thinking": {"type": "disabled"}, "messages": [{"role": "user", "content": "a"}]}
        """;

    public const string Completion = """
        {"model": "m", "prompt": "a", "suffix": "", "user_id": "u", "user": "u", "echo": false, "max_tokens": 9, "stop": ["a"], "stream": true, "stream_options": {"include_usage": true}, "temperature": 1, "top_p": 1,
         "top_k": 5, "min_p": 0.5, "seed": 1, "frequency_penalty": 0, "presence_penalty": 0}
        """;

    public const string Messages = """
        {"model": "m", "max_tokens": 80, "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}], "stream": true, "temperature": 1, "top_p": 1, "top_k": 5, "seed": 1,
         "stop_sequences": ["a"], "metadata": {"user_id": "u"}, "thinking": {"type": "enabled", "budget_tokens": 5, "display": "omitted"}, "output_config": {"effort": "high", "format": {"type": "text"}},
         "output_format": {"type": "text"}, "service_tier": "auto", "inference_geo": "eu", "speed": "fast", "mcp_servers": [], "context_management": {}, "cache_control": {"type": "ephemeral"},
         "tools": [{"type": "custom", "name": "t", "description": "d", "strict": false, "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"}}],
         "tool_choice": {"type": "tool", "name": "t", "disable_parallel_tool_use": true},
         "messages": [
          {"role": "user", "content": "a"}, {"role": "system", "content": "a"},
          {"role": "assistant", "content": [{"type": "thinking", "thinking": "a", "signature": "s"}, {"type": "redacted_thinking"}, {"type": "text", "text": "a"}, {"type": "tool_use", "id": "i", "name": "t", "input": {"a": 1}}]},
          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "is_error": true, "content": [{"type": "text", "text": "a"}]}, {"type": "tool_result", "tool_use_id": "i", "content": "a"}, {"type": "text", "text": "a"}]}]}
        """;

    public const string Responses = """
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

    /// <summary>Every place with every other value.</summary>
    public static IEnumerable<FieldChange> Changes(string body)
    {
        foreach (string place in Places(JsonNode.Parse(body)!, ""))
        {
            foreach (Func<JsonNode> other in s_others)
            {
                JsonNode changed = JsonNode.Parse(body)!, value = other();
                JsonValueKind kind = Replace(changed, place, value);
                yield return new FieldChange(place, kind, value, changed.ToJsonString());
            }
        }
    }

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
