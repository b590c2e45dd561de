using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Fathom.Server;
using Fathom.Serving;
using Fathom.Tests.Serving;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>A server in this process on a free port, the bundled model behind it.</summary>
internal sealed class ServerBench : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _reports;
    private readonly ServingBench _serving;
    private readonly ServerHost _host;

    private ServerBench(ServingBench serving, ServerHost host, ConcurrentQueue<string> reports)
    {
        (_serving, _host, _reports) = (serving, host, reports);
        Client = new HttpClient { BaseAddress = new Uri(host.Addresses.Single()), Timeout = TimeSpan.FromMinutes(2) };
    }

    public HttpClient Client { get; }

    public ServingEngine Engine => _serving.Engine;

    public int Port => Client.BaseAddress!.Port;                                          // given above

    /// <summary>What was reported so far.</summary>
    public string Reports => string.Join('\n', _reports);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <param name="change">of the server's options</param> <param name="serving">of the engine's</param> <param name="isLoaded">whether the model is there already</param>
    public static async Task<ServerBench> StartAsync(Func<ServerOptions, ServerOptions>? change = null, Func<ServingOptions, ServingOptions>? serving = null, bool isLoaded = true)
    {
        var reports = new ConcurrentQueue<string>();
        var options = new ServerOptions { Listen = [new IPEndPoint(IPAddress.Loopback, 0)], Report = reports.Enqueue };
        var host = new ServerHost(change?.Invoke(options) ?? options);
        await host.StartAsync(Cancellation);
        var bench = new ServingBench(serving);
        if (isLoaded)
        {
            host.Serve(bench.Engine);
        }
        return new ServerBench(bench, host, reports);
    }

    /// <summary>Posts a body and reads the answer as JSON.</summary>
    public async Task<(HttpResponseMessage Response, JsonElement Json)> PostAsync(string path, string body)
    {
        HttpResponseMessage response = await Client.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), Cancellation);
        return (response, JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement);
    }

    /// <summary>Sends bytes on a connection of its own and reads what comes until the server closes it.</summary>
    /// <param name="pieces">sent one after the other</param>
    public async Task<string> SendAsync(params byte[][] pieces)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, Port, Cancellation);
        NetworkStream stream = socket.GetStream();
        var answer = new MemoryStream();
        try
        {
            foreach (byte[] piece in pieces)
            {
                await stream.WriteAsync(piece, Cancellation);
            }
            await stream.CopyToAsync(answer, Cancellation);
        }
        catch (IOException)
        {
            // The server has closed while bytes were under way; what it said before counts.
        }
        return Encoding.UTF8.GetString(answer.ToArray());
    }

    /// <summary>The same with text.</summary>
    public Task<string> SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>The status of an answer as it came over the wire; 0 if there is none.</summary>
    public static int StatusOf(string answer) =>
        answer.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) ? int.Parse(answer.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture) : 0;

    /// <summary>Posts a body and reads the whole stream of events.</summary>
    public async Task<string> StreamAsync(string path, string body)
    {
        HttpResponseMessage response = await Client.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), Cancellation);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        return await response.Content.ReadAsStringAsync(Cancellation);
    }

    /// <summary>The JSON objects of a stream; it must end with [DONE].</summary>
    public static JsonElement[] Chunks(string stream)
    {
        string[] data = [.. stream.Split("\n\n").Where(block => block.StartsWith("data: ", StringComparison.Ordinal)).Select(block => block[6..])];
        Assert.Equal("[DONE]", data[^1]);
        return [.. data[..^1].Select(json => JsonDocument.Parse(json).RootElement)];
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        _serving.Dispose();
        await _host.DisposeAsync();
        // A defect is reported where the server runs, and is no answer to a client.
        Assert.True(_reports.IsEmpty, string.Join('\n', _reports));
    }
}
