using System.Text.Json;
using System.Text.RegularExpressions;
using Fathom.Grammars;
using Fathom.Prompts;

namespace Fathom.Server.OpenAi;

/// <summary>The functions that a request offers, and whether one must be called.</summary>
/// <param name="Tools">as the model reads them</param>
/// <param name="Choice">whether there must, may or must not be a call</param>
/// <param name="Name">of the function to call; null for any</param>
/// <param name="Grammars">what holds calls to the functions' schemas</param>
internal sealed partial record ToolFields(IReadOnlyList<Tool> Tools, CallChoice Choice, string? Name, CallGrammars Grammars)
{
    private const int ToolsMax = 128;

    /// <summary>Reads tools and tool_choice.</summary>
    /// <param name="fields">of the body</param> <param name="ignored">gets the names of tools that have no effect</param>
    /// <exception cref="RequestErrorException">they break a rule</exception>
    public static ToolFields Read(JsonFields fields, ISet<string> ignored)
    {
        var functions = new List<JsonFields>();
        IReadOnlyList<JsonFields> all = fields.Objects("tools");
        for (int i = 0; i < all.Count; i++)
        {
            // A kind that a client merely offers is no reason to refuse it.
            if (all[i].String("type") is not (null or "function"))
            {
                ignored.Add($"tools.{i}");
                continue;
            }
            JsonFields function = all[i].Object("function") ?? throw all[i].Missing("function", "an object with name and parameters");
            RequireName(function, "name", function.String("name"));
            function.String("description");
            functions.Add(function);
        }
        if (functions.Count > ToolsMax)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"tools: expected at most {ToolsMax} functions, found {functions.Count}.", "tools");
        }
        (CallChoice choice, string? name) = ReadChoice(fields, functions);
        CallSchema[] schemas = [.. functions.Select(Schema)];
        Tool[] tools = [.. functions.Select(function => new Tool(function.Json.GetRawText()))];
        return new ToolFields(tools, choice, name, CallFields.Grammars(schemas, choice, name));
    }

    /// <summary>Puts the functions where the model looks for them.</summary>
    /// <exception cref="RequestErrorException">there is no place for them</exception>
    public Conversation Place(Conversation conversation)
    {
        try
        {
            return conversation.WithTools(Tools);
        }
        catch (PromptException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, e.Message, "tools");
        }
    }

    private static (CallChoice Choice, string? Name) ReadChoice(JsonFields fields, List<JsonFields> functions)
    {
        if (fields.Any("tool_choice") is not { } choice)
        {
            return (CallChoice.Free, null);
        }
        if (choice.ValueKind == JsonValueKind.Object)
        {
            JsonFields named = fields.Object("tool_choice")!;                             // it is an object
            named.String("type");
            string? name = named.Object("function")?.String("name");
            RequireName(named, "function.name", name);
            return functions.Exists(function => function.String("name") == name) ? (CallChoice.Required, name)
                : throw new RequestErrorException(ErrorReason.Invalid, $"tool_choice: expected the name of one of the tools, found {name}.", "tool_choice");
        }
        string? word = fields.String("tool_choice");
        return word switch
        {
            "auto" => (CallChoice.Free, null),
            "none" => (CallChoice.None, null),
            "required" or "any" when functions.Count > 0 => (CallChoice.Required, null),
            "required" or "any" => throw new RequestErrorException(ErrorReason.Invalid, $"tool_choice: expected tools beside \"{word}\", found "
                + $"none.", "tool_choice"),
            _ => throw fields.Unknown("tool_choice", "none, auto, required or {\"type\": \"function\", \"function\": {\"name\": …}}", word ?? ""),
        };
    }

    private static CallSchema Schema(JsonFields function) => new(
        function.String("name")!, function.Object("parameters")?.Json, function.Boolean("strict") ?? false);     // the name was checked

    private static void RequireName(JsonFields fields, string field, string? name)
    {
        const int ShownMax = 80;
        if (name is null || !FunctionName().IsMatch(name))
        {
            string found = name is null ? "none" : $"\"{(name.Length > ShownMax ? name[..ShownMax] + "…" : name)}\"";
            throw new RequestErrorException(ErrorReason.Invalid, $"{fields.PathOf(field)}: expected 1 to 64 letters, digits, underscores and dashes, "
                + $"found {found}.", fields.PathOf(field));
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex FunctionName();
}
