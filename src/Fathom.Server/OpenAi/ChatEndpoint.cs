using System.Text.Json;

namespace Fathom.Server.OpenAi;

/// <summary><c>POST /chat/completions</c>.</summary>
internal static class ChatEndpoint
{
    /// <summary>As published.</summary>
    public static Task AnswerAsync(Exchange exchange) => AnswerAsync(exchange, isBeta: false);

    /// <summary>With what is under /beta: the last turn of the assistant may be continued.</summary>
    public static Task AnswerBetaAsync(Exchange exchange) => AnswerAsync(exchange, isBeta: true);

    private static async Task AnswerAsync(Exchange exchange, bool isBeta)
    {
        ChatRequest request;
        using (JsonDocument body = await JsonBody.ReadAsync(exchange).ConfigureAwait(false))
        {
            request = ChatWire.Read(body.RootElement, exchange.Caller, exchange.Engine.Revision, isBeta);
        }
        exchange.TellIgnored(request.Ignored);
        string id = Reply.NewId("chatcmpl-");
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        await using var events = new PendingEvents(exchange, request.Request);
        await Reply.BeginAsync(exchange, events).ConfigureAwait(false);
        if (!request.Streams)
        {
            var reply = new ChatReply(exchange, request, id, created);
            await Reply.GatherAsync(exchange, events, reply.Add, () => reply.Error, reply.Write, OpenAiErrors.Write).ConfigureAwait(false);
            return;
        }
        var stream = new EventStream(exchange.Http.Response);
        var chunks = new ChatChunks(stream, exchange, request, id, created);
        await stream.BeginAsync(exchange.Cancellation).ConfigureAwait(false);
        chunks.Begin();
        await stream.FlushAsync(exchange.Cancellation).ConfigureAwait(false);
        await stream.PumpAsync(events, exchange.Options.KeepAlive, chunks.Add, () => stream.Add(EventStream.Comment), exchange.Cancellation).ConfigureAwait(false);
    }
}
