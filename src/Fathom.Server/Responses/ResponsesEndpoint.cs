using System.Text.Json;
using Fathom.Server.OpenAi;

namespace Fathom.Server.Responses;

/// <summary><c>POST /responses</c>. Nothing is stored.</summary>
internal static class ResponsesEndpoint
{
    /// <summary>Answers one request.</summary>
    public static async Task AnswerAsync(Exchange exchange)
    {
        ResponsesRequest request;
        using (JsonDocument body = await JsonBody.ReadAsync(exchange).ConfigureAwait(false))
        {
            request = ResponsesWire.Read(body.RootElement, exchange.Caller, exchange.Engine.Revision);
        }
        exchange.TellIgnored(request.Ignored);
        ReplyHead head = ReplyHead.Of(exchange, "resp_");
        await using var events = new PendingEvents(exchange, request.Request);
        await Reply.BeginAsync(exchange, events).ConfigureAwait(false);
        if (!request.Streams)
        {
            var whole = new ResponseReply(request, head, events: null);
            await Reply.GatherAsync(exchange, events, whole.Add, () => whole.Error, whole.Write, OpenAiErrors.Write).ConfigureAwait(false);
            return;
        }
        var stream = new EventStream(exchange.Http.Response);
        var reply = new ResponseReply(request, head, new ResponseEvents(stream));
        await stream.BeginAsync(exchange.Cancellation).ConfigureAwait(false);
        reply.Begin();
        await stream.FlushAsync(exchange.Cancellation).ConfigureAwait(false);
        await stream.PumpAsync(events, exchange.Options.KeepAlive, reply.Add, reply.Live, exchange.Cancellation).ConfigureAwait(false);
    }
}
