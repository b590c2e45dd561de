using System.Net;
using System.Text.Json;
using Fathom.Server.Anthropic;
using Fathom.Server.OpenAi;
using Fathom.Server.Responses;
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

    // Every route of every dialect.
    private void Map()
    {
        PageFiles.Map(_app);
        _app.MapGet("/health/live", http => WriteAsync(http, StatusCodes.Status200OK, json => json.WriteString("status", "live")));
        _app.MapGet("/health/ready", ReadyAsync);
        _app.MapGet("/metrics", MetricsAsync);
        foreach (string prefix in new[] { "", "/v1" })
        {
            Map("GET", $"{prefix}/models", ModelsEndpoint.AnswerAsync, OpenAiErrors.Write);
            Map("GET", $"{prefix}/models/{{name}}", ModelsEndpoint.AnswerOneAsync, OpenAiErrors.Write);
            Map("POST", $"{prefix}/chat/completions", ChatEndpoint.AnswerAsync, OpenAiErrors.Write);
            Map("POST", $"{prefix}/forecast", ForecastEndpoint.AnswerAsync, OpenAiErrors.Write);
            Map("POST", $"{prefix}/completions", CompletionEndpoint.AnswerAsync, OpenAiErrors.Write);
            Map("GET", $"/beta{prefix}/models", ModelsEndpoint.AnswerAsync, OpenAiErrors.Write);
            Map("POST", $"/beta{prefix}/chat/completions", ChatEndpoint.AnswerBetaAsync, OpenAiErrors.Write);
            Map("POST", $"/beta{prefix}/completions", CompletionEndpoint.AnswerAsync, OpenAiErrors.Write);
            Map("POST", $"{prefix}/responses", ResponsesEndpoint.AnswerAsync, OpenAiErrors.Write);
        }
        foreach (string prefix in new[] { "", "/anthropic" })
        {
            Map("POST", $"{prefix}/v1/messages", MessagesEndpoint.AnswerAsync, AnthropicErrors.Write);
            Map("POST", $"{prefix}/v1/messages/count_tokens", MessagesEndpoint.CountAsync, AnthropicErrors.Write);
        }
        _app.MapFallback("{**path}", NowhereAsync);
    }

    private void Map(string method, string path, Func<Exchange, Task> answer, Action<Utf8JsonWriter, RequestError> writeError) =>
        _app.MapMethods(path, [method], http => AnswerAsync(http, answer, writeError));

    private async Task AnswerAsync(HttpContext http, Func<Exchange, Task> answer, Action<Utf8JsonWriter, RequestError> writeError)
    {
        using RequestWatch watch = _watch.Begin(http);
        http.Response.Headers["x-request-id"] = watch.Id;
        try
        {
            Caller caller = Door.Admit(http.Request, _options.Keys);
            watch.Admit(caller);
            ServingEngine engine = _engine ?? throw new RequestErrorException(ErrorReason.Loading, "The model is being loaded. Try again in a few seconds.");
            await answer(new Exchange(http, engine, caller, _options) { Bodies = _watch.Bodies, Watch = watch }).ConfigureAwait(false);
        }
        catch (RequestErrorException e)
        {
            await RefuseAsync(http, watch, e.Error, writeError).ConfigureAwait(false);
        }
        catch (Exception e) when (http.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            // The client has left.
        }
        catch (Exception e)
        {
            // Its message may hold what the client sent.
            _options.Report?.Invoke($"{watch.Id}: a defect of Fathom, {e.GetType().FullName}\n{e.StackTrace}");
            await RefuseAsync(http, watch, new RequestError(ErrorReason.Internal, "The server has a defect, which it has reported where it "
                + "runs."), writeError).ConfigureAwait(false);
        }
    }

    private async Task NowhereAsync(HttpContext http)
    {
        using RequestWatch watch = _watch.Begin(http);
        var error = new RequestError(ErrorReason.NotFound, $"There is no {http.Request.Method} {http.Request.Path} here.");
        await RefuseAsync(http, watch, error, OpenAiErrors.Write).ConfigureAwait(false);
    }

    // Whoever may ask may also read how much is asked.
    private async Task MetricsAsync(HttpContext http)
    {
        using RequestWatch watch = _watch.Begin(http);
        try
        {
            watch.Admit(Door.Admit(http.Request, _options.Keys));
            await _watch.AnswerAsync(http).ConfigureAwait(false);
        }
        catch (RequestErrorException e)
        {
            await RefuseAsync(http, watch, e.Error, OpenAiErrors.Write).ConfigureAwait(false);
        }
    }

    private static async Task RefuseAsync(HttpContext http, RequestWatch watch, RequestError error, Action<Utf8JsonWriter, RequestError> writeError)
    {
        watch.Refuse(error);
        if (http.Response.HasStarted)
        {
            http.Abort();                                                                 // half an answer must not look like a whole one
            return;
        }
        if (error.RetryAfter is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
        if (error.Reason == ErrorReason.Unauthorized)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
        }
        await WriteAsync(http, error.Status, json => writeError(json, error)).ConfigureAwait(false);
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
