using System.Net;
using System.Text;
using System.Text.Json;
using Fathom.Server;
using Fathom.Tests.Serving;
using Xunit;

namespace Fathom.Tests.Server;

public class ServerHostTests
{
    private const string Key = "a-key-of-many-letters";
    private const string Body = """{"messages": [{"role": "user", "content": "Go."}], "max_tokens": 1}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Without_keys_it_listens_on_this_machine_alone()
    {
        var open = new ServerOptions { Listen = [new IPEndPoint(IPAddress.Any, 0)] };
        string message = Assert.Throws<ArgumentException>(() => new ServerHost(open)).Message;
        Assert.Contains("0.0.0.0:0: without API keys", message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new ServerHost(new ServerOptions { Listen = [] }));
        Assert.NotNull(new ServerHost(open with { Keys = ApiKeys.Parse([Key], "test") }));
    }

    [Fact]
    public async Task A_key_is_asked_for_in_either_header()
    {
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Keys = ApiKeys.Parse(["# ours", $"ann {Key}"], "test") });
        (HttpResponseMessage without, JsonElement error) = await bench.PostAsync("/v1/chat/completions", Body);
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (without.StatusCode, without.Headers.WwwAuthenticate.Single().Scheme));
        Assert.Equal("invalid_api_key", error.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(HttpStatusCode.Unauthorized, await Status("Authorization", "Bearer " + Key + "x"));
        Assert.Equal(HttpStatusCode.OK, await Status("Authorization", "Bearer " + Key));
        Assert.Equal(HttpStatusCode.OK, await Status("x-api-key", Key));
        Assert.Equal(HttpStatusCode.Unauthorized, (await bench.Client.GetAsync("/v1/models", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await bench.Client.GetAsync("/health/ready", Cancellation)).StatusCode);

        async Task<HttpStatusCode> Status(string header, string value)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Body, Encoding.UTF8, "application/json") };
            request.Headers.Add(header, value);
            return (await bench.Client.SendAsync(request, Cancellation)).StatusCode;
        }
    }

    [Fact]
    public async Task After_ten_wrong_keys_a_minute_an_address_is_refused_but_for_keys_that_were_right()
    {
        const string Other = "another-key-of-letters";
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Keys = ApiKeys.Parse([$"ann {Key}", $"ben {Other}"], "test") });
        Assert.Equal(HttpStatusCode.OK, (await Ask("/v1/models", Key)).StatusCode);
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await Ask("/v1/models", $"guess number {i}")).StatusCode);
        }
        foreach ((string path, string code) in new[] { ("/v1/chat/completions", "rate_limit_exceeded"), ("/v1/messages", "rate_limit_error") })
        {
            HttpResponseMessage refused = await Ask(path, Other, HttpMethod.Post);
            Assert.Equal((HttpStatusCode.TooManyRequests, 60), (refused.StatusCode, refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds));
            JsonElement error = JsonDocument.Parse(await refused.Content.ReadAsStringAsync(Cancellation)).RootElement.GetProperty("error");
            Assert.Equal(code, error.GetProperty(path == "/v1/messages" ? "type" : "code").GetString());
        }
        Assert.Equal(HttpStatusCode.OK, (await Ask("/v1/models", Key)).StatusCode);

        async Task<HttpResponseMessage> Ask(string path, string key, HttpMethod? method = null)
        {
            using var request = new HttpRequestMessage(method ?? HttpMethod.Get, path);
            request.Headers.Add("x-api-key", key);
            return await bench.Client.SendAsync(request, Cancellation);
        }
    }

    [Fact]
    public async Task Pages_of_other_names_and_other_types_are_turned_away()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        using var foreign = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Body, Encoding.UTF8, "application/json") };
        foreign.Headers.Host = "evil.example";
        Assert.Equal(HttpStatusCode.Forbidden, (await bench.Client.SendAsync(foreign, Cancellation)).StatusCode);
        HttpResponseMessage plain = await bench.Client.PostAsync("/v1/chat/completions", new StringContent(Body, Encoding.UTF8, "text/plain"), Cancellation);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, plain.StatusCode);
    }

    [Fact]
    public async Task Bodies_beyond_the_limits_are_refused()
    {
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { BodyBytesMax = 10_000, JsonDepthMax = 8 });
        (HttpResponseMessage large, JsonElement error) = await bench.PostAsync("/v1/chat/completions", Body.Replace("Go.", new string('a', 20_000), StringComparison.Ordinal));
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "request_too_large"), (large.StatusCode, error.GetProperty("error").GetProperty("code").GetString()));
        (HttpResponseMessage deep, _) = await bench.PostAsync("/v1/chat/completions", $$"""{"messages": {{new string('[', 9)}}{{new string(']', 9)}} }""");
        Assert.Equal(HttpStatusCode.BadRequest, deep.StatusCode);
    }

    [Fact]
    public async Task Models_come_in_every_shape_and_probes_are_answered()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        foreach (string path in new[] { "/models", "/v1/models", "/beta/models" })
        {
            JsonElement json = JsonDocument.Parse(await bench.Client.GetStringAsync(path, Cancellation)).RootElement;
            foreach (string list in new[] { "data", "models" })
            {
                Assert.Equal(("fathom-nano", 8192), (json.GetProperty(list)[0].GetProperty("id").GetString(), json.GetProperty(list)[0].GetProperty("max_model_len").GetInt32()));
            }
        }
        Assert.Equal(HttpStatusCode.OK, (await bench.Client.GetAsync("/v1/models/fathom-nano", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await bench.Client.GetAsync("/v1/models/other", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await bench.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/"), Cancellation)).StatusCode);
        HttpResponseMessage nowhere = await bench.Client.GetAsync("/v2/nowhere", Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, nowhere.StatusCode);
        Assert.Contains("GET /v2/nowhere", await nowhere.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Until_the_model_is_loaded_requests_are_put_off()
    {
        await using ServerBench bench = await ServerBench.StartAsync(isLoaded: false);
        Assert.Equal(HttpStatusCode.OK, (await bench.Client.GetAsync("/health/live", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await bench.Client.GetAsync("/health/ready", Cancellation)).StatusCode);
        (HttpResponseMessage early, _) = await bench.PostAsync("/v1/chat/completions", Body);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(2)), (early.StatusCode, early.Headers.RetryAfter?.Delta));
    }

    [Fact]
    public async Task A_full_queue_says_when_to_come_back()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { MaxRunning = 1, MaxWaiting = 0, Script = [ServingBench.Prose(4000, 1)] });
        using var first = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent("""{"messages": [{"role": "user", "content": "Go."}], "max_tokens": 6000, "stream": true}""", Encoding.UTF8, "application/json"),
        };
        HttpResponseMessage running = await bench.Client.SendAsync(first, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        (HttpResponseMessage second, JsonElement error) = await bench.PostAsync("/v1/chat/completions", Body);
        Assert.Equal((HttpStatusCode.TooManyRequests, "queue_full"), (second.StatusCode, error.GetProperty("error").GetProperty("code").GetString()));
        Assert.NotNull(second.Headers.RetryAfter);

        // The client leaves, and the place is free.
        running.Dispose();
        while (bench.Engine.RequestCount > 0)
        {
            await Task.Delay(1, Cancellation);
        }
        Assert.Equal(HttpStatusCode.OK, (await bench.PostAsync("/v1/chat/completions", Body)).Response.StatusCode);
    }

    [Fact]
    public async Task A_long_silence_is_filled_with_signs_of_life()
    {
        await using ServerBench bench = await ServerBench.StartAsync(
            options => options with { KeepAlive = TimeSpan.FromMilliseconds(1) }, options => options with { StepTime = TimeSpan.FromMilliseconds(5) });
        string prompt = string.Concat(Enumerable.Repeat("and so they went down to the sea ", 60));
        string body = $$"""{"messages": [{"role": "user", "content": "{{prompt}}"}], "max_tokens": 1}""";
        string text = await (await bench.Client.PostAsync("/v1/chat/completions", new StringContent(body, Encoding.UTF8, "application/json"), Cancellation)).Content.ReadAsStringAsync(Cancellation);
        Assert.Equal('{', text.TrimStart('\n')[0]);
        string stream = await bench.StreamAsync("/v1/chat/completions", body.Replace("\"max_tokens\": 1", "\"max_tokens\": 1, \"stream\": true", StringComparison.Ordinal).Replace("and so", "then", StringComparison.Ordinal));
        Assert.Contains(": keep-alive\n\n", stream, StringComparison.Ordinal);
        ServerBench.Chunks(stream);
    }

    [Theory]
    [InlineData("short", "at least 16 characters, found 5")]
    [InlineData("sha256:00ff", "64 hexadecimal digits")]
    [InlineData("one two three", "found 3 words")]
    public void A_line_that_is_no_key_is_refused_without_showing_it(string line, string says)
    {
        string message = Assert.Throws<InvalidDataException>(() => ApiKeys.Parse([line], "keys.txt")).Message;
        Assert.StartsWith("keys.txt, line 1: ", message, StringComparison.Ordinal);
        Assert.Contains(says, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_are_found_by_value_or_by_hash()
    {
        string hash = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(Key)));
        ApiKeys keys = ApiKeys.Parse(["", "another-key-of-letters", $"ann sha256:{hash}"], "test");
        Assert.Equal(("ann", "key1", null), (keys.Find(Key), keys.Find("another-key-of-letters"), keys.Find("sha256:" + hash)));
        Assert.Throws<InvalidDataException>(() => ApiKeys.Parse([$"ann {Key}", $"ann {Key}2"], "test"));
    }
}
