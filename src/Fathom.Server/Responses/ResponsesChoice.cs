using System.Text.Json;
using Fathom.Grammars;

namespace Fathom.Server.Responses;

/// <summary>Reads which tools a Responses request wants called. Stateless.</summary>
internal static class ResponsesChoice
{
    private const string Field = "tool_choice";
    private const string Words = "none, auto, required or an object that names a tool";

    /// <summary>The choice of a body. One of a few tools leaves only those.</summary>
    /// <exception cref="RequestErrorException">the choice breaks a rule</exception>
    public static (CallChoice Calls, string? Name) Read(JsonFields fields, ResponsesTools tools)
    {
        if (fields.Any(Field) is not { } choice)
        {
            return (CallChoice.Free, null);
        }
        if (choice.ValueKind != JsonValueKind.Object)
        {
            return (Word(fields, Field, fields.String(Field) ?? "", tools), null);
        }
        JsonFields named = fields.Object(Field)!;                                         // it is an object
        string type = named.String("type") ?? throw named.Missing("type", "function, custom or allowed_tools");
        switch (type)
        {
            case "function" or "custom":
                return (CallChoice.Required, Name(named, tools));
            case "allowed_tools":
                CallChoice calls = Word(named, "mode", named.String("mode") ?? "auto", tools);
                tools.Keep(named.Objects("tools").Select(tool => Name(tool, tools)).ToHashSet(StringComparer.Ordinal));
                return (calls, null);
            default:
                throw named.Unknown("type", "function, custom or allowed_tools", type);
        }
    }

    private static CallChoice Word(JsonFields fields, string field, string word, ResponsesTools tools) => word switch
    {
        "auto" => CallChoice.Free,
        "none" => CallChoice.None,
        "required" when tools.Functions.Count > 0 => CallChoice.Required,
        "required" => throw new RequestErrorException(
            ErrorReason.Invalid, $"{fields.PathOf(field)}: expected tools beside \"required\", found none.", fields.PathOf(field)),
        _ => throw fields.Unknown(field, Words, word),
    };

    private static string Name(JsonFields named, ResponsesTools tools)
    {
        named.String("type");
        string name = ResponsesTools.NameOf(FunctionTool.Name(named, "name"), named.String("namespace"));
        return tools.Contains(name) ? name : throw named.Unknown("name", "the name of one of the tools", name);
    }
}
