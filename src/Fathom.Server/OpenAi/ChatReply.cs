using System.Text;
using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.OpenAi;

/// <summary>The whole of a chat reply, gathered from its events.</summary>
internal sealed class ChatReply(Exchange exchange, ChatRequest request, string id, long created)
{
    private readonly StringBuilder _reasoning = new();
    private readonly StringBuilder _answer = new();
    private readonly List<(string Id, string Name, StringBuilder Arguments)> _calls = [];
    private readonly List<TokenScore> _reasoningScores = [];
    private readonly List<TokenScore> _answerScores = [];
    private GenerationEvent.Finished? _finished;

    /// <summary>What broke on the way; null for nothing.</summary>
    public RequestError? Error { get; private set; }

    /// <summary>Takes an event.</summary>
    public void Add(GenerationEvent next)
    {
        switch (next)
        {
            case GenerationEvent.Reasoning reasoning:
                _reasoning.Append(reasoning.Text);
                _reasoningScores.AddRange(reasoning.Tokens);
                break;
            case GenerationEvent.Answer answer:
                _answer.Append(answer.Text);
                _answerScores.AddRange(answer.Tokens);
                break;
            case GenerationEvent.CallStarted call:
                _calls.Add((call.Id, call.Name, new StringBuilder()));
                break;
            case GenerationEvent.CallArguments arguments:
                _calls[arguments.Index].Arguments.Append(arguments.Json);
                break;
            case GenerationEvent.Finished finished:
                _finished = finished;
                break;
            case GenerationEvent.Failed failed:
                Error = RequestError.From(failed);
                break;
        }
    }

    /// <summary>The members of the response.</summary>
    public void Write(Utf8JsonWriter json)
    {
        OpenAiJson.WriteHead(json, exchange, id, "chat.completion", created);
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        WriteMessage(json);
        if (request.Request.TopLogProbabilities is null)
        {
            json.WriteNull("logprobs");
        }
        else
        {
            OpenAiJson.WriteLogProbabilities(json, _reasoningScores, _answerScores);
        }
        json.WriteString("finish_reason", OpenAiJson.NameOf(_finished?.Reason ?? EndReason.Cancelled));
        json.WriteEndObject();
        json.WriteEndArray();
        OpenAiJson.WriteUsage(json, _finished?.Usage ?? default);
    }

    private void WriteMessage(Utf8JsonWriter json)
    {
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", _answer.ToString());
        if (_reasoning.Length > 0)
        {
            json.WriteString("reasoning_content", _reasoning.ToString());
        }
        if (_calls.Count > 0)
        {
            json.WriteStartArray("tool_calls");
            for (int i = 0; i < _calls.Count; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("index", i);
                json.WriteString("id", _calls[i].Id);
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", _calls[i].Name);
                json.WriteString("arguments", _calls[i].Arguments.ToString());
                json.WriteEndObject();
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }
}
