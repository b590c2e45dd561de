using System.Text;
using System.Text.Json;
using Fathom.Prompts;

namespace Fathom.Server.Responses;

/// <summary>
/// Reads the input of a Responses request. Reasoning, text and calls that follow one another are one turn of the model. Ids of items go no further: clients
/// make new ones for every request, and a prompt with them would never be found in a cache. One body each.
/// </summary>
/// <param name="ignored">gets the names of what has no effect</param>
internal sealed class ResponsesInput(SortedSet<string> ignored)
{
    private const string Kinds = "message, function_call, function_call_output, custom_tool_call, custom_tool_call_output or reasoning";

    private readonly List<Message> _messages = [];
    private readonly StringBuilder _reasoning = new();
    private readonly List<ContentPart> _texts = [];
    private readonly List<ToolCall> _calls = [];

    /// <summary>The messages of a body, instructions in front, oldest first.</summary>
    /// <exception cref="RequestErrorException">an item breaks a rule</exception>
    public List<Message> Read(JsonFields fields)
    {
        if (fields.String("instructions") is { Length: > 0 } instructions)
        {
            Message.System.Append(_messages, instructions);
        }
        switch (fields.Any("input"))
        {
            case null:
                throw fields.Missing("input", "a text or an array of items");
            case { ValueKind: JsonValueKind.String }:
                _messages.Add(new Message.User(fields.String("input")!));                 // its kind is a string
                return _messages;
            case { ValueKind: not JsonValueKind.Array } other:
                throw fields.Wrong("input", "a text or an array of items", other);
        }
        IReadOnlyList<JsonFields> items = fields.Objects("input");
        if (items.Count == 0)
        {
            throw fields.Missing("input", "at least one item");
        }
        foreach (JsonFields item in items)
        {
            Add(item);
        }
        if (EndTurn())
        {
            throw new RequestErrorException(
                ErrorReason.Invalid,
                "input: expected the last item to be of the user or the output of a tool, found the assistant's. Add what it shall answer.",
                "input");
        }
        return _messages;
    }

    private void Add(JsonFields item)
    {
        item.String("id");
        item.String("status");
        string? type = item.String("type");
        switch (type)
        {
            case null or "message":
                AddMessage(item);
                break;
            case "reasoning":
                AddReasoning(item);
                break;
            case "function_call" or "custom_tool_call":
                _calls.Add(Call(item, type));
                break;
            case "function_call_output" or "custom_tool_call_output":
                EndTurn();
                string id = item.String("call_id") ?? throw item.Missing("call_id", "the id of the call that it answers");
                _messages.Add(new Message.ToolResult(id, Content(item, "output", isOutput: true)));
                break;
            case "web_search_call" or "file_search_call" or "code_interpreter_call" or "image_generation_call":
                // What another server once did by itself; what it found is in the text that followed.
                ignored.Add("input." + type);
                break;
            case "item_reference":
                throw new RequestErrorException(
                    ErrorReason.Invalid,
                    $"{item.PathOf("type")}: expected the item itself, found item_reference; this server stores no responses. Send all items.",
                    item.PathOf("type"));
            default:
                throw item.Unknown("type", Kinds, type);
        }
    }

    private void AddMessage(JsonFields item)
    {
        string role = item.String("role") ?? throw item.Missing("role", "user, assistant, system or developer");
        if (item.Any("content") is null)
        {
            throw item.Missing("content", "a text or an array of parts");
        }
        MessageContent content = Content(item, "content", isOutput: false);
        switch (role)
        {
            case "assistant":
                if (_calls.Count > 0)
                {
                    EndTurn();                                                            // in a turn, text stands in front of calls
                }
                _texts.AddRange(content.Parts);
                break;
            case "user":
                EndTurn();
                _messages.Add(new Message.User(content));
                break;
            case "system" or "developer":
                EndTurn();
                Message.System.Append(_messages, content);
                break;
            default:
                throw item.Unknown("role", "user, assistant, system or developer", role);
        }
    }

    private void AddReasoning(JsonFields item)
    {
        if (_texts.Count > 0 || _calls.Count > 0)
        {
            EndTurn();
        }
        foreach (JsonFields part in item.Objects("content"))
        {
            part.String("type");
            _reasoning.Append(part.String("text") ?? throw part.Missing("text", "a string"));
        }
        if (item.Objects("summary").Count > 0)
        {
            ignored.Add("input.summary");
        }
        if (item.String("encrypted_content") is not null)
        {
            ignored.Add("input.encrypted_content");
        }
    }

    private static ToolCall Call(JsonFields item, string type)
    {
        string id = item.String("call_id") ?? throw item.Missing("call_id", "the id of the call");
        string name = ResponsesTools.NameOf(FunctionTool.Name(item, "name"), item.String("namespace"));
        if (type == "custom_tool_call")
        {
            string input = item.String("input") ?? throw item.Missing("input", "a text");
            return new ToolCall(id, name, JsonText.Of(json => json.WriteString(ResponsesTools.Input, input)));
        }
        return new ToolCall(id, name, item.String("arguments") is { Length: > 0 } arguments ? arguments : "{}");
    }

    /// <summary>Ends the model's turn, if there is one.</summary>
    private bool EndTurn()
    {
        if (_reasoning.Length == 0 && _texts.Count == 0 && _calls.Count == 0)
        {
            return false;
        }
        _messages.Add(new Message.Assistant(new MessageContent([.. _texts])) { Reasoning = _reasoning.ToString(), ToolCalls = [.. _calls] });
        _reasoning.Clear();
        _texts.Clear();
        _calls.Clear();
        return true;
    }

    private MessageContent Content(JsonFields item, string field, bool isOutput)
    {
        switch (item.Any(field))
        {
            case null:
                return MessageContent.Empty;
            case { ValueKind: JsonValueKind.String }:
                return item.String(field)!;                                               // its kind is a string
            case { ValueKind: not JsonValueKind.Array } other:
                throw item.Wrong(field, "a text or an array of parts", other);
            default:
                return new MessageContent([.. item.Objects(field).Select(part => Part(part, isOutput))]);
        }
    }

    private ContentPart Part(JsonFields part, bool isOutput)
    {
        string type = part.String("type") ?? throw part.Missing("type", "input_text");
        switch (type)
        {
            case "input_text" or "output_text" or "text":
                return new ContentPart.Text(part.String("text") ?? throw part.Missing("text", "a string"));
            case "refusal":
                return new ContentPart.Text(part.String("refusal") ?? throw part.Missing("refusal", "a string"));
            case not null when isOutput:
                // Refusing it would end every conversation in which a tool has once read a picture; the template names it to the model.
                ignored.Add("input.output." + type);
                return new ContentPart.Unsupported(type);
            default:
                throw new RequestErrorException(
                    ErrorReason.Invalid,
                    $"{part.PathOf("type")}: expected text, found {type}; the model reads text only. Send what it says as text.",
                    part.PathOf("type"));
        }
    }
}
