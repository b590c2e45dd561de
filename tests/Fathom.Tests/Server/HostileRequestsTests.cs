using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Fathom.Tests.Serving;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>One server for all of them: whatever comes, it stays up, blames the client, and answers others as before.</summary>
public sealed class HostileServer : IAsyncLifetime
{
    private const string Reference = """{"messages": [{"role": "user", "content": "And it came to pass"}], "thinking": {"type": "disabled"}, "max_tokens": 6, "seed": 5}""";

    private string _reply = "";

    internal ServerBench Bench { get; private set; } = null!;                             // made before any test

    public async ValueTask InitializeAsync()
    {
        Bench = await ServerBench.StartAsync(options => options with { BodyBytesMax = 1 << 20, HeaderTime = TimeSpan.FromSeconds(1), BodyTime = TimeSpan.FromSeconds(1) });
        _reply = await ReplyAsync();
    }

    /// <summary>A request of somebody else gets the same answer as before anything happened.</summary>
    public async Task AssertSameAsync() => Assert.Equal(_reply, await ReplyAsync());

    public ValueTask DisposeAsync() => Bench.DisposeAsync();

    private async Task<string> ReplyAsync()
    {
        (HttpResponseMessage response, JsonElement json) = await Bench.PostAsync("/v1/chat/completions", Reference);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return json.GetProperty("choices").GetRawText();
    }
}

public class HostileRequestsTests(HostileServer server) : IClassFixture<HostileServer>
{
    private static readonly string[] s_paths = ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Bodies => new(
        "", "null", "[]", "5", "\"a\"", "{", "{}", "{}{}", "{} x", "{'a': 1}", "{\"a\": 1,}", "// a\n{}", "{\"messages\": NaN}", "\0", "{\"\\ud800\": 1}", "{\"messages\": [{\"\\udc00\": 1}]}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud83d\"}], \"max_tokens\": 1, \"prompt\": \"\\ud83d\", \"input\": \"\\ud83d\"}",
        "{\"model\": \"\\ud83d\", \"messages\": [], \"max_tokens\": 1}",
        "{\"messages\": [], \"messages\": [], \"prompt\": \"a\", \"prompt\": \"b\", \"input\": 1, \"input\": 2}",
        "{\"max_tokens\": 1e400, \"max_output_tokens\": 1e400}", "{\"max_tokens\": 99999999999999999999, \"max_output_tokens\": 99999999999999999999}",
        "{\"max_tokens\": -1, \"max_output_tokens\": -1}", "{\"max_tokens\": 0, \"max_output_tokens\": 0}", "{\"max_tokens\": 1.5, \"max_output_tokens\": 1.5}", "{\"temperature\": -1e308, \"max_tokens\": 1}",
        "{\"seed\": 1e300, \"max_tokens\": 1, \"top_k\": 1e300, \"temperature\": 3}", "{\"top_p\": 0, \"max_tokens\": 1, \"temperature\": 3}", "{\"stop\": [\"\"], \"stop_sequences\": [\"\"], \"max_tokens\": 1, \"messages\": [{\"role\": \"tool\"}], \"input\": [{\"type\": \"x\"}]}");

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Bodies_that_are_wrong_are_the_client_s_fault(string body)
    {
        foreach (string path in s_paths)
        {
            AssertRefused(await PostAsync(path, Encoding.UTF8.GetBytes(body)), $"{path} {body}");
        }
        await server.AssertSameAsync();
    }

