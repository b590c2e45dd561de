using System.Collections.Concurrent;
using System.Diagnostics;
using Fathom.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Fathom.Tests.Server;

/// <summary>Log lines in memory.</summary>
internal sealed class CollectedLog : ILoggerFactory, ILogger
{
    public ConcurrentQueue<string> Lines { get; } = [];

    public void AddProvider(ILoggerProvider provider) => throw new InvalidOperationException("Lines go nowhere else.");

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Lines.Enqueue(formatter(state, exception) + exception);

    public void Dispose()
    {
    }
}

/// <summary>Spans of one server in memory.</summary>
internal sealed class CollectedSpans : IDisposable
{
    private readonly ConcurrentQueue<Activity> _spans = [];
    private readonly ActivityListener _listener;

    public CollectedSpans()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == ServerTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Those of the server at a port: tests run beside each other.</summary>
    public Activity[] Of(int port) => [.. _spans.Where(span => Equals(span.GetTagItem("server.port"), port))];

    /// <summary>All that a span says, as text.</summary>
    public static string TextOf(Activity span) => string.Join(
        '\n',
        [span.DisplayName, span.OperationName, span.StatusDescription, span.TraceStateString, .. span.TagObjects.Select(tag => $"{tag.Key}={(tag.Value as string[])?[0] ?? tag.Value}"), .. span.Events.Select(e => e.Name), .. span.Baggage.Select(item => item.Value)]);

    public void Dispose() => _listener.Dispose();
}
