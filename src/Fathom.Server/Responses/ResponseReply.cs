using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.Responses;

/// <summary>A response in items, gathered from its events; where it streams, each step is told at once.</summary>
/// <param name="request">that is answered</param>
/// <param name="head">of the response</param>
/// <param name="events">told each step; null for a whole response</param>
internal sealed class ResponseReply(ResponsesRequest request, ReplyHead head, ResponseEvents? events)
{
    private readonly List<ResponseItem> _items = [];
    private ResponseItem? _open;
    private GenerationEvent.Finished? _finished;
    private TokenUsage? _usage;

    /// <summary>What broke on the way; null for nothing.</summary>
    public RequestError? Error { get; private set; }

    private string Status => Error is not null ? "failed" : _finished is null ? "in_progress" : IncompleteReason is null ? "completed" : "incomplete";

    // A reply that runs in circles is cut off, as one that is too long.
    private string? IncompleteReason => _finished?.Reason is EndReason.Length or EndReason.Loop ? "max_output_tokens" : null;

    /// <summary>The first events of a stream.</summary>
    public void Begin()
    {
        events?.Response("response.created", Write);
        Live();
    }

    /// <summary>A sign of life: clients count real events only.</summary>
    public void Live() => events?.Response("response.in_progress", Write);

    /// <summary>Takes an event.</summary>
    public void Add(GenerationEvent next)
    {
        switch (next)
        {
            case GenerationEvent.Reasoning reasoning:
                Append(ItemKind.Reasoning, "rs_", reasoning.Text, []);
                break;
            case GenerationEvent.Answer answer:
                Append(ItemKind.Message, "msg_", answer.Text, answer.Tokens);
                break;
            case GenerationEvent.CallStarted call when IsShown(call.Index):
                OpenCall(call);
                break;
            case GenerationEvent.CallArguments arguments when IsShown(arguments.Index) && _open is { IsCall: true } open:
                open.Text.Append(arguments.Json);
                events?.Delta(open, arguments.Json, []);
                break;
            case GenerationEvent.CallEnded ended when IsShown(ended.Index):
                Close(isWhole: true);
                break;
            case GenerationEvent.Finished or GenerationEvent.Failed:
                End(next);
                break;
        }
    }

    /// <summary>The members of the response, as far as it has come.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteString("id", head.Id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", head.Created);
        json.WriteString("status", Status);
        json.WriteBoolean("background", false);
        if (Error is null)
        {
            json.WriteNull("error");
        }
        else
        {
            ResponseJson.WriteError(json, Error);
        }
        WriteIncomplete(json);
        json.WriteString("model", head.Model);
        json.WriteString("system_fingerprint", head.Fingerprint);
        WriteOutput(json);
        json.WriteBoolean("parallel_tool_calls", !request.OneCall);
        json.WriteNull("previous_response_id");
        json.WriteBoolean("store", false);
        json.WriteString("truncation", "disabled");
        WriteRepeated(json);
        if (_usage is { } usage)
        {
            ResponseJson.WriteUsage(json, usage);
        }
        else
        {
            json.WriteNull("usage");
        }
    }

    private void WriteIncomplete(Utf8JsonWriter json)
    {
        if (IncompleteReason is not { } reason)
        {
            json.WriteNull("incomplete_details");
            return;
        }
        json.WriteStartObject("incomplete_details");
        json.WriteString("reason", reason);
        json.WriteEndObject();
    }

    private void WriteOutput(Utf8JsonWriter json)
    {
        json.WriteStartArray("output");
        foreach (ResponseItem item in _items)
        {
            json.WriteStartObject();
            ResponseJson.WriteItem(json, item);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private void WriteRepeated(Utf8JsonWriter json)
    {
        foreach ((string name, string value) in request.Repeated)
        {
            json.WritePropertyName(name);
            json.WriteRawValue(value, skipInputValidation: true);
        }
        if (!request.Repeated.ContainsKey("tools"))
        {
            json.WriteStartArray("tools");
            json.WriteEndArray();
        }
        if (!request.Repeated.ContainsKey("tool_choice"))
        {
            json.WriteString("tool_choice", "auto");
        }
    }

    private bool IsShown(int call) => call == 0 || !request.OneCall;

    private void Append(ItemKind kind, string prefix, string piece, IReadOnlyList<TokenScore> scores)
    {
        if (_open is not { } open || open.Kind != kind)
        {
            open = Open(new ResponseItem(_items.Count, kind, Reply.NewId(prefix)));
        }
        open.Text.Append(piece);
        open.Scores.AddRange(scores);
        events?.Delta(open, piece, scores);
    }

    private void OpenCall(GenerationEvent.CallStarted call)
    {
        OfferedTool tool = request.Tools.Find(call.Name);
        ItemKind kind = tool.IsCustom ? ItemKind.CustomCall : ItemKind.FunctionCall;
        Open(new ResponseItem(_items.Count, kind, Reply.NewId(tool.IsCustom ? "ctc_" : "fc_")) { CallId = call.Id, Tool = tool });
    }

    private ResponseItem Open(ResponseItem item)
    {
        Close(isWhole: true);
        _open = item;
        _items.Add(item);
        events?.Open(item);
        return item;
    }

    private void Close(bool isWhole)
    {
        if (_open is { } item)
        {
            _open = null;
            item.IsOpen = false;
            item.IsWhole = isWhole;
            events?.Close(item);
        }
    }

    private void End(GenerationEvent next)
    {
        Error = ReplyFault.Of(next);
        _finished = next as GenerationEvent.Finished;
        _usage = next is GenerationEvent.Failed failed ? failed.Usage : _finished!.Usage; // one of the two
        Close(isWhole: Error is null && _finished!.Reason is EndReason.Stop or EndReason.StopString or EndReason.ToolCalls && _open is not { IsCall: true });
        events?.Response("response." + Status, Write);
    }
}