    [Fact]
    public async Task So_are_bodies_that_are_no_text_or_without_measure()
    {
        byte[][] bodies =
        [
            [0xFF, 0xFE, (byte)'{'], [.. "{\"messages\": [{\"role\": \"user\", \"content\": \""u8, 0xC3, 0x28, .. "\"}], \"max_tokens\": 1, \"prompt\": \"a\", \"input\": \"a\"}"u8],
            [.. "{\"a"u8, 0xED, 0xA0, 0x80, .. "\": 1, \"prompt\": \"a\", \"input\": \"a\", \"max_tokens\": 1, \"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}"u8],
            Encoding.UTF8.GetBytes("{\"messages\": " + new string('[', 100_000)), Encoding.UTF8.GetBytes("{\"messages\": " + new string('[', 200) + new string(']', 200) + "}"),
            Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 50_000))), Encoding.UTF8.GetBytes("{\"prompt\": \"" + new string('a', 2 << 20) + "\"}"),
            Encoding.UTF8.GetBytes("{\"max_tokens\": " + new string('9', 100_000) + "}"), Encoding.UTF8.GetBytes("{\"messages\": [" + string.Join(',', Enumerable.Repeat("{}", 50_000)) + "], \"max_tokens\": 1}"),
            Encoding.UTF8.GetBytes("{\"prompt\": \"" + string.Concat(Enumerable.Repeat("and it came ", 20_000)) + "\", \"input\": 5}"),
        ];
        foreach (string path in s_paths)
        {
            for (int i = 0; i < bodies.Length; i++)
            {
                AssertRefused(await PostAsync(path, bodies[i]), $"{path} body {i}");
            }
        }
        await server.AssertSameAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/jsonp")]
    [InlineData("multipart/form-data; boundary=a")]
    public async Task Other_types_are_not_read(string type)
    {
        string answer = await server.Bench.SendAsync($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {type}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
        Assert.InRange(ServerBench.StatusOf(answer), 400, 415);
        await server.AssertSameAsync();
    }

    [Fact]
    public async Task Bodies_in_pieces_are_read_and_broken_ones_are_not()
    {
        const string Json = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_tokens\": 1}";
        const string Head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n";
        string pieces = string.Concat(Json.Select(c => $"1\r\n{c}\r\n")) + "0\r\n\r\n";
        Assert.Equal(200, ServerBench.StatusOf(await server.Bench.SendAsync(Head + "\r\n" + pieces)));
        string large = string.Concat(Enumerable.Repeat($"10000\r\n{new string(' ', 0x10000)}\r\n", 20)) + "0\r\n\r\n";
        foreach (string body in new[] { "zz\r\n{}\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFF1\r\n{}", "-1\r\n{}\r\n0\r\n\r\n", "2\r\n{}XX0\r\n\r\n", large })
        {
            AssertRefused(await server.Bench.SendAsync(Head + "\r\n" + body), body.Length > 99 ? "a large body" : body);
        }
        foreach (string lengths in new[] { "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: -2\r\n", "Content-Length: 99999999999999999999\r\n", "Content-Length: 2000000\r\n", "Transfer-Encoding: gzip\r\n" })
        {
            string answer = await server.Bench.SendAsync("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n" + lengths + "\r\n{}0\r\n\r\n");
            AssertRefused(answer, lengths);
        }
        await server.AssertSameAsync();
    }

    [Fact]
    public async Task Headers_without_measure_end_the_connection()
    {
        const string Head = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n";
        AssertRefused(await server.Bench.SendAsync(Head + string.Concat(Enumerable.Range(0, 5000).Select(i => $"h{i}: a\r\n")) + "\r\n"), "5000 headers");
        AssertRefused(await server.Bench.SendAsync(Head + $"a: {new string('a', 200_000)}\r\n\r\n"), "a long header");
        AssertRefused(await server.Bench.SendAsync($"GET /{new string('a', 100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n"), "a long path");
        AssertRefused(await server.Bench.SendAsync(Head + "no colon\r\n\r\n"), "no header");
        AssertRefused(await server.Bench.SendAsync(Head + "a: b\0c\r\n\r\n"), "a header with a zero");
        AssertRefused(await server.Bench.SendAsync("\u0016\u0003\u0001\u0002 this is TLS"), "TLS");
        AssertRefused(await server.Bench.SendAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "HTTP/2");
        await server.AssertSameAsync();
    }

    [Fact]
    public async Task Who_never_finishes_a_request_is_cut_off()
    {
        AssertRefused(await server.Bench.SendAsync("GET /v1/models HTTP/1.1\r\nHost: local"), "half a header");
        AssertRefused(await server.Bench.SendAsync("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"), "half a body");
        await server.AssertSameAsync();
    }

    [Fact]
    public async Task Requests_behind_one_another_are_answered_in_their_order()
    {
        const string Ask = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", Last = "GET /v1/nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        string answers = await server.Bench.SendAsync(Ask + Ask + Ask + Last);
        string[] statuses = [.. answers.Split("HTTP/1.1 ")[1..].Select(answer => answer[..3])];
        Assert.Equal(["200", "200", "200", "404"], statuses);
        // What stands behind a body is another request, whose own door it has to pass.
        string smuggled = await server.Bench.SendAsync("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}GET /v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        Assert.Equal(["400", "403"], smuggled.Split("HTTP/1.1 ")[1..].Select(answer => answer[..3]));
        await server.AssertSameAsync();
    }

    [Fact]
    public async Task An_old_version_is_answered_or_refused()
    {
        Assert.Equal(200, ServerBench.StatusOf(await server.Bench.SendAsync("GET /v1/models HTTP/1.0\r\nHost: localhost\r\n\r\n")));
        AssertRefused(await server.Bench.SendAsync("GET /v1/models HTTP/1.0\r\n\r\n"), "no host");
        foreach (string version in new[] { "", " HTTP/0.9", " HTTP/3.0", " HTTP/9.9", " FTP/1.1" })
        {
            int status = ServerBench.StatusOf(await server.Bench.SendAsync($"GET /v1/models{version}\r\nHost: localhost\r\n\r\n"));
            Assert.True(status is 0 or 400 or 505, $"{version}: {status}");                // 505 is what HTTP has for it
        }
        await server.AssertSameAsync();
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("PATCH")]
    [InlineData("TRACE")]
    [InlineData("OPTIONS")]
    [InlineData("CONNECT")]
    [InlineData("PROPFIND")]
    [InlineData("get")]
    [InlineData("GET")]
    public async Task Other_methods_are_refused_and_no_page_is_let_in(string method)
    {
        string answer = await server.Bench.SendAsync($"{method} /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n");
        AssertRefused(answer, method);
        Assert.DoesNotContain("Access-Control-Allow", answer, StringComparison.OrdinalIgnoreCase);
        await server.AssertSameAsync();
    }

    [Theory]
    [InlineData("/../../../../etc/passwd")]
    [InlineData("/v1/../../../etc/passwd")]
    [InlineData("/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/..%2f..%2fetc%2fpasswd")]
    [InlineData("/v1/models/..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("/v1/models/%00")]
    [InlineData("/%c0%ae%c0%ae/etc/passwd")]
    [InlineData("/\\..\\..\\windows\\win.ini")]
    [InlineData("//etc/passwd")]
    [InlineData("/v1/models/%ed%a0%80")]
    [InlineData("http://evil.example/v1/models")]
    [InlineData("*")]
    [InlineData("v1/models")]
    public async Task Paths_lead_nowhere_else(string path)
    {
        string answer = await server.Bench.SendAsync($"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        AssertRefused(answer, path);
        Assert.DoesNotContain("root:", answer, StringComparison.Ordinal);
        await server.AssertSameAsync();
    }

    [Theory]
    [InlineData("Host: evil.example")]
    [InlineData("Host: 127.0.0.1.evil.example")]
    [InlineData("Host: localhost.evil.example")]
    [InlineData("Host: evil.example:80")]
    [InlineData("Host: localhost@evil.example")]
    [InlineData("Host: 0.0.0.0")]
    [InlineData("Host: 192.168.0.1")]
    [InlineData("Host:")]
    [InlineData("X-Host: localhost")]
    [InlineData("Host: localhost\r\nHost: evil.example")]
    [InlineData("Host: evil.example\r\nX-Forwarded-Host: localhost")]
    [InlineData("Host: localhost\r\nOrigin: http://evil.example")]
    [InlineData("Host: localhost\r\nOrigin: http://localhost.evil.example:8080")]
    [InlineData("Host: localhost\r\nOrigin: null")]
    public async Task Pages_under_other_names_do_not_get_in(string headers)
    {
        foreach (string path in new[] { "/v1/models", "/metrics" })
        {
            string answer = await server.Bench.SendAsync($"GET {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
            Assert.True(ServerBench.StatusOf(answer) is 400 or 403, $"{path} {headers}: {answer}");
        }
        await server.AssertSameAsync();
    }

    [Theory]
    [InlineData("Host: localhost:5000")]
    [InlineData("Host: LOCALHOST")]
    [InlineData("Host: [::1]:80")]
    [InlineData("Host: 127.0.0.1\r\nOrigin: http://localhost:3000")]
    public async Task Names_of_this_machine_do(string headers)
    {
        string answer = await server.Bench.SendAsync($"GET /v1/models HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        Assert.Equal(200, ServerBench.StatusOf(answer));
    }

    [Fact]
    public async Task Who_does_not_read_a_stream_stops_neither_the_engine_nor_others()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = [ServingBench.Prose(5000, 1)] });
        using var socket = new System.Net.Sockets.TcpClient { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(IPAddress.Loopback, bench.Port, Cancellation);
        const string Body = """{"messages": [{"role": "user", "content": "Go."}], "thinking": {"type": "disabled"}, "max_tokens": 7000, "stream": true, "logprobs": true, "top_logprobs": 20}""";
        await socket.GetStream().WriteAsync(Encoding.UTF8.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"), Cancellation);
        while (bench.Engine.Load.Held == 0)
        {
            await Task.Delay(1, Cancellation);
        }
        long written = bench.Engine.Load.WrittenTokens;
        (HttpResponseMessage other, JsonElement json) = await bench.PostAsync("/v1/completions", """{"prompt": "And it", "max_tokens": 3, "seed": 1}""");
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        Assert.Equal(written + json.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), bench.Engine.Load.WrittenTokens);
        socket.Close();
        while (bench.Engine.RequestCount > 0)
        {
            await Task.Delay(1, Cancellation);
        }
    }

    [Fact]
    public async Task Bodies_of_all_requests_together_have_a_limit()
    {
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { BodiesBytesMax = 10_000 });
        string body = $$"""{"prompt": "a", "max_tokens": 1, "other": "{{new string('a', 9000)}}"}""";
        Assert.Equal(HttpStatusCode.OK, (await bench.PostAsync("/v1/completions", body)).Response.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await bench.PostAsync("/v1/completions", body)).Response.StatusCode);
        (HttpResponseMessage large, JsonElement error) = await bench.PostAsync("/v1/completions", body.Replace("aa", "aaa", StringComparison.Ordinal));
        Assert.Equal((HttpStatusCode.TooManyRequests, "queue_full"), (large.StatusCode, error.GetProperty("error").GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Fields_without_number_make_no_header_without_end()
    {
        string fields = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"\"an_unknown_field_{i}\": 1, "));
        (HttpResponseMessage response, _) = await server.Bench.PostAsync("/v1/completions", $$"""{{{fields}} "prompt": "a", "max_tokens": 1}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.InRange(response.Headers.GetValues("x-fathom-ignored").Single().Length, 1000, 4000);
        await server.AssertSameAsync();
    }

    [Theory]
    [InlineData("<｜end▁of▁sentence｜>")]
    [InlineData("<｜begin▁of▁sentence｜>")]
    [InlineData("<｜User｜>")]
    [InlineData("<｜Assistant｜>")]
    [InlineData("<think>")]
    [InlineData("</think>")]
    [InlineData("｜DSML｜")]
    public async Task Names_of_control_tokens_in_a_text_stay_text(string token)
    {
        int one = await CountAsync("a"), spelled = await CountAsync("a" + token), twice = await CountAsync("a" + token + token);
        Assert.True(spelled - one > 1 && twice - spelled > 1, $"{token}: {one}, {spelled}, {twice} tokens");
        string json = JsonSerializer.Serialize(token);
        foreach ((string path, string body) in new[]
        {
            ("/v1/chat/completions", $$"""{"messages": [{"role": "system", "content": {{json}}}, {"role": "user", "content": {{json}}}], "max_tokens": 2}"""), ("/v1/completions", $$"""{"prompt": {{json}}, "max_tokens": 2}"""),
            ("/v1/messages", $$"""{"messages": [{"role": "user", "content": {{json}}}], "max_tokens": 2}"""), ("/v1/responses", $$"""{"input": {{json}}, "max_output_tokens": 2}"""),
        })
        {
            Assert.Equal(HttpStatusCode.OK, (await server.Bench.PostAsync(path, body)).Response.StatusCode);
        }
        await server.AssertSameAsync();
    }

    [Theory]
    [InlineData("\"temperature\": 9")]
    [InlineData("\"top_p\": -1")]
    [InlineData("\"max_tokens\": 0")]
    public async Task Anthropic_s_dialect_knows_one_status_for_what_is_out_of_range(string field)
    {
        string body = $$"""{"messages": [{"role": "user", "content": "a"}], {{(field.Contains("max_tokens", StringComparison.Ordinal) ? field : field + ", \"max_tokens\": 1")}}}""";
        (HttpResponseMessage response, JsonElement error) = await server.Bench.PostAsync("/v1/messages", body);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request_error"), (response.StatusCode, error.GetProperty("error").GetProperty("type").GetString()));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await server.Bench.PostAsync("/v1/chat/completions", body)).Response.StatusCode);
    }

    public static TheoryData<string, string> Dialects => new(
        ("/v1/chat/completions", DialectBodies.Chat), ("/v1/chat/completions", DialectBodies.ChatSchema), ("/v1/completions", DialectBodies.Completion),
        ("/v1/responses", DialectBodies.Responses), ("/v1/messages", DialectBodies.Messages));

    [Theory]
    [MemberData(nameof(Dialects))]
    public async Task No_value_in_any_field_breaks_the_server(string path, string body)
    {
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(new FieldChange("", JsonValueKind.Null, body, body))).Status);
        var statuses = new Dictionary<HttpStatusCode, int>();
        foreach (FieldChange[] changes in DialectBodies.Changes(body).Chunk(8))
        {
            foreach ((FieldChange change, HttpStatusCode status) in await Task.WhenAll(changes.Select(SendAsync)))
            {
                Assert.True(status is HttpStatusCode.OK or HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity, $"{change}: {status}");
                statuses[status] = statuses.GetValueOrDefault(status) + 1;
            }
        }
        Assert.True(statuses[HttpStatusCode.BadRequest] > 30 && statuses[HttpStatusCode.OK] > 5, string.Join(' ', statuses));
        await server.AssertSameAsync();

        async Task<(FieldChange Change, HttpStatusCode Status)> SendAsync(FieldChange change)
        {
            using HttpResponseMessage response = await server.Bench.Client.PostAsync(path, new StringContent(change.Body, Encoding.UTF8, "application/json"), Cancellation);
            await response.Content.ReadAsStringAsync(Cancellation);
            return (change, response.StatusCode);
        }
    }

    private async Task<int> CountAsync(string text)
    {
        (HttpResponseMessage response, JsonElement json) = await server.Bench.PostAsync("/v1/messages/count_tokens", $$"""{"messages": [{"role": "user", "content": {{JsonSerializer.Serialize(text)}}}]}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return json.GetProperty("input_tokens").GetInt32();
    }

    private Task<string> PostAsync(string path, byte[] body) => server.Bench.SendAsync(
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n")), body);

    // A connection that is closed without a word is an answer too.
    private static void AssertRefused(string answer, string what)
    {
        int status = ServerBench.StatusOf(answer);
        Assert.True(status is 0 or (>= 400 and < 500), $"{what}: {answer}");
        if (status is not 0 && answer.Contains("application/json", StringComparison.Ordinal))
        {
            Assert.NotEqual("", JsonDocument.Parse(answer[answer.IndexOf("\r\n\r\n", StringComparison.Ordinal)..]).RootElement.GetProperty("error").GetProperty("message").GetString());
        }
    }
}
