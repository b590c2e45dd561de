using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Fathom.Server;
using Fathom.Tests.Serving;
using Xunit;

namespace Fathom.Tests.Server;

public partial class TelemetryTests
{
    private const string Key = "a-key-of-many-letters";
    private const string Marker = "Zq7marker";
    private const string Body = """{"model": "some-name", "messages": [{"role": "user", "content": "And it came to pass in those days that the old men of the city went down to the great river, and built there many ships, and the ships went out to the sea and came back no more."}], "thinking": {"type": "disabled"}, "max_tokens": 5, "seed": 5}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_count_what_the_replies_tell()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string before = await MetricsAsync(bench, "vllm:num_requests_running");
        Assert.Equal(("0", "0", "0"), (Value(before, "vllm:prompt_tokens_total"), Value(before, "vllm:e2e_request_latency_seconds_count"), Value(before, "vllm:request_success_total", "length")));
        JsonElement usage = (await bench.PostAsync("/v1/chat/completions", Body)).Json.GetProperty("usage");
        JsonElement second = (await bench.PostAsync("/v1/chat/completions", Body)).Json.GetProperty("usage");
        (await bench.PostAsync("/v1/chat/completions", "{}")).Response.Dispose();
        string text = await MetricsAsync(bench, "fathom:http_requests_total{model_name=\"fathom-nano\",dialect=\"chat\",status=\"400\"} 1");
        Assert.Equal(2 * usage.GetProperty("prompt_tokens").GetInt32(), Number(text, "vllm:prompt_tokens_total"));
        Assert.Equal(2 * usage.GetProperty("prompt_tokens").GetInt32(), Number(text, "vllm:prefix_cache_queries_total"));
        Assert.True(second.GetProperty("prompt_cache_hit_tokens").GetInt32() > 30, "nothing was cached");
        Assert.Equal(second.GetProperty("prompt_cache_hit_tokens").GetInt32(), Number(text, "vllm:prefix_cache_hits_total"));
        Assert.Equal(2 * usage.GetProperty("completion_tokens").GetInt32(), Number(text, "vllm:generation_tokens_total"));
        Assert.Equal(2, Number(text, "vllm:request_success_total", "length"));
        foreach (string histogram in new[] { "time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds", "request_inference_time_seconds", "request_time_per_output_token_seconds", "request_prompt_tokens", "request_generation_tokens" })
        {
            Assert.Equal(2, Number(text, $"vllm:{histogram}_count"));
        }
        Assert.True(Number(text, "vllm:inter_token_latency_seconds_count") > 0, "no time between tokens");
        Assert.True(Number(text, "vllm:kv_cache_usage_perc") is > 0 and <= 1, "no memory in use");
        Assert.Equal(0, Number(text, "vllm:num_requests_waiting"));
    }

    [Fact]
    public async Task The_text_is_what_Prometheus_reads()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        await bench.PostAsync("/v1/chat/completions", Body);
        HttpResponseMessage response = await bench.Client.GetAsync("/metrics", Cancellation);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        string text = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var types = new Dictionary<string, string>();
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                Assert.True(types.TryAdd(line.Split(' ')[2], line.Split(' ')[3]), line);
            }
            else if (!line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                Match match = SampleLine().Match(line);
                Assert.True(match.Success, line);
                string name = match.Groups[1].Value, family = types.ContainsKey(name) ? name : name[..name.LastIndexOf('_')];
                Assert.Equal(types[family] == "histogram", family != name);
            }
        }
        double[] buckets = [.. text.Split('\n').Where(line => line.StartsWith("vllm:e2e_request_latency_seconds_bucket", StringComparison.Ordinal)).Select(line => double.Parse(line.AsSpan(line.LastIndexOf(' ')), CultureInfo.InvariantCulture))];
        Assert.Equal(buckets.Order(), buckets);
        Assert.Equal(Number(text, "vllm:e2e_request_latency_seconds_count"), buckets[^1]);
    }

    [Fact]
    public async Task Metrics_need_what_requests_need()
    {
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Keys = ApiKeys.Parse([$"ann {Key}"], "test") }, isLoaded: false);
        Assert.Equal(HttpStatusCode.Unauthorized, (await bench.Client.GetAsync("/metrics", Cancellation)).StatusCode);
        bench.Client.DefaultRequestHeaders.Add("Authorization", "Bearer " + Key);
        HttpResponseMessage response = await bench.Client.GetAsync("/metrics", Cancellation);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        string text = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.DoesNotContain(Key, text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"ann\"", text, StringComparison.Ordinal);
        await using ServerBench open = await ServerBench.StartAsync();
        using var foreign = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        foreign.Headers.Host = "evil.example";
        Assert.Equal(HttpStatusCode.Forbidden, (await open.Client.SendAsync(foreign, Cancellation)).StatusCode);
    }

    [Fact]
    public async Task A_request_has_a_span_in_the_words_of_GenAI_below_the_client_s()
    {
        using var spans = new CollectedSpans();
        await using ServerBench bench = await ServerBench.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Body, Encoding.UTF8, "application/json") };
        request.Headers.Add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        HttpResponseMessage response = await bench.Client.SendAsync(request, Cancellation);
        JsonElement usage = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement.GetProperty("usage");
        Activity span = await OneAsync(spans, bench.Port);
        Assert.Equal(("chat fathom-nano", ActivityKind.Server), (span.DisplayName, span.Kind));
        Assert.Equal(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"), (span.TraceId.ToHexString(), span.ParentSpanId.ToHexString()));
        Assert.Equal(("chat", "some-name", "fathom-nano"), (span.GetTagItem("gen_ai.operation.name"), span.GetTagItem("gen_ai.request.model"), span.GetTagItem("gen_ai.response.model")));
        Assert.Equal((usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32()), (span.GetTagItem("gen_ai.usage.input_tokens"), span.GetTagItem("gen_ai.usage.output_tokens")));
        Assert.Equal(["length"], Assert.IsType<string[]>(span.GetTagItem("gen_ai.response.finish_reasons")));
        Assert.Equal((200, "127.0.0.1", "/v1/chat/completions", 5), (span.GetTagItem("http.response.status_code"), span.GetTagItem("server.address"), span.GetTagItem("http.route"), span.GetTagItem("gen_ai.request.max_tokens")));
        Assert.Equal(response.Headers.GetValues("x-request-id").Single(), span.GetTagItem("fathom.request.id"));
    }

    [Fact]
    public async Task Every_request_has_one_line()
    {
        using var log = new CollectedLog();
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Logging = log, Keys = ApiKeys.Parse([$"ann {Key}"], "test") }, serving => serving with { Script = ["Hm.</think>It rains.", ServingBench.Prose(4000, 1)] });
        await bench.PostAsync("/v1/chat/completions", Body);
        bench.Client.DefaultRequestHeaders.Add("Authorization", "Bearer " + Key);
        JsonElement reply = (await bench.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "How is it?"}]}""")).Json;
        await bench.PostAsync("/v1/messages", "[]");
        await bench.Client.GetAsync("/v1/models", Cancellation);
        using (var stream = new HttpRequestMessage(HttpMethod.Post, "/v1/responses") { Content = new StringContent("""{"input": "Go.", "stream": true, "max_output_tokens": 6000}""", Encoding.UTF8, "application/json") })
        {
            (await bench.Client.SendAsync(stream, HttpCompletionOption.ResponseHeadersRead, Cancellation)).Dispose();
        }
        while (log.Lines.Count < 5)
        {
            await Task.Delay(1, Cancellation);
        }
        string[] lines = [.. log.Lines.Select(line => LogTime().Replace(line, "T"))];
        JsonElement usage = reply.GetProperty("usage");
        int prompt = usage.GetProperty("prompt_tokens").GetInt32(), written = usage.GetProperty("completion_tokens").GetInt32();
        int reasoning = usage.GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt32();
        Assert.EndsWith("chat 401 -, key -, tokens read 0 cached 0 written 0 reasoning 0, seconds T queued T reading T writing T", lines[0], StringComparison.Ordinal);
        Assert.EndsWith($"chat 200 stop, key ann, tokens read {prompt} cached 0 written {written} reasoning {reasoning}, seconds T queued T reading T writing T", lines[1], StringComparison.Ordinal);
        Assert.Contains("messages 400 -, key ann,", lines[2], StringComparison.Ordinal);
        Assert.Contains("models 200 -, key ann,", lines[3], StringComparison.Ordinal);
        Assert.Contains("responses 200 abort, key ann,", lines[4], StringComparison.Ordinal);
        Assert.Equal(5, lines.Length);
    }

    [Fact]
    public async Task No_text_of_a_client_is_in_any_log_metric_or_trace()
    {
        using var log = new CollectedLog();
        using var spans = new CollectedSpans();
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Logging = log });
        string call = """{"role": "assistant", "content": "Zq7marker", "reasoning_content": "Zq7marker", "tool_calls": [{"id": "Zq7marker", "type": "function", "function": {"name": "t", "arguments": "{\"a\": \"Zq7marker\"}"}}]}""";
        string chat = $$$$"""{"model": "a Zq7marker b", "user_id": "Zq7marker", "stop": ["Zq7marker"], "max_tokens": 2, "messages": [{"role": "system", "content": "Zq7marker"}, {"role": "user", "content": "Zq7marker"}, {{{{call}}}}, {"role": "tool", "tool_call_id": "Zq7marker", "content": "Zq7marker"}], "tools": [{"type": "function", "function": {"name": "t", "description": "Zq7marker", "parameters": {"type": "object"}}}], "Zq7marker": 1}""";
        string messages = """{"max_tokens": 2, "system": "Zq7marker", "messages": [{"role": "user", "content": "Zq7marker"}], "metadata": {"user_id": "Zq7marker"}}""";
        (string Path, string Body)[] requests =
        [
            ("/v1/chat/completions?a=" + Marker, chat), ("/v1/messages", messages), ("/v1/messages/count_tokens", messages), ("/v1/responses", """{"input": "Zq7marker", "instructions": "Zq7marker", "max_output_tokens": 2}"""),
            ("/v1/completions", """{"prompt": "Zq7marker", "max_tokens": 2}"""), ("/v1/chat/completions", chat.Replace("\"user\"", $"\"{Marker}\"", StringComparison.Ordinal)), ("/v1/" + Marker, chat), ("/v1/messages", Marker),
            ("/v1/chat/completions", """{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_schema", "json_schema": {"name": "Zq7marker", "schema": {"type": "Zq7marker"}}}}"""),
        ];
        foreach ((string path, string body) in requests)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            request.Headers.Add("X-Header", Marker);
            request.Headers.Add("User-Agent", Marker);
            request.Headers.Add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
            request.Headers.Add("tracestate", $"vendor={Marker}");
            request.Headers.Add("Authorization", "Bearer " + Marker);
            (await bench.Client.SendAsync(request, Cancellation)).Dispose();
        }
        (await bench.Client.GetAsync("/v1/models/" + Marker, Cancellation)).Dispose();
        while (log.Lines.Count <= requests.Length || spans.Of(bench.Port).Length <= requests.Length)
        {
            await Task.Delay(1, Cancellation);
        }
        string all = string.Join('\n', log.Lines) + await bench.Client.GetStringAsync("/metrics", Cancellation) + string.Join('\n', spans.Of(bench.Port).Select(CollectedSpans.TextOf)) + bench.Reports;
        Assert.Contains("chat 200 length", all, StringComparison.Ordinal);
        Assert.DoesNotContain(Marker, all, StringComparison.OrdinalIgnoreCase);
    }

    private static async Task<Activity> OneAsync(CollectedSpans spans, int port)
    {
        // A span ends when the answer is out.
        while (spans.Of(port).Length == 0)
        {
            await Task.Delay(1, Cancellation);
        }
        return Assert.Single(spans.Of(port));
    }

    // Once it holds a text: a request is counted when its answer is out.
    private static async Task<string> MetricsAsync(ServerBench bench, string until)
    {
        while (true)
        {
            string text = await bench.Client.GetStringAsync("/metrics", Cancellation);
            if (text.Contains(until, StringComparison.Ordinal) && text.Contains("vllm:num_requests_running{model_name=\"fathom-nano\"} 0", StringComparison.Ordinal))
            {
                return text;
            }
            await Task.Delay(1, Cancellation);
        }
    }

    private static double Number(string text, string name, string? reason = null) => double.Parse(Value(text, name, reason), CultureInfo.InvariantCulture);

    private static string Value(string text, string name, string? reason = null)
    {
        string start = $"{name}{{model_name=\"fathom-nano\"{(reason is null ? "" : $",finished_reason=\"{reason}\"")}}} ";
        return text.Split('\n').Single(line => line.StartsWith(start, StringComparison.Ordinal))[start.Length..];
    }

    [GeneratedRegex("^([a-z_:0-9]+)\\{([a-z_]+=\"[^\"]*\",?)+\\} (-?[0-9.E+-]+|NaN|\\+Inf)$")]
    private static partial Regex SampleLine();

    [GeneratedRegex(@"\d+\.\d{3}")]
    private static partial Regex LogTime();
}
