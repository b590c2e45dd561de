using System.Text;
using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.OpenAi;

/// <summary><c>POST /completions</c>: a text is gone on with, or the gap between two texts is filled.</summary>
internal static class CompletionEndpoint
{
    private const string Kind = "text_completion";

    /// <summary>Answers one request.</summary>
    public static async Task AnswerAsync(Exchange exchange)
    {
        CompletionRequest request;
        using (JsonDocument body = await JsonBody.ReadAsync(exchange).ConfigureAwait(false))
        {
            request = Read(body.RootElement, exchange.Caller);
        }
        exchange.TellIgnored(request.Ignored);
        string id = Reply.NewId("cmpl-");
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        await using var events = new PendingEvents(exchange, request.Request);
        await Reply.BeginAsync(exchange, events).ConfigureAwait(false);
        if (request.Streams)
        {
            var stream = new EventStream(exchange.Http.Response);
            await stream.BeginAsync(exchange.Cancellation).ConfigureAwait(false);
            await stream.PumpAsync(
                events, exchange.Options.KeepAlive, next => AddChunk(stream, next, exchange, (id, created)), () => stream.Add(EventStream.Comment),
                exchange.Cancellation).ConfigureAwait(false);
            return;
        }
        var text = new StringBuilder();
        RequestError? error = null;
        GenerationEvent.Finished? finished = null;
        await Reply.GatherAsync(
            exchange, events, Add, () => error, json => Write(json, exchange, (id, created), text.ToString(), finished), OpenAiErrors.Write).ConfigureAwait(false);

        void Add(GenerationEvent next)
        {
            text.Append((next as GenerationEvent.Answer)?.Text);
            finished = next as GenerationEvent.Finished ?? finished;
            error = next is GenerationEvent.Failed failed ? RequestError.From(failed) : error;
        }
    }

    /// <summary>A Completions request in neutral terms, whether its answer streams, and fields that have no effect.</summary>
    internal sealed record CompletionRequest(GenerationRequest Request, bool Streams, IReadOnlyCollection<string> Ignored);

    /// <summary>The request of a body.</summary>
    internal static CompletionRequest Read(JsonElement body, Caller caller)
    {
        var fields = new JsonFields(body, "");
        var ignored = new SortedSet<string>(StringComparer.Ordinal);
        fields.String("model");                                                           // one model is served, under any name
        string prompt = fields.String("prompt") ?? throw fields.Missing("prompt", "a text");
        string? suffix = fields.String("suffix"), userId = fields.String("user_id"), user = fields.String("user");
        if (fields.Boolean("echo") ?? false)
        {
            throw new RequestErrorException(ErrorReason.Invalid, "echo: expected false, found true. Put the prompt in front of the answer.", "echo");
        }
        var request = new GenerationRequest
        {
            Prompt = string.IsNullOrEmpty(suffix) ? new GenerationPrompt.Text(prompt) : new GenerationPrompt.FillInTheMiddle(prompt, suffix),
            Sampling = SamplingFields.Read(fields, thinks: false, ignored),
            MaxTokens = fields.Integer("max_tokens", 1),
            StopStrings = fields.Strings("stop"),
            Tenant = caller.Tenant(userId ?? user),
            Holder = caller.Holder(userId ?? user),
        };
        bool streams = fields.Boolean("stream") ?? false;
        fields.Object("stream_options")?.Boolean("include_usage");                         // the last chunk has it in any case
        ignored.UnionWith(fields.Unasked);
        return new CompletionRequest(request, streams, ignored);
    }

    private static void AddChunk(EventStream stream, GenerationEvent next, Exchange exchange, (string Id, long Created) reply)
    {
        switch (next)
        {
            case GenerationEvent.Answer answer:
                stream.Add(name: null, json => Write(json, exchange, reply, answer.Text, finished: null));
                break;
            case GenerationEvent.Finished finished:
                stream.Add(name: null, json => Write(json, exchange, reply, "", finished));
                stream.Add("data: [DONE]\n\n");
                break;
            case GenerationEvent.Failed failed:
                stream.Add(name: null, json => OpenAiErrors.Write(json, RequestError.From(failed)));
                stream.Add("data: [DONE]\n\n");
                break;
        }
    }

    private static void Write(Utf8JsonWriter json, Exchange exchange, (string Id, long Created) reply, string text, GenerationEvent.Finished? finished)
    {
        OpenAiJson.WriteHead(json, exchange, reply.Id, Kind, reply.Created);
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteString("text", text);
        json.WriteNumber("index", 0);
        json.WriteNull("logprobs");
        json.WriteString("finish_reason", finished is null ? null : OpenAiJson.NameOf(finished.Reason));
        json.WriteEndObject();
        json.WriteEndArray();
        if (finished is not null)
        {
            OpenAiJson.WriteUsage(json, finished.Usage);
        }
    }
}
