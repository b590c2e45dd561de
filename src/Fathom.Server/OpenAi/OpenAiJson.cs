using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.OpenAi;

/// <summary>What chat and text completions write alike.</summary>
internal static class OpenAiJson
{
    /// <summary>What every response and chunk begins with.</summary>
    public static void WriteHead(Utf8JsonWriter json, Exchange exchange, string id, string kind, long created)
    {
        json.WriteString("id", id);
        json.WriteString("object", kind);
        json.WriteNumber("created", created);
        json.WriteString("model", exchange.Engine.ModelName);
        json.WriteString("system_fingerprint", exchange.Engine.Fingerprint);
    }

    /// <summary>The tokens of a request, with DeepSeek's cache fields.</summary>
    public static void WriteUsage(Utf8JsonWriter json, TokenUsage usage)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", usage.Prompt);
        json.WriteNumber("completion_tokens", usage.Completion);
        json.WriteNumber("total_tokens", usage.Prompt + usage.Completion);
        json.WriteNumber("prompt_cache_hit_tokens", usage.Cached);
        json.WriteNumber("prompt_cache_miss_tokens", usage.Prompt - usage.Cached);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", usage.Cached);
        json.WriteEndObject();
        json.WriteStartObject("completion_tokens_details");
        json.WriteNumber("reasoning_tokens", usage.Reasoning);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Why a generation ended, in the API's words.</summary>
    public static string NameOf(EndReason reason) => reason switch
    {
        EndReason.Stop or EndReason.StopString => "stop",
        EndReason.ToolCalls => "tool_calls",
        // A reply that runs in circles is cut off, as one that is too long.
        EndReason.Length or EndReason.Loop => "length",
        _ => "insufficient_system_resource",
    };

    /// <summary>Log-probabilities of reasoning and answer.</summary>
    public static void WriteLogProbabilities(Utf8JsonWriter json, IReadOnlyList<TokenScore> reasoning, IReadOnlyList<TokenScore> answer)
    {
        json.WriteStartObject("logprobs");
        ScoreJson.Write(json, "content", answer);
        if (reasoning.Count > 0)
        {
            ScoreJson.Write(json, "reasoning_content", reasoning);
        }
        json.WriteEndObject();
    }
}
