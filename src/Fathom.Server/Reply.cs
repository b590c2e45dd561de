using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Fathom.Serving;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server;

/// <summary>Answers a request with what the engine generates: what all dialects do alike.</summary>
internal static class Reply
{
    private const string IdAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
    private const int IdLength = 24;

    // What stands in front of a JSON text and means nothing in it.
    private static readonly ReadOnlyMemory<byte> s_lineEnd = "\n"u8.ToArray();

    /// <summary>A new id that begins with <paramref name="prefix"/>.</summary>
    public static string NewId(string prefix) => prefix + RandomNumberGenerator.GetString(IdAlphabet, IdLength);

    /// <summary>
    /// Waits for the first event, so that a request which is refused gets a status of its own. An acceptance goes into the header; where none comes in time,
    /// the response begins without.
    /// </summary>
    /// <exception cref="RequestErrorException">the request is refused</exception>
    public static async Task BeginAsync(Exchange exchange, PendingEvents events)
    {
        if (!await events.WaitAsync(exchange.Options.KeepAlive, exchange.Cancellation).ConfigureAwait(false))
        {
            return;
        }
        switch (events.Peek())
        {
            case GenerationEvent.Failed failed:
                throw new RequestErrorException(RequestError.From(failed));
            case GenerationEvent.Accepted accepted:
                exchange.TellAccepted(accepted);
                break;
        }
    }

    /// <summary>
    /// Gathers a whole generation and answers with one JSON object. While it takes long, line ends are sent, so that nobody on the way gives up.
    /// </summary>
    /// <param name="exchange">to answer</param>
    /// <param name="events">begun</param>
    /// <param name="add">takes an event</param>
    /// <param name="error">what broke; null for nothing</param>
    /// <param name="write">the members of the answer</param> <param name="writeError">those of an error</param>
    public static async Task GatherAsync(
        Exchange exchange, PendingEvents events, Action<GenerationEvent> add, Func<RequestError?> error, Action<Utf8JsonWriter> write,
        Action<Utf8JsonWriter, RequestError> writeError)
    {
        HttpResponse response = exchange.Http.Response;
        long written = Stopwatch.GetTimestamp();
        while (true)
        {
            TimeSpan patience = exchange.Options.KeepAlive - Stopwatch.GetElapsedTime(written);
            if (patience <= TimeSpan.Zero || !await events.WaitAsync(patience, exchange.Cancellation).ConfigureAwait(false))
            {
                written = Stopwatch.GetTimestamp();
                if (!response.HasStarted)
                {
                    response.ContentType = "application/json; charset=utf-8";
                }
                await response.Body.WriteAsync(s_lineEnd, exchange.Cancellation).ConfigureAwait(false);
                await response.Body.FlushAsync(exchange.Cancellation).ConfigureAwait(false);
            }
            else if (events.TryTake(out GenerationEvent? next))
            {
                add(next);
            }
            else
            {
                break;
            }
        }
        await JsonReply.WriteAsync(
            response, error()?.Status ?? StatusCodes.Status200OK, json =>
            {
                if (error() is { } broken)
                {
                    writeError(json, broken);
                }
                else
                {
                    write(json);
                }
            },
            exchange.Cancellation).ConfigureAwait(false);
    }
}
