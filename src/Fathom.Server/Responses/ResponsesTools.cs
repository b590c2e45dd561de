using System.Text.Json;
using Fathom.Grammars;
using Fathom.Prompts;

namespace Fathom.Server.Responses;

/// <summary>A tool as the client knows it.</summary>
/// <param name="Name">within its namespace</param>
/// <param name="Namespace">null for none</param>
/// <param name="IsCustom">whether its input is a text and no object</param>
internal sealed record OfferedTool(string Name, string? Namespace, bool IsCustom);

/// <summary>
/// The tools of a Responses request. Tools of a namespace stand in the prompt under its name and theirs; those whose input is a text have one parameter for
/// it.
/// </summary>
internal sealed class ResponsesTools
{
    /// <summary>The parameter of a tool whose input is a text.</summary>
    public const string Input = "input";

    private const string InputSchema = """{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}""";

    private readonly Dictionary<string, (OfferedTool Offered, Tool Shown, CallSchema Schema)> _byName = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    private ResponsesTools()
    {
    }

    /// <summary>The tools as the prompt shows them, in the client's order.</summary>
    public IReadOnlyList<Tool> Functions => [.. _names.Select(name => _byName[name].Shown)];

    /// <summary>Their schemas.</summary>
    public IReadOnlyList<CallSchema> Schemas => [.. _names.Select(name => _byName[name].Schema)];

    /// <summary>The tools of a body.</summary>
    /// <param name="fields">of the body</param> <param name="ignored">gets the names of fields that have no effect</param>
    /// <exception cref="RequestErrorException">a tool breaks a rule</exception>
    public static ResponsesTools Read(JsonFields fields, SortedSet<string> ignored)
    {
        var tools = new ResponsesTools();
        tools.Read(fields, scope: null, ignored);
        return tools;
    }

    /// <summary>The name in the prompt.</summary>
    public static string NameOf(string name, string? scope) => string.IsNullOrEmpty(scope) ? name : scope.EndsWith('_') ? scope + name : $"{scope}__{name}";

    /// <summary>Whether a name of the prompt is one of the tools.</summary>
    public bool Contains(string name) => _byName.ContainsKey(name);

    /// <summary>The tool of a name in the prompt. A model may call what nobody offers: that is a function.</summary>
    public OfferedTool Find(string name) => _byName.TryGetValue(name, out var found) ? found.Offered : new OfferedTool(name, Namespace: null, IsCustom: false);

    /// <summary>Leaves only the tools of some names.</summary>
    public void Keep(IReadOnlySet<string> names) => _names.RemoveAll(name => !names.Contains(name));

    private void Read(JsonFields fields, string? scope, SortedSet<string> ignored)
    {
        IReadOnlyList<JsonFields> all = fields.Objects("tools");
        for (int i = 0; i < all.Count; i++)
        {
            switch (all[i].String("type"))
            {
                case "function":
                    AddFunction(all[i], scope, ignored);
                    break;
                case "custom":
                    AddCustom(all[i], scope);
                    break;
                case "namespace" when scope is null:
                    all[i].String("description");
                    Read(all[i], FunctionTool.Name(all[i], "name"), ignored);
                    break;
                case null:
                    throw all[i].Missing("type", "function");
                default:
                    // A kind that a client merely offers is no reason to refuse it.
                    ignored.Add(fields.PathOf($"tools.{i}"));
                    break;
            }
        }
    }

    private void AddFunction(JsonFields tool, string? scope, SortedSet<string> ignored)
    {
        string name = FunctionTool.Name(tool, "name");
        JsonElement? parameters = tool.Object("parameters")?.Json;
        Tool shown = Tool.Of(NameOf(name, scope), tool.String("description"), parameters?.GetRawText());
        Add(tool, new OfferedTool(name, scope, IsCustom: false), shown, parameters, tool.Boolean("strict") ?? false);
        tool.Boolean("defer_loading");
        ignored.UnionWith(tool.Unasked.Select(unknown => "tools." + unknown[(unknown.LastIndexOf('.') + 1)..]));
    }

    private void AddCustom(JsonFields tool, string? scope)
    {
        string name = FunctionTool.Name(tool, "name");
        string? description = tool.String("description");
        JsonFields? format = tool.Object("format");
        if (format?.String("type") is "grammar")
        {
            // What the client holds the input to; the model has to know it.
            description = $"{description}\n\nGrammar of the input ({format.String("syntax")}):\n{format.String("definition")}".TrimStart();
        }
        Tool shown = Tool.Of(NameOf(name, scope), description, InputSchema);
        Add(tool, new OfferedTool(name, scope, IsCustom: true), shown, JsonElement.Parse(InputSchema), isStrict: false);
    }

    private void Add(JsonFields tool, OfferedTool offered, Tool shown, JsonElement? parameters, bool isStrict)
    {
        string name = NameOf(offered.Name, offered.Namespace);
        if (!_byName.TryAdd(name, (offered, shown, new CallSchema(name, parameters, isStrict))))
        {
            throw new RequestErrorException(
                ErrorReason.Invalid, $"{tool.PathOf("name")}: expected every name once, found {name} twice.", tool.PathOf("name"));
        }
        _names.Add(name);
    }

    /// <summary>The input of a call whose input is a text.</summary>
    /// <param name="arguments">JSON text of an object with the one parameter</param>
    public static string InputOf(string arguments)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(arguments);
            bool isText = document.RootElement.TryGetProperty(Input, out JsonElement input) && input.ValueKind == JsonValueKind.String;
            return isText ? input.GetString()! : arguments;                               // its kind is a string
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return arguments;                                                             // the model wrote something else
        }
    }
}
