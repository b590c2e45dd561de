using System.Diagnostics;
using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.OpenAi;

/// <summary>The chunks of a streamed chat reply, in the order that clients expect: role, reasoning, answer, calls, the reason of the end, tokens.</summary>
internal sealed class ChatChunks(EventStream stream, Exchange exchange, ChatRequest request, string id, long created)
{
    private const string Done = "data: [DONE]\n\n";

    private GenerationEvent.Accepted? _accepted;
    private long _begin;

    /// <summary>The first chunk: who speaks.</summary>
    public void Begin() => Delta(
        json =>
        {
            json.WriteString("role", "assistant");
            json.WriteString("content", "");
        });

    /// <summary>Adds what an event says.</summary>
    public void Add(GenerationEvent next)
    {
        switch (next)
        {
            case GenerationEvent.Accepted accepted when request.TellsProgress:
                (_accepted, _begin) = (accepted, Stopwatch.GetTimestamp());
                Progress(accepted, accepted.CachedTokens, left: null);
                break;
            case GenerationEvent.Reading reading when _accepted is not null:
                Progress(_accepted, reading.Done, reading.Left);
                break;
            case GenerationEvent.Reasoning reasoning:
                Delta(json => json.WriteString("reasoning_content", reasoning.Text), reasoning.Tokens, []);
                break;
            case GenerationEvent.Answer answer:
                Delta(json => json.WriteString("content", answer.Text), [], answer.Tokens);
                break;
            case GenerationEvent.CallStarted call:
                Delta(json => WriteCall(json, call.Index, call.Id, call.Name, ""));
                break;
            case GenerationEvent.CallArguments arguments:
                Delta(json => WriteCall(json, arguments.Index, null, null, arguments.Json));
                break;
            case GenerationEvent.Finished finished:
                End(finished);
                break;
            case GenerationEvent.Failed failed:
                stream.Add(name: null, json => OpenAiErrors.Write(json, RequestError.From(failed)));
                stream.Add(Done);
                break;
        }
    }

    // The names are those of llama.cpp's server; queued_ms, and left_ms below, are ours.
    private void WriteTimings(Utf8JsonWriter json, GenerationEvent.Finished finished)
    {
        if (!request.TellsProgress)
        {
            return;
        }
        (TokenUsage usage, GenerationTimes times) = (finished.Usage, finished.Times);
        json.WriteStartObject("timings");
        json.WriteNumber("queued_ms", Math.Round(times.Queued.TotalMilliseconds, 3));
        json.WriteNumber("cache_n", usage.Cached);
        json.WriteNumber("prompt_n", usage.Prompt - usage.Cached);
        json.WriteNumber("prompt_ms", Math.Round(times.Reading.TotalMilliseconds, 3));
        json.WriteNumber("predicted_n", usage.Completion);
        json.WriteNumber("predicted_ms", Math.Round(times.Writing.TotalMilliseconds, 3));
        json.WriteEndObject();
    }

    private void Progress(GenerationEvent.Accepted accepted, int done, TimeSpan? left) => stream.Add(name: null, json =>
    {
        OpenAiJson.WriteHead(json, exchange, id, "chat.completion.chunk", created);
        json.WriteStartArray("choices");
        json.WriteEndArray();
        json.WriteStartObject("prompt_progress");
        json.WriteNumber("total", accepted.PromptTokens);
        json.WriteNumber("cache", accepted.CachedTokens);
        json.WriteNumber("processed", done);
        json.WriteNumber("time_ms", (long)Stopwatch.GetElapsedTime(_begin).TotalMilliseconds);
        if (left is { } time)
        {
            json.WriteNumber("left_ms", (long)time.TotalMilliseconds);
        }
        json.WriteEndObject();
    });

    private void End(GenerationEvent.Finished finished)
    {
        // Clients add up what several chunks tell, so one chunk tells the tokens.
        stream.Add(name: null, json =>
        {
            OpenAiJson.WriteHead(json, exchange, id, "chat.completion.chunk", created);
            WriteChoice(json, _ => { }, null, null, OpenAiJson.NameOf(finished.Reason));
            if (!request.IncludesUsage)
            {
                OpenAiJson.WriteUsage(json, finished.Usage);
                WriteTimings(json, finished);
            }
        });
        if (request.IncludesUsage)
        {
            stream.Add(name: null, json =>
            {
                OpenAiJson.WriteHead(json, exchange, id, "chat.completion.chunk", created);
                json.WriteStartArray("choices");
                json.WriteEndArray();
                OpenAiJson.WriteUsage(json, finished.Usage);
                WriteTimings(json, finished);
            });
        }
        stream.Add(Done);
    }

    private void Delta(Action<Utf8JsonWriter> delta, IReadOnlyList<TokenScore>? reasoning = null, IReadOnlyList<TokenScore>? answer = null) =>
        stream.Add(name: null, json =>
        {
            OpenAiJson.WriteHead(json, exchange, id, "chat.completion.chunk", created);
            WriteChoice(json, delta, reasoning, answer, finish: null);
        });

    private void WriteChoice(Utf8JsonWriter json, Action<Utf8JsonWriter> delta, IReadOnlyList<TokenScore>? reasoning, IReadOnlyList<TokenScore>? answer, string? finish)
    {
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteStartObject("delta");
        delta(json);
        json.WriteEndObject();
        if (request.Request.TopLogProbabilities is null || (reasoning is null && answer is null))
        {
            json.WriteNull("logprobs");
        }
        else
        {
            OpenAiJson.WriteLogProbabilities(json, reasoning ?? [], answer ?? []);
        }
        json.WriteString("finish_reason", finish);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void WriteCall(Utf8JsonWriter json, int index, string? id, string? name, string arguments)
    {
        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        json.WriteNumber("index", index);
        if (id is not null)
        {
            json.WriteString("id", id);
            json.WriteString("type", "function");
        }
        json.WriteStartObject("function");
        if (name is not null)
        {
            json.WriteString("name", name);
        }
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    }
}
