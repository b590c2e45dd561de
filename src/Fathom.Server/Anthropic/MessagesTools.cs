using Fathom.Grammars;
using Fathom.Prompts;

namespace Fathom.Server.Anthropic;

/// <summary>The tools of a Messages request, and whether they are to be called.</summary>
/// <param name="Functions">as the prompt shows them</param> <param name="Calls">whether any must be called</param> <param name="CallName">which one</param>
/// <param name="OneCall">whether only one call is wanted</param>
internal sealed record MessagesTools(IReadOnlyList<Tool> Functions, CallChoice Calls, string? CallName, bool OneCall)
{
    /// <summary>Whether a tool is marked for the cache.</summary>
    public bool MarksCache { get; private init; }

    /// <summary>What holds calls to the schemas.</summary>
    public required CallGrammars Grammars { get; init; }

    /// <summary>The tools of a body.</summary>
    /// <param name="fields">of the body</param> <param name="ignored">gets the names of fields that have no effect</param>
    /// <exception cref="RequestErrorException">a tool or the choice breaks a rule</exception>
    public static MessagesTools Read(JsonFields fields, SortedSet<string> ignored)
    {
        var tools = new List<Tool>();
        var schemas = new List<CallSchema>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        bool marksCache = false;
        IReadOnlyList<JsonFields> all = fields.Objects("tools");
        for (int i = 0; i < all.Count; i++)
        {
            JsonFields tool = all[i];
            marksCache |= MessagesContent.MarksCache(tool);
            // Tools that Anthropic's servers would run: one that a client merely offers is no reason to refuse it.
            if (tool.String("type") is not (null or "custom"))
            {
                ignored.Add($"tools.{i}");
                continue;
            }
            string name = FunctionTool.Name(tool, "name");
            if (!names.Add(name))
            {
                throw new RequestErrorException(
                    ErrorReason.Invalid, $"{tool.PathOf("name")}: expected every name once, found {name} twice.", tool.PathOf("name"));
            }
            JsonFields schema = tool.Object("input_schema") ?? throw tool.Missing("input_schema", "a JSON schema of the input");
            schemas.Add(new CallSchema(name, schema.Json, tool.Boolean("strict") ?? false));
            tools.Add(Tool.Of(name, tool.String("description"), schema.Json.GetRawText()));
            ignored.UnionWith(tool.Unasked.Select(unknown => "tools." + unknown[(unknown.LastIndexOf('.') + 1)..]));
        }
        (CallChoice calls, string? callName, bool oneCall) = Choice(fields, names);
        return new MessagesTools(tools, calls, callName, oneCall) { MarksCache = marksCache, Grammars = CallFields.Grammars(schemas, calls, callName) };
    }

    private static (CallChoice Calls, string? Name, bool OneCall) Choice(JsonFields fields, HashSet<string> names)
    {
        if (fields.Object("tool_choice") is not { } choice)
        {
            return (CallChoice.Free, null, false);
        }
        string type = choice.String("type") ?? throw choice.Missing("type", "auto, any, tool or none");
        string? name = choice.String("name");
        bool oneCall = choice.Boolean("disable_parallel_tool_use") ?? false;
        switch (type)
        {
            case "auto":
                return (CallChoice.Free, null, oneCall);
            case "none":
                return (CallChoice.None, null, oneCall);
            case "any" or "tool" when names.Count == 0:
                throw new RequestErrorException(ErrorReason.Invalid, $"tool_choice: expected tools beside \"{type}\", found none.", "tool_choice");
            case "any":
                return (CallChoice.Required, null, oneCall);
            case "tool" when name is null:
                throw choice.Missing("name", "the name of one of the tools");
            case "tool":
                return names.Contains(name) ? (CallChoice.Required, name, oneCall) : throw choice.Unknown("name", "the name of one of the tools", name);
            default:
                throw choice.Unknown("type", "auto, any, tool or none", type);
        }
    }
}
