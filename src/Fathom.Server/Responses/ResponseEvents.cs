using System.Text.Json;
using Fathom.Serving;

namespace Fathom.Server.Responses;

/// <summary>The events of a streamed response: added, deltas, done at each level, numbered in their order.</summary>
/// <param name="stream">to add to</param>
internal sealed class ResponseEvents(EventStream stream)
{
    private int _sequence;

    /// <summary>Tells the response as a whole.</summary>
    /// <param name="type">of the event</param> <param name="response">its members</param>
    public void Response(string type, Action<Utf8JsonWriter> response) => Add(type, json =>
    {
        json.WriteStartObject("response");
        response(json);
        json.WriteEndObject();
    });

    /// <summary>An item begins.</summary>
    public void Open(ResponseItem item)
    {
        AddItem("response.output_item.added", item);
        if (!item.IsCall)
        {
            AddPart("response.content_part.added", item, "", []);
        }
    }

    /// <summary>More of the open item. The input of a custom tool can be read only when all of it is there.</summary>
    public void Delta(ResponseItem item, string piece, IReadOnlyList<TokenScore> scores)
    {
        switch (item.Kind)
        {
            case ItemKind.Reasoning:
                AddText("response.reasoning_text.delta", item, "delta", piece, scores: null);
                break;
            case ItemKind.Message:
                AddText("response.output_text.delta", item, "delta", piece, scores);
                break;
            case ItemKind.FunctionCall:
                AddInput("response.function_call_arguments.delta", item, "delta", piece);
                break;
        }
    }

    /// <summary>The open item ends.</summary>
    public void Close(ResponseItem item)
    {
        switch (item.Kind)
        {
            case ItemKind.Reasoning:
                AddText("response.reasoning_text.done", item, "text", item.Shown, scores: null);
                AddPart("response.content_part.done", item, item.Shown, []);
                break;
            case ItemKind.Message:
                AddText("response.output_text.done", item, "text", item.Shown, item.Scores);
                AddPart("response.content_part.done", item, item.Shown, item.Scores);
                break;
            case ItemKind.FunctionCall when item.IsWhole:
                AddInput("response.function_call_arguments.done", item, "arguments", item.Shown);
                break;
            case ItemKind.CustomCall when item.IsWhole:
                AddInput("response.custom_tool_call_input.delta", item, "delta", item.Shown);
                AddInput("response.custom_tool_call_input.done", item, "input", item.Shown);
                break;
        }
        AddItem("response.output_item.done", item);
    }

    private void AddItem(string type, ResponseItem item) => Add(type, json =>
    {
        json.WriteNumber("output_index", item.Index);
        json.WriteStartObject("item");
        ResponseJson.WriteItem(json, item);
        json.WriteEndObject();
    });

    private void AddPart(string type, ResponseItem item, string text, IReadOnlyList<TokenScore> scores) => Add(type, json =>
    {
        WritePlace(json, item);
        json.WriteStartObject("part");
        ResponseJson.WritePart(json, item, text, scores);
        json.WriteEndObject();
    });

    private void AddText(string type, ResponseItem item, string member, string text, IReadOnlyList<TokenScore>? scores) => Add(type, json =>
    {
        WritePlace(json, item);
        json.WriteString(member, text);
        if (scores is not null)
        {
            ScoreJson.Write(json, "logprobs", scores);
        }
    });

    private void AddInput(string type, ResponseItem item, string member, string input) => Add(type, json =>
    {
        json.WriteString("item_id", item.Id);
        json.WriteNumber("output_index", item.Index);
        json.WriteString(member, input);
    });

    private static void WritePlace(Utf8JsonWriter json, ResponseItem item)
    {
        json.WriteString("item_id", item.Id);
        json.WriteNumber("output_index", item.Index);
        json.WriteNumber("content_index", 0);                                             // every item has one part
    }

    private void Add(string type, Action<Utf8JsonWriter> members) => stream.Add(type, json =>
    {
        json.WriteString("type", type);
        json.WriteNumber("sequence_number", _sequence++);
        members(json);
    });
}
