using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using Fathom.Serving;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Fathom.Server;

/// <summary>Server-sent events on a response. One writer at a time.</summary>
internal sealed class EventStream(HttpResponse response)
{
    /// <summary>A comment that says that the server is at work.</summary>
    public const string Comment = ": keep-alive\n\n";

    // What is ready at once goes out at once, up to so many bytes.
    private const int FlushBytes = 4096;

    private readonly ArrayBufferWriter<byte> _buffer = new();

    /// <summary>Sends the header. No proxy or compression should hold events back.</summary>
    public async Task BeginAsync(CancellationToken cancellation)
    {
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
        response.HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await response.StartAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Adds an event of one JSON object; <see cref="FlushAsync"/> sends it.</summary>
    /// <param name="name">of the event; null for none</param> <param name="members">writes the object's members</param>
    public void Add(string? name, Action<Utf8JsonWriter> members)
    {
        if (name is not null)
        {
            Add($"event: {name}\n");
        }
        _buffer.Write("data: "u8);
        JsonReply.Write(_buffer, members);
        _buffer.Write("\n\n"u8);
    }

    /// <summary>Adds lines as they are, such as a comment.</summary>
    public void Add(string lines) => _buffer.Write(System.Text.Encoding.UTF8.GetBytes(lines));

    /// <summary>Sends what was added.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        if (_buffer.WrittenCount > 0)
        {
            await response.Body.WriteAsync(_buffer.WrittenMemory, cancellation).ConfigureAwait(false);
            _buffer.ResetWrittenCount();
        }
        await response.Body.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Passes the events of a generation on until it ends. What was told at once goes out at once; where nothing was told for a while, a sign of life goes out.
    /// </summary>
    /// <param name="events">of the generation</param> <param name="keepAlive">silence at most</param>
    /// <param name="tell">adds what an event says</param> <param name="live">adds a sign of life</param> <param name="cancellation">ends it</param>
    public async Task PumpAsync(
        PendingEvents events, TimeSpan keepAlive, Action<GenerationEvent> tell, Action live, CancellationToken cancellation)
    {
        long written = Stopwatch.GetTimestamp();
        bool goesOn = true;
        while (goesOn)
        {
            // Measured from what went out last: events that say nothing to the client are no sign of life.
            TimeSpan patience = keepAlive - Stopwatch.GetElapsedTime(written);
            if (patience <= TimeSpan.Zero)
            {
                live();
            }
            else if (!await events.WaitAsync(patience, cancellation).ConfigureAwait(false))
            {
                continue;
            }
            else if (events.TryTake(out GenerationEvent? next))
            {
                tell(next);
                if (_buffer.WrittenCount == 0 || (_buffer.WrittenCount < FlushBytes && events.IsReady))
                {
                    continue;
                }
            }
            else
            {
                goesOn = false;
            }
            await FlushAsync(cancellation).ConfigureAwait(false);
            written = Stopwatch.GetTimestamp();
        }
    }
}
