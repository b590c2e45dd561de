using System.Text.Json;
using Fathom.Engine;
using Fathom.Prompts;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server.Anthropic;

/// <summary><c>POST /v1/messages</c> and <c>POST /v1/messages/count_tokens</c>.</summary>
internal static class MessagesEndpoint
{
    /// <summary>Answers one request.</summary>
    public static async Task AnswerAsync(Exchange exchange)
    {
        MessagesRequest request = await ReadAsync(exchange, counts: false).ConfigureAwait(false);
        ReplyHead head = ReplyHead.Of(exchange, "msg_");
        await using var events = new PendingEvents(exchange, request.Request);
        await Reply.BeginAsync(exchange, events).ConfigureAwait(false);
        if (!request.Streams)
        {
            var whole = new MessageReply(request, head, events: null);
            await Reply.GatherAsync(exchange, events, whole.Add, () => whole.Error, whole.Write, AnthropicErrors.Write).ConfigureAwait(false);
            return;
        }
        var stream = new EventStream(exchange.Http.Response);
        var told = new MessageEvents(stream, request, head);
        var reply = new MessageReply(request, head, told);
        await stream.BeginAsync(exchange.Cancellation).ConfigureAwait(false);
        await stream.PumpAsync(events, exchange.Options.KeepAlive, reply.Add, told.Live, exchange.Cancellation).ConfigureAwait(false);
    }

    /// <summary>Counts the tokens of a request's prompt, rendered as it would be read.</summary>
    public static async Task CountAsync(Exchange exchange)
    {
        MessagesRequest request = await ReadAsync(exchange, counts: true).ConfigureAwait(false);
        int tokens;
        try
        {
            tokens = exchange.Engine.CountTokens(request.Request);
        }
        catch (Exception e) when (e is RequestException or PromptException)
        {
            throw new RequestErrorException(ErrorReason.Invalid, e.Message);
        }
        await JsonReply.WriteAsync(
            exchange.Http.Response, StatusCodes.Status200OK, json => json.WriteNumber("input_tokens", tokens), exchange.Cancellation).ConfigureAwait(false);
    }

    private static async Task<MessagesRequest> ReadAsync(Exchange exchange, bool counts)
    {
        using JsonDocument body = await JsonBody.ReadAsync(exchange).ConfigureAwait(false);
        try
        {
            MessagesRequest request = MessagesWire.Read(body.RootElement, exchange.Caller, exchange.Engine.Revision, counts);
            exchange.TellIgnored(request.Ignored);
            return request;
        }
        catch (RequestErrorException e) when (e.Error.Reason == ErrorReason.OutOfRange)
        {
            throw new RequestErrorException(e.Error with { Reason = ErrorReason.Invalid });     // Anthropic's API knows one status for both
        }
    }
}
