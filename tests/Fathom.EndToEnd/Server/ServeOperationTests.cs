using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Server;

/// <summary>What whoever runs the server sees of it: its end, TLS, log lines, traces.</summary>
public sealed class ServeOperationTests : IDisposable
{
    private const string Marker = "Zq7marker";
    private const string Ask = """{"messages": [{"role": "user", "content": "Zq7marker"}], "thinking": {"type": "disabled"}, "max_tokens": 3}""";

    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Asked_to_end_it_takes_nothing_more_and_finishes_what_runs()
    {
        string words = Prose(3000);
        await using FathomServer server = await FathomServer.StartAsync(_folder.Path("cache"), "--script", Script(words), "--drain", "600");
        using StreamReader reader = await StreamAsync(server);
        await reader.ReadLineAsync(Cancellation);
        await server.SignalAsync("TERM");
        while (!server.Errors.Contains("Ending: 1 requests have 600 seconds", StringComparison.Ordinal))
        {
            await Task.Delay(5, Cancellation);
        }
        using var fresh = new HttpClient();
        await AssertClosesAsync(() => fresh.GetAsync(new Uri(server.Client.BaseAddress!, "/health/live"), Cancellation));        // it has an address
        string rest = await reader.ReadToEndAsync(Cancellation);
        Assert.Contains("\"finish_reason\":\"stop\"", rest, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", rest, StringComparison.Ordinal);
        Assert.Contains(words[^40..].Split(' ')[^1], rest, StringComparison.Ordinal);
        await server.WaitForEndAsync();
        Assert.Equal(0, server.ExitCode);
    }

    [Fact]
    public async Task Asked_twice_it_ends_what_runs_and_tells_the_client()
    {
        await using FathomServer server = await FathomServer.StartAsync(_folder.Path("cache"), "--script", Script(Prose(9000)), "--drain", "600");
        using StreamReader reader = await StreamAsync(server);
        await reader.ReadLineAsync(Cancellation);
        await server.SignalAsync("TERM");
        while (!server.Errors.Contains("Ending: ", StringComparison.Ordinal))
        {
            await Task.Delay(5, Cancellation);
        }
        await server.SignalAsync("TERM");
        string rest = await reader.ReadToEndAsync(Cancellation);
        Assert.Contains("insufficient_system_resource", rest, StringComparison.Ordinal);
        await server.WaitForEndAsync();
        Assert.Equal(0, server.ExitCode);
        Assert.Contains("chat 200 abort", server.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_half_read_at_the_end_is_gone_on_with_after_the_next_start()
    {
        string body = $$"""{"max_tokens": 2, "stream": true, "messages": [{"role": "user", "content": "{{Prose(45_000)}}"}]}""";
        await using (FathomServer server = await FathomServer.StartAsync(_folder.Path("cache"), "--drain", "5"))
        {
            Assert.Equal(0, await CachedAsync(server, body, async () =>
            {
                await server.SignalAsync("TERM");
                await server.WaitForEndAsync();
            }));
            Assert.Equal(0, server.ExitCode);
        }
        await using FathomServer again = await FathomServer.StartAsync(_folder.Path("cache"));
        Assert.InRange(await CachedAsync(again, body, () => Task.CompletedTask), 256, 1_000_000);
    }

    [Fact]
    public async Task A_certificate_makes_it_speak_TLS_and_a_wrong_one_is_said()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 made = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.Now.AddDays(-1), DateTimeOffset.Now.AddDays(1));
        string certificate = _folder.Write("c.pem", Encoding.ASCII.GetBytes(made.ExportCertificatePem()));
        string password = "a-secret-of-the-key";
        string locked = _folder.Write("k.pem", Encoding.ASCII.GetBytes(key.ExportEncryptedPkcs8PrivateKeyPem(password, new PbeParameters(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 10))));
        FathomProcess none = await FathomProcess.RunAsync("serve", "--port", "0", "--certificate", _folder.Path("none.pem"));
        Assert.Equal(1, none.ExitCode);
        Assert.Contains("none.pem: expected a certificate, found no file", none.Error, StringComparison.Ordinal);
        FathomProcess alone = await FathomProcess.RunAsync("serve", "--port", "0", "--certificate-key", locked);
        Assert.Equal(2, alone.ExitCode);
        await using FathomServer server = await FathomServer.StartWithAsync(new() { ["FATHOM_CERTIFICATE_PASSWORD"] = password }, _folder.Path("cache"), "--certificate", certificate, "--certificate-key", locked);
        Assert.Equal("https", server.Address.Scheme);
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, shown, _, _) => shown?.Thumbprint == made.Thumbprint };
        using var client = new HttpClient(handler);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(server.Address + "/models", Cancellation)).StatusCode);
        Assert.DoesNotContain(password, server.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_lines_are_JSON_if_wanted_and_hold_no_text_of_clients()
    {
        await using FathomServer server = await FathomServer.StartAsync(_folder.Path("cache"), "--log", "json");
        await server.PostAsync("/v1/chat/completions?" + Marker, Ask);
        await server.PostAsync("/v1/" + Marker, Ask);
        await server.InterruptAsync();
        JsonElement[] lines = [.. server.Errors.Split('\n').Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("State"))];
        Assert.Equal(2, lines.Length);
        Assert.Equal(("chat", 200, "length", 3), (lines[0].GetProperty("Dialect").GetString(), lines[0].GetProperty("Status").GetInt32(), lines[0].GetProperty("Finish").GetString(), lines[0].GetProperty("Written").GetInt32()));
        Assert.True(lines[0].GetProperty("Total").GetDouble() > 0, "no time");
        Assert.Equal(404, lines[1].GetProperty("Status").GetInt32());
        Assert.DoesNotContain(Marker, server.Errors, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Log_lines_can_be_left_out()
    {
        await using FathomServer server = await FathomServer.StartAsync(_folder.Path("cache"), "--log", "none");
        await server.PostAsync("/v1/chat/completions", Ask);
        await server.InterruptAsync();
        Assert.DoesNotContain("chat 200", server.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Traces_and_metrics_go_to_a_collector_that_the_environment_names()
    {
        using var collector = new HttpListener();
        int port = FreePort();
        collector.Prefixes.Add($"http://127.0.0.1:{port}/");
        collector.Start();
        Task<Dictionary<string, string>> received = CollectAsync(collector, "/v1/traces", "/v1/metrics");
        var environment = new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://127.0.0.1:{port}", ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf" };
        await using FathomServer server = await FathomServer.StartWithAsync(environment, _folder.Path("cache"));
        await server.PostAsync("/v1/chat/completions", Ask);
        // What is left is sent at the end.
        await server.InterruptAsync();
        Dictionary<string, string> bodies = await received.WaitAsync(TimeSpan.FromSeconds(30), Cancellation);
        Assert.Contains("chat fathom-nano", bodies["/v1/traces"], StringComparison.Ordinal);
        Assert.Contains("gen_ai.usage.input_tokens", bodies["/v1/traces"], StringComparison.Ordinal);
        Assert.Contains("gen_ai.server.time_to_first_token", bodies["/v1/metrics"], StringComparison.Ordinal);
        Assert.DoesNotContain(Marker, string.Concat(bodies.Values), StringComparison.OrdinalIgnoreCase);
    }

    // Tokens found in the cache, which a stream of Messages tells before anything is read.
    private static async Task<int> CachedAsync(FathomServer server, string body, Func<Task> whileItReads)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Cancellation));
        string? line = await reader.ReadLineAsync(Cancellation);
        while (line?.StartsWith("data: {\"type\":\"message_start\"", StringComparison.Ordinal) == false)
        {
            line = await reader.ReadLineAsync(Cancellation);
        }
        Assert.NotNull(line);
        await whileItReads();
        return JsonDocument.Parse(line["data: ".Length..]).RootElement.GetProperty("message").GetProperty("usage").GetProperty("cache_read_input_tokens").GetInt32();
    }

    private static async Task<Dictionary<string, string>> CollectAsync(HttpListener collector, params string[] paths)
    {
        var bodies = new Dictionary<string, string>();
        while (!paths.All(bodies.ContainsKey))
        {
            HttpListenerContext request = await collector.GetContextAsync();
            using var reader = new StreamReader(request.Request.InputStream, Encoding.Latin1);
            string path = request.Request.Url!.AbsolutePath;                              // it came over HTTP
            bodies[path] = bodies.GetValueOrDefault(path) + await reader.ReadToEndAsync(Cancellation);
            request.Response.Close();
        }
        return bodies;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    // A connection that was accepted just before the end is closed without an answer.
    private static async Task AssertClosesAsync(Func<Task<HttpResponseMessage>> ask)
    {
        while (true)
        {
            try
            {
                (await ask()).Dispose();
                await Task.Delay(5, Cancellation);
            }
            catch (HttpRequestException)
            {
                return;
            }
        }
    }

    private string Script(string reply) => _folder.Write("script.json", JsonSerializer.SerializeToUtf8Bytes<string[]>([reply]));

    private static async Task<StreamReader> StreamAsync(FathomServer server)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent("""{"messages": [{"role": "user", "content": "Go."}], "thinking": {"type": "disabled"}, "stream": true}""", Encoding.UTF8, "application/json"),
        };
        HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        return new StreamReader(await response.Content.ReadAsStreamAsync(Cancellation));
    }

    // Words in no order that repeats: what repeats without end is ended.
    private static string Prose(int words)
    {
        var random = new Random(1);
        return string.Join(' ', Enumerable.Range(0, words).Select(_ => "sea men ships river old went down great".Split(' ')[random.Next(8)]));
    }
}
