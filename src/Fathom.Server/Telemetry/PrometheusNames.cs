namespace Fathom.Server.Telemetry;

/// <summary>What instruments are called on <c>/metrics</c>: as in vLLM where that has the same quantity, so that dashboards for it work. Stateless.</summary>
internal static class PrometheusNames
{
    private static readonly Dictionary<string, string> s_names = new(StringComparer.Ordinal)
    {
        ["fathom.requests.running"] = "vllm:num_requests_running",
        ["fathom.requests.waiting"] = "vllm:num_requests_waiting",
        ["fathom.requests.held"] = "fathom:num_requests_held",
        ["fathom.requests.finished"] = "vllm:request_success_total",
        ["fathom.sequences.kept"] = "fathom:kept_sequences",
        ["fathom.cache.usage"] = "vllm:kv_cache_usage_perc",
        ["fathom.cache.bytes"] = "fathom:sequence_bytes",
        ["fathom.cache.queries"] = "vllm:prefix_cache_queries_total",
        ["fathom.cache.hits"] = "vllm:prefix_cache_hits_total",
        ["fathom.engine.step_time"] = "fathom:engine_step_seconds_total",
        ["fathom.engine.forward_time"] = "fathom:engine_forward_seconds_total",
        ["fathom.prompt.tokens"] = "vllm:prompt_tokens_total",
        ["fathom.written.tokens"] = "vllm:generation_tokens_total",
        ["fathom.reasoning.tokens"] = "fathom:reasoning_tokens_total",
        ["fathom.http.requests"] = "fathom:http_requests_total",
        ["fathom.http.body_bytes"] = "fathom:http_body_bytes",
        ["gen_ai.server.time_to_first_token"] = "vllm:time_to_first_token_seconds",
        ["fathom.inter_token_latency"] = "vllm:inter_token_latency_seconds",
        ["gen_ai.server.time_per_output_token"] = "vllm:request_time_per_output_token_seconds",
        ["gen_ai.server.request.duration"] = "vllm:e2e_request_latency_seconds",
        ["fathom.request.queue_time"] = "vllm:request_queue_time_seconds",
        ["fathom.request.reading_time"] = "vllm:request_prefill_time_seconds",
        ["fathom.request.writing_time"] = "vllm:request_decode_time_seconds",
        ["fathom.request.working_time"] = "vllm:request_inference_time_seconds",
        ["fathom.request.prompt_tokens"] = "vllm:request_prompt_tokens",
        ["fathom.request.written_tokens"] = "vllm:request_generation_tokens",
    };

    /// <summary>The name of an instrument.</summary>
    public static string Of(string instrument) => s_names[instrument];

    /// <summary>Whether a tag of a measurement becomes a label: those alone whose values are ours and few.</summary>
    public static bool IsLabel(string tag) => tag is ServerMetrics.ReasonLabel or ServerMetrics.DialectLabel or ServerMetrics.StatusLabel;
}
