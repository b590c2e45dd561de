using System.Diagnostics.CodeAnalysis;
using Fathom.Server.Telemetry;
using Fathom.Serving;

namespace Fathom.Server;

/// <summary>The events of a generation, waited for with a limit of patience. Disposing cancels the generation. One reader.</summary>
internal sealed class PendingEvents : IAsyncDisposable
{
    private readonly CancellationTokenSource _leave;
    private readonly IAsyncEnumerator<GenerationEvent> _events;
    private readonly RequestWatch _watch;
    private Task<bool>? _next;

    /// <summary>Begins a generation.</summary>
    public PendingEvents(Exchange exchange, GenerationRequest request)
    {
        _watch = exchange.Watch;
        _watch.Ask(request);
        _leave = CancellationTokenSource.CreateLinkedTokenSource(exchange.Cancellation);
        _events = exchange.Engine.Generate(request, _leave.Token).GetAsyncEnumerator(CancellationToken.None);
    }

    /// <summary>Whether the next event, or the end, is there.</summary>
    public bool IsReady => Next.IsCompleted;

    private Task<bool> Next => _next ??= _events.MoveNextAsync().AsTask();

    /// <summary>Waits for the next event or the end. False if neither came in time; then it may be waited for again.</summary>
    public async Task<bool> WaitAsync(TimeSpan patience, CancellationToken cancellation)
    {
        if (!Next.IsCompleted)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            await Task.WhenAny(Next, Task.Delay(patience, stop.Token)).ConfigureAwait(false);
            await stop.CancelAsync().ConfigureAwait(false);
        }
        cancellation.ThrowIfCancellationRequested();
        return Next.IsCompleted;
    }

    /// <summary>The event that was waited for, which stays to be taken; null at the end.</summary>
    public GenerationEvent? Peek() => Next.GetAwaiter().GetResult() ? _events.Current : null;     // it was waited for

    /// <summary>Takes the event that was waited for; false at the end.</summary>
    public bool TryTake([NotNullWhen(true)] out GenerationEvent? next)
    {
        bool isOne = Next.GetAwaiter().GetResult();                                       // it was waited for
        next = isOne ? _events.Current : null;
        _next = isOne ? null : _next;
        if (next is not null)
        {
            _watch.See(next);
        }
        return isOne;
    }

    public async ValueTask DisposeAsync()
    {
        await _leave.CancelAsync().ConfigureAwait(false);
        try
        {
            if (_next is { } pending)
            {
                // An enumerator must not be disposed while it moves.
                await pending.ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The client has left.
        }
        await _events.DisposeAsync().ConfigureAwait(false);
        _leave.Dispose();
    }
}
