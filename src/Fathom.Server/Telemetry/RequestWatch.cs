using System.Diagnostics;
using System.Text.RegularExpressions;
using Fathom.Serving;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Fathom.Server.Telemetry;

/// <summary>Observes one request from its arrival to its end. Used by one thread at a time.</summary>
internal sealed partial class RequestWatch : IDisposable
{
    private const string Provider = "fathom";

    private const string MetricsRoute = "/metrics";
    private const string MetricsDialect = "metrics";

    // What proxies call the status of a request whose client left before there was one.
    private const int ClientLeft = 499;

    private readonly ServerWatch _server;
    private readonly ILogger? _log;
    private readonly HttpContext _http;
    private readonly string _dialect;
    private readonly string? _operation;
    private readonly Activity? _activity;
    private readonly long _begin = Stopwatch.GetTimestamp();
    private TagList _tags;
    private string _key = "-";
    private string? _finish;
    private bool _isAsked;
    private long _lastPiece;
    private TokenUsage _usage;
    private GenerationTimes _times;

    public RequestWatch(ServerWatch server, ILogger? log, HttpContext http)
    {
        (_server, _log, _http) = (server, log, http);
        string route = (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "";
        (_dialect, _operation) = Kind(route);
        _activity = _dialect == MetricsDialect ? null : Start(route);
        _tags = new TagList { { "gen_ai.operation.name", _operation }, { "gen_ai.provider.name", Provider }, { "gen_ai.response.model", server.ModelName } };
    }

    /// <summary>Unguessable, and in the response's header too.</summary>
    public string Id { get; } = Reply.NewId("req_");

    /// <summary>It is known who asks.</summary>
    public void Admit(Caller caller) => _key = caller.Key ?? _key;

    /// <summary>The model that the client names. Kept only if it looks like a name.</summary>
    public void Name(string? model)
    {
        if (model is not null && ModelName().IsMatch(model))
        {
            _activity?.SetTag("gen_ai.request.model", model);
        }
    }

    /// <summary>The engine is asked.</summary>
    public void Ask(GenerationRequest request)
    {
        _isAsked = true;
        _activity?.SetTag("gen_ai.request.max_tokens", request.MaxTokens);
        _activity?.SetTag("gen_ai.request.temperature", (double)request.Sampling.Temperature);
        _activity?.SetTag("gen_ai.request.top_p", (double)request.Sampling.TopP);
    }

    /// <summary>The engine says something.</summary>
    public void See(GenerationEvent next)
    {
        switch (next)
        {
            case GenerationEvent.Reasoning or GenerationEvent.Answer or GenerationEvent.CallStarted or GenerationEvent.CallArguments:
                SeePiece();
                break;
            case GenerationEvent.Finished finished:
                (_finish, _usage, _times) = (FinishNames.Of(finished), finished.Usage, finished.Times);
                break;
            case GenerationEvent.Failed failed:
                (_finish, _usage, _times) = (FinishNames.Of(failed), failed.Usage, failed.Times);
                break;
        }
    }

    /// <summary>The request is refused, or its answer broke off.</summary>
    public void Refuse(RequestError error)
    {
        _activity?.SetTag("error.type", error.Reason.ToString());
        if (error.Status >= StatusCodes.Status500InternalServerError)
        {
            _activity?.SetStatus(ActivityStatusCode.Error);
        }
        if (error.Status < StatusCodes.Status500InternalServerError)
        {
            _isAsked = false;                                                             // nothing was generated
        }
        _finish ??= _isAsked ? FinishNames.Error : null;
    }

    /// <summary>The request is over.</summary>
    public void Dispose()
    {
        bool hasLeft = _http.RequestAborted.IsCancellationRequested;
        int status = hasLeft && !_http.Response.HasStarted ? ClientLeft : _http.Response.StatusCode;
        TimeSpan total = Stopwatch.GetElapsedTime(_begin);
        _server.Metrics.Answered(_dialect, status);
        if (_isAsked)
        {
            bool isTold = _finish is not null;
            _finish ??= FinishNames.Abort;
            _server.Metrics.Finished(FinishNames.ReasonOf(_finish), total, _tags);
            if (isTold && _usage.Prompt > 0)
            {
                _server.Metrics.Spent(_usage, _times, _tags);
            }
        }
        // A scraper comes every few seconds.
        if (_log is not null && _dialect != MetricsDialect)
        {
            RequestLog.Answered(
                _log, Id, _dialect, status, _finish ?? "-", _key, _usage.Prompt, _usage.Cached, _usage.Completion, _usage.Reasoning, total.TotalSeconds,
                _times.Queued.TotalSeconds, _times.Reading.TotalSeconds, _times.Writing.TotalSeconds);
        }
        End(status);
    }

    private void SeePiece()
    {
        long now = Stopwatch.GetTimestamp();
        if (_lastPiece == 0)
        {
            _server.Metrics.First(Stopwatch.GetElapsedTime(_begin, now), _tags);
        }
        else
        {
            _server.Metrics.Next(Stopwatch.GetElapsedTime(_lastPiece, now));
        }
        _lastPiece = now;
    }

    // A host's own span of the request is the parent, where somebody records it; else the client's.
    private Activity? Start(string route)
    {
        if (Activity.Current is not { Source.Name.Length: > 0 })
        {
            Activity.Current = null;
            // Its tracestate is free text and is left out.
            ActivityContext.TryParse(_http.Request.Headers.TraceParent, null, isRemote: true, out ActivityContext client);
            return Begin(client, route);
        }
        return Begin(default, route);
    }

    private Activity? Begin(ActivityContext parent, string route)
    {
        Activity? activity = ServerTelemetry.Source.StartActivity(_operation ?? _dialect, ActivityKind.Server, parent);
        activity?.SetTag("http.route", route);
        activity?.SetTag("server.address", _http.Connection.LocalIpAddress?.ToString());
        activity?.SetTag("server.port", _http.Connection.LocalPort);
        if (_operation is not null)
        {
            activity?.SetTag("gen_ai.operation.name", _operation);
            activity?.SetTag("gen_ai.provider.name", Provider);
        }
        return activity;
    }

    private void End(int status)
    {
        if (_activity is not { } activity)
        {
            return;
        }
        activity.SetTag("http.response.status_code", status);
        activity.SetTag("fathom.request.id", Id);
        if (_isAsked)
        {
            activity.DisplayName = $"{_operation} {_server.ModelName}";
            activity.SetTag("gen_ai.response.model", _server.ModelName);
            activity.SetTag("gen_ai.response.finish_reasons", new[] { _finish });
            activity.SetTag("gen_ai.usage.input_tokens", _usage.Prompt);
            activity.SetTag("gen_ai.usage.cache_read.input_tokens", _usage.Cached);
            activity.SetTag("gen_ai.usage.output_tokens", _usage.Completion);
            activity.SetTag("gen_ai.usage.reasoning.output_tokens", _usage.Reasoning);
        }
        activity.Dispose();
    }

    // By the route, which is ours; the path is the client's.
    private static (string Dialect, string? Operation) Kind(string route) => route switch
    {
        _ when route.EndsWith("/chat/completions", StringComparison.Ordinal) => ("chat", "chat"),
        _ when route.EndsWith("/completions", StringComparison.Ordinal) => ("completions", "text_completion"),
        _ when route.EndsWith("/responses", StringComparison.Ordinal) => ("responses", "chat"),
        _ when route.EndsWith("/messages", StringComparison.Ordinal) => ("messages", "chat"),
        _ when route.EndsWith("/count_tokens", StringComparison.Ordinal) => ("count_tokens", null),
        MetricsRoute => (MetricsDialect, null),
        _ when route.Contains("/models", StringComparison.Ordinal) => ("models", null),
        _ => ("other", null),
    };

    [GeneratedRegex(@"\A[A-Za-z0-9._:/@+-]{1,100}\z")]
    private static partial Regex ModelName();
}
