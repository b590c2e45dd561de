namespace Fathom.Prompts;

/// <summary>Writes tool schemas and tool calls in DeepSeek's markup. Nothing is escaped: the model was trained so.</summary>
internal static class ToolCallText
{
    /// <summary>The list of functions after a system or developer text.</summary>
    public static void WriteTools(PromptWriter output, IReadOnlyList<Tool> tools)
    {
        if (tools.Count == 0)
            return;
        output.Protocol("\n\n" + ProtocolTexts.ToolsHead);
        for (int i = 0; i < tools.Count; i++)
        {
            if (i > 0)
                output.Protocol("\n");
            output.Content(Schema(output, $"tools[{i}]", tools[i].FunctionJson).Write());
        }
        output.Protocol(ProtocolTexts.ToolsTail);
    }

    /// <summary>The schema a reply must follow, after the tools.</summary>
    public static void WriteResponseFormat(PromptWriter output, string? json)
    {
        if (json is null || Schema(output, "response_format", json) is not { IsFalsy: false } schema)
            return;
        output.Protocol("\n\n" + ProtocolTexts.ResponseFormatHead);
        output.Content(schema.Write());
    }

    /// <summary>The block of calls that ends an assistant turn.</summary>
    public static void WriteCalls(PromptWriter output, IReadOnlyList<ToolCall> calls)
    {
        if (calls.Count == 0)
            return;
        output.Protocol("\n\n" + ProtocolTexts.ToolCallsOpen);
        for (int i = 0; i < calls.Count; i++)
        {
            output.Protocol((i > 0 ? "\n" : "") + ProtocolTexts.InvokeOpen);
            output.Content(calls[i].Name);
            output.Protocol(ProtocolTexts.InvokeOpenEnd);
            WriteParameters(output, Arguments(output, i, calls[i]));
            output.Protocol(ProtocolTexts.InvokeClose);
        }
        output.Protocol(ProtocolTexts.ToolCallsClose);
    }

    /// <summary>The beginning of a block of calls, up to the name of the first function, or behind it where that is known.</summary>
    public static string Opening(string? name) =>
        "\n\n" + ProtocolTexts.ToolCallsOpen + ProtocolTexts.InvokeOpen + (name is null ? "" : name + ProtocolTexts.InvokeOpenEnd);

    private static void WriteParameters(PromptWriter output, OrderedDictionary<string, PythonJson> arguments)
    {
        bool first = true;
        foreach ((string key, PythonJson value) in arguments)
        {
            output.Protocol((first ? "" : "\n") + ProtocolTexts.ParameterOpen);
            output.Content(key);
            output.Protocol(value is PythonJson.Text ? ProtocolTexts.ParameterString : ProtocolTexts.ParameterJson);
            output.Content(value is PythonJson.Text text ? text.Value : value.Write());
            output.Protocol(ProtocolTexts.ParameterClose);
            first = false;
        }
    }

    private static OrderedDictionary<string, PythonJson> Arguments(PromptWriter output, int index, ToolCall call)
    {
        PythonJson value;
        try
        {
            value = PythonJson.Parse(call.Arguments);
        }
        catch (FormatException)
        {
            // The model once wrote this text, and it must see it again: DeepSeek's encoder passes it on as one string.
            return new() { ["arguments"] = new PythonJson.Text(call.Arguments) };
        }
        return value is PythonJson.Map map ? map.Entries : throw new PromptException(
            $"{output.Where}.tool_calls[{index}] ({call.Name}): expected arguments to be a JSON object, found {PythonJson.QuoteStart(call.Arguments)}; "
            + "wrap the values in an object.");
    }

    private static PythonJson Schema(PromptWriter output, string what, string json)
    {
        try
        {
            return PythonJson.Parse(json);
        }
        catch (FormatException e)
        {
            throw new PromptException(
                $"{output.Where}.{what}: expected JSON, found {PythonJson.QuoteStart(json)} ({e.Message}); check how the schema was written.", e);
        }
    }
}
