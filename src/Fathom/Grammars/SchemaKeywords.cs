using System.Text.Json;
using Fathom.Engine;

namespace Fathom.Grammars;

/// <summary>The keywords of JSON schemas that are known here, and the reading of their values.</summary>
internal static class SchemaKeywords
{
    private static readonly HashSet<string> s_annotations =
    [
        "title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "$def", "definitions", "deprecated", "readOnly", "writeOnly",
    ];

    private static readonly (string Type, SchemaKind Kind, string[] Keywords)[] s_types =
    [
        ("object", SchemaKind.Object, ["properties", "required", "additionalProperties"]),
        ("array", SchemaKind.Array, ["items", "minItems", "maxItems"]),
        ("string", SchemaKind.Text, ["pattern", "format", "minLength", "maxLength"]),
        ("number", SchemaKind.Number, ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
        ("integer", SchemaKind.Integer, ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
        ("boolean", SchemaKind.Boolean, []),
        ("null", SchemaKind.Null, []),
    ];

    /// <summary>The kind of a type's name.</summary>
    public static SchemaKind KindOf(string type, string path)
    {
        foreach ((string name, SchemaKind kind, _) in s_types)
        {
            if (name == type)
                return kind;
        }

        throw new RequestException($"{path}/type: expected {string.Join(", ", s_types.Select(known => known.Type))}, found \"{type}\".");
    }

    /// <summary>The type that a schema without one speaks of by its keywords, or null if it says nothing.</summary>
    public static string? Implied(JsonElement schema)
    {
        foreach ((string type, _, string[] keywords) in s_types)
        {
            if (keywords.Any(keyword => schema.TryGetProperty(keyword, out _)))
                return type;
        }

        return null;
    }

    /// <summary>Refuses keywords that would have no effect: then a reply could break a rule that its reader relies on.</summary>
    /// <param name="schema">an object</param> <param name="path">of the schema</param> <param name="types">that it allows</param>
    /// <param name="others">keywords that its form has</param>
    public static void Check(JsonElement schema, string path, IEnumerable<string> types, params string[] others)
    {
        HashSet<string> known = [.. others, .. types.SelectMany(type => s_types.Single(of => of.Type == type).Keywords)];
        foreach (JsonProperty property in schema.EnumerateObject())
        {
            if (!s_annotations.Contains(property.Name) && !property.Name.StartsWith("x-", StringComparison.Ordinal) && !known.Contains(property.Name))
            {
                string expected = known.Count == 0 ? "no keyword but annotations" : $"no keywords but {string.Join(", ", known)} and annotations";
                throw new RequestException($"{path}: expected {expected}, found {property.Name}, which cannot be enforced here. Leave it out or state it otherwise.");
            }
        }
    }

    /// <summary>A whole number, or another one where the keyword is absent.</summary>
    public static int Count(JsonElement schema, string keyword, int absent, string path)
    {
        if (!schema.TryGetProperty(keyword, out JsonElement value))
            return absent;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count is >= 0 and <= GrammarBuilder.PositionsMax)
            return count;
        throw new RequestException($"{path}/{keyword}: expected a whole number from 0 to {GrammarBuilder.PositionsMax}, found {Start(value)}.");
    }

    /// <summary>The beginning of a value, for messages.</summary>
    public static string Start(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length > 60 ? text[..60] + "…" : text;
    }

    /// <summary>A part of a path, as JSON pointers write it.</summary>
    public static string Escaped(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}
