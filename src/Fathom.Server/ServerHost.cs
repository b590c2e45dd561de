using System.Net;
using System.Text.Json;
using Fathom.Server.OpenAi;
using Fathom.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Fathom.Server;

/// <summary>
/// The HTTP server: routes, keys, limits. It may listen before the model is loaded; requests are refused until <see cref="Serve"/>. The engine belongs to the
/// caller.
/// </summary>
public sealed class ServerHost : IAsyncDisposable
{
    private const int ConnectionsMax = 1024;
    private const int HeaderBytesMax = 64 << 10;
    private static readonly TimeSpan s_headerTime = TimeSpan.FromSeconds(30);

    private readonly ServerOptions _options;
    private readonly WebApplication _app;
    private volatile ServingEngine? _engine;

    /// <summary>A server that does not listen yet.</summary>
    /// <exception cref="ArgumentException">an address is not loopback and there are no keys, or there is no address</exception>
    public ServerHost(ServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        if (options.Listen.Count == 0)
        {
            throw new ArgumentException("Addresses to listen on: expected at least one, found none.", nameof(options));
        }
        if (options.Keys.Count == 0 && options.Listen.FirstOrDefault(address => !IPAddress.IsLoopback(address.Address)) is { } open)
        {
            throw new ArgumentException($"{open}: without API keys, expected an address of this machine alone, such as 127.0.0.1, found one that "
                + $"others reach. Give keys, or listen on 127.0.0.1.", nameof(options));
        }
        // Empty: nothing is taken from the environment or from files.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(Limit);
        builder.Services.AddRoutingCore();
        _app = builder.Build();
        Map();
    }

    /// <summary>Where it listens, once it does.</summary>
    public IReadOnlyCollection<string> Addresses => [.. _app.Urls];

    /// <summary>Listens.</summary>
    /// <exception cref="IOException">an address is taken or does not exist</exception>
    public Task StartAsync(CancellationToken cancellation) => _app.StartAsync(cancellation);

    /// <summary>The model is loaded: requests are carried out from now on.</summary>
    public void Serve(ServingEngine engine) => _engine = engine;

    /// <summary>Takes no more requests and waits for those that run, until <paramref name="cancellation"/>.</summary>
    public Task StopAsync(CancellationToken cancellation) => _app.StopAsync(cancellation);

    /// <summary>Stops at once what still runs.</summary>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    // The routes of every dialect, and those of the server itself.
    private void Map()
    {
        _app.MapMethods("/", ["GET", "HEAD"], http => WriteAsync(http, StatusCodes.Status200OK, json => json.WriteString("name", "fathom")));
        _app.MapGet("/health/live", http => WriteAsync(http, StatusCodes.Status200OK, json => json.WriteString("status", "live")));
        _app.MapGet("/health/ready", ReadyAsync);
        FathomRoutes.Map(_app, Admit, _options.Report);
        _app.MapFallback("{**path}", http => Refusal.WriteAsync(
            http, new RequestError(ErrorReason.NotFound, $"There is no {http.Request.Method} {http.Request.Path} here."), OpenAiErrors.Write));
    }

    private Exchange Admit(HttpContext http)
    {
        Caller caller = Door.Admit(http.Request, _options.Keys);
        ServingEngine engine = _engine ?? throw new RequestErrorException(ErrorReason.Loading, "The model is being loaded. Try again in a few seconds.");
        return new Exchange(http, engine, caller, _options);
    }

    private Task ReadyAsync(HttpContext http) => WriteAsync(
        http, _engine is null ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK, json =>
        {
            json.WriteString("status", _engine is null ? "loading" : "ready");
            if (_engine is { } engine)
            {
                json.WriteString("model", engine.ModelName);
                json.WriteNumber("requests", engine.RequestCount);
            }
        });

    private static Task WriteAsync(HttpContext http, int status, Action<Utf8JsonWriter> members) =>
        JsonReply.WriteAsync(http.Response, status, members, http.RequestAborted);

    private void Limit(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = _options.BodyBytesMax;
        kestrel.Limits.MaxRequestHeadersTotalSize = HeaderBytesMax;
        kestrel.Limits.RequestHeadersTimeout = s_headerTime;
        kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
        foreach (IPEndPoint address in _options.Listen)
        {
            kestrel.Listen(address, listen => listen.Protocols = HttpProtocols.Http1);
        }
    }
}
