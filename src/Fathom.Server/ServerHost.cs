using System.Net;
using System.Text.Json;
using Fathom.Server.OpenAi;
using Fathom.Server.Telemetry;
using Fathom.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Fathom.Server;

/// <summary>
/// The HTTP server: routes, keys, limits. It may listen before the model is loaded; requests are refused until <see cref="Serve"/>. The engine belongs to the
/// caller.
/// </summary>
public sealed class ServerHost : IAsyncDisposable
{
    private readonly ServerOptions _options;
    private readonly WebApplication _app;
    private readonly ServerWatch _watch;
    private readonly WrongKeys _wrongKeys = new(TimeProvider.System);
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
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => ServerLimits.Apply(kestrel, options));
        builder.Services.AddRoutingCore();
        // How long an end may take is said to StopAsync.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        _app = builder.Build();
        _watch = new ServerWatch(options, () => _engine);
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
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync().ConfigureAwait(false);
        _watch.Dispose();
    }

    // The routes of every dialect, and those of the server itself.
    private void Map()
    {
        PageFiles.Map(_app);
        _app.MapGet("/health/live", http => WriteAsync(http, StatusCodes.Status200OK, json => json.WriteString("status", "live")));
        _app.MapGet("/health/ready", ReadyAsync);
        _app.MapGet("/metrics", http => Refusal.GuardAsync(http, _watch, watch => MetricsAsync(http, watch), OpenAiErrors.Write, _options.Report));
        FathomRoutes.Map(_app, _watch, Admit, _options.Report);
        _app.MapFallback("{**path}", http => Refusal.GuardAsync(http, _watch, _ => throw new RequestErrorException(
            ErrorReason.NotFound, $"There is no {http.Request.Method} {http.Request.Path} here."), OpenAiErrors.Write, _options.Report));
    }

    private Exchange Admit(HttpContext http, RequestWatch watch)
    {
        Caller caller = Door.Admit(http.Request, _options.Keys, _wrongKeys);
        watch.Admit(caller);
        ServingEngine engine = _engine ?? throw new RequestErrorException(ErrorReason.Loading, "The model is being loaded. Try again in a few seconds.");
        return new Exchange(http, engine, caller, _options) { Bodies = _watch.Bodies, Watch = watch };
    }

    // Whoever may ask may also read how much is asked.
    private Task MetricsAsync(HttpContext http, RequestWatch watch)
    {
        watch.Admit(Door.Admit(http.Request, _options.Keys, _wrongKeys));
        return _watch.AnswerAsync(http);
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
}
