using Fathom.Serving;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Fathom.Server.Telemetry;

/// <summary>Observes a server: metrics, traces, a log line for each request. May be used from any thread.</summary>
internal sealed class ServerWatch : IDisposable
{
    private const string LogCategory = "Fathom.Server";

    private readonly Func<ServingEngine?> _engine;
    private readonly ILogger? _log;
    private readonly PrometheusText _text;

    /// <param name="options">of the server</param> <param name="engine">the engine, once it is there</param>
    public ServerWatch(ServerOptions options, Func<ServingEngine?> engine)
    {
        _engine = engine;
        _log = options.Logging?.CreateLogger(LogCategory);
        Bodies = new BodyBudget(options.BodiesBytesMax);
        Metrics = new ServerMetrics(engine, Bodies);
        _text = new PrometheusText(Metrics.Meter);
        Metrics.Begin();
    }

    /// <summary>Bodies in memory.</summary>
    public BodyBudget Bodies { get; }

    /// <summary>What is measured.</summary>
    public ServerMetrics Metrics { get; }

    /// <summary>Name of the model; empty while none is loaded.</summary>
    public string ModelName => _engine()?.ModelName ?? "";

    /// <summary>A request begins; disposing what is returned ends it.</summary>
    public RequestWatch Begin(HttpContext http) => new(this, _log, http);

    /// <summary>Answers <c>GET /metrics</c>.</summary>
    public async Task AnswerAsync(HttpContext http)
    {
        http.Response.ContentType = PrometheusText.ContentType;
        http.Response.Headers.CacheControl = "no-store";
        await http.Response.WriteAsync(_text.Write(ModelName), http.RequestAborted).ConfigureAwait(false);
    }

    public void Dispose()
    {
        _text.Dispose();
        Metrics.Dispose();
    }
}
