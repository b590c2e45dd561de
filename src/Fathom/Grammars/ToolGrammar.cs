using System.Text.Json;
using Fathom.Engine;
using Fathom.Prompts;

namespace Fathom.Grammars;

/// <summary>Makes grammars of tool calls in DeepSeek's markup.</summary>
/// <remarks>
/// A call names one of the tools and gives the parameters of its schema in their order, the required ones always and no others. Strings stand as
/// they are, up to the closing tag; they have no control characters but tabs and line ends, and where a length or pattern bounds them no
/// fullwidth bar. Other values are JSON. What holds for schemas in <see cref="JsonGrammar"/> holds here.
/// </remarks>
public static class ToolGrammar
{
    /// <summary>What a block of calls begins with: the mark behind which <see cref="Block"/> holds a reply.</summary>
    public const string Opening = $"\n\n<{ProtocolTokens.Dsml}";

    /// <summary>The rest of a block of calls behind <see cref="Opening"/>, and the end of the reply.</summary>
    /// <param name="tools">names and schemas of the parameters</param>
    /// <exception cref="RequestException">there is no tool, or a schema cannot be enforced: the message names the tool and the place in the schema</exception>
    public static Grammar Block(IReadOnlyList<(string Name, JsonElement Parameters)> tools) => Of(tools, ProtocolTexts.ToolCallsOpen[$"<{ProtocolTokens.Dsml}".Length..]);

    /// <summary>A reply that is a block of calls from its beginning.</summary>
    /// <param name="tools">names and schemas of the parameters</param>
    /// <exception cref="RequestException">there is no tool, or a schema cannot be enforced: the message names the tool and the place in the schema</exception>
    public static Grammar Reply(IReadOnlyList<(string Name, JsonElement Parameters)> tools) => Of(tools, "\n\n" + ProtocolTexts.ToolCallsOpen);

    private static Grammar Of(IReadOnlyList<(string Name, JsonElement Parameters)> tools, string opening)
    {
        ArgumentNullException.ThrowIfNull(tools);
        if (tools.Count == 0)
            throw new RequestException("tools: expected at least one, found none. A call needs a tool.");
        var builder = new GrammarBuilder();
        var json = new JsonFragments(builder);
        int rule = builder.NewRule("tools"), call = builder.NewPosition(), behind = builder.NewPosition();
        builder.AddSkip(builder.AddProtocol(builder.Start(rule), opening), call);
        int named = builder.AddProtocol(call, ProtocolTexts.InvokeOpen);
        var names = new HashSet<string>();
        foreach ((string name, JsonElement parameters) in tools)
        {
            if (!names.Add(name))
                throw new RequestException($"tools: expected each name once, found {name} twice.");
            try
            {
                Add(builder, json, named, name, parameters, behind);
            }
            catch (RequestException problem)
            {
                throw new RequestException($"Parameters of the tool {name}: {problem.Message}", problem);
            }
        }

        builder.AddSkip(builder.AddProtocol(behind, "\n"), call);
        builder.AddSkip(builder.AddProtocol(behind, ProtocolTexts.ToolCallsClose), builder.End(rule));
        return builder.Build(rule);
    }

    private static void Add(GrammarBuilder builder, JsonFragments json, int from, string name, JsonElement parameters, int to)
    {
        Require(name, "a tool's name");
        int none = builder.AddProtocol(from, name + ProtocolTexts.InvokeOpenEnd), some = builder.NewPosition();
        var schemas = new SchemaGrammar(builder, json, parameters);
        if (schemas.Leaves(parameters, "#") is not [{ Kind: SchemaKind.Object } leaf])
            throw new RequestException($"#: expected the schema of an object, found {SchemaKeywords.Start(parameters)}.");
        foreach ((string key, JsonElement schema, string path, bool isRequired) in SchemaGrammar.Properties(leaf))
        {
            Require(key, "a parameter's name");
            int open = builder.NewPosition(), behind = builder.NewPosition(), stillNone = builder.NewPosition();
            builder.AddSkip(none, open);
            builder.AddSkip(builder.AddProtocol(some, "\n"), open);
            AddParameter(builder, schemas, builder.AddProtocol(open, ProtocolTexts.ParameterOpen + key), schemas.Leaves(schema, path), behind);
            if (!isRequired)
            {
                builder.AddSkip(none, stillNone);
                builder.AddSkip(some, behind);
            }

            (none, some) = (stillNone, behind);
        }

        int close = builder.NewPosition();
        builder.AddSkip(none, close);
        builder.AddSkip(some, close);
        builder.AddSkip(builder.AddProtocol(close, ProtocolTexts.InvokeClose), to);
        schemas.Complete();
    }

    private static void AddParameter(GrammarBuilder builder, SchemaGrammar schemas, int from, List<SchemaLeaf> leaves, int to)
    {
        (int text, int json, int behind) = (Grammar.None, Grammar.None, builder.NewPosition());
        foreach (SchemaLeaf leaf in leaves)
        {
            if (leaf.Kind is SchemaKind.Text or SchemaKind.TextConstant)
            {
                text = text == Grammar.None ? builder.AddProtocol(from, ProtocolTexts.ParameterString) : text;
                schemas.AddLeaf(text, leaf, Spelling.Markup, behind);
            }
            else
            {
                json = json == Grammar.None ? builder.AddProtocol(from, ProtocolTexts.ParameterJson) : json;
                schemas.AddLeaf(json, leaf, Spelling.Json, behind);
            }
        }

        builder.AddSkip(builder.AddProtocol(behind, ProtocolTexts.ParameterClose), to);
    }

    // Markup escapes nothing: a name that could end its tag would.
    private static void Require(string name, string what)
    {
        if (name.Length == 0 || name.AsSpan().IndexOfAny("\"\n\r") >= 0 || name.Contains(ProtocolTokens.Dsml, StringComparison.Ordinal))
            throw new RequestException($"#: expected {what} without quotes, line ends and {ProtocolTokens.Dsml}, found '{name}'.");
    }
}
