using System.Text.Json;
using Fathom.Engine;

namespace Fathom.Grammars;

/// <summary>Resolves the references and choices of a schema, and refuses what cannot be enforced.</summary>
internal sealed class SchemaReader(JsonElement root)
{
    private const int DepthMax = 128;
    private const int LeavesMax = 1000;

    /// <summary>What a value of a schema may be.</summary>
    /// <param name="schema">a schema of the root</param> <param name="path">its path</param>
    /// <exception cref="RequestException">the schema cannot be enforced; the message says where and why</exception>
    public List<SchemaLeaf> Leaves(JsonElement schema, string path)
    {
        var leaves = new List<SchemaLeaf>();
        Collect(schema, path, leaves, [], [], 0);
        return leaves;
    }

    /// <summary>The values of an enum or const that have the schema's type.</summary>
    public static List<JsonElement> Constants(JsonElement schema, string path)
    {
        if (schema.TryGetProperty("enum", out JsonElement several) && several.ValueKind != JsonValueKind.Array)
            throw new RequestException($"{path}/enum: expected an array of values, found {SchemaKeywords.Start(several)}.");
        List<JsonElement> values = schema.TryGetProperty("const", out JsonElement one) ? [one] : [.. several.EnumerateArray()];
        if (schema.TryGetProperty("type", out _))
        {
            string[] types = Types(schema, path);
            values.RemoveAll(value => !types.Any(type => Fits(value, type)));
        }

        return values.Count > 0 ? values : throw new RequestException(
            $"{path}: expected an enum or const with a value of the schema's type, found none. Then no value fits.");
    }

    private void Collect(JsonElement schema, string path, List<SchemaLeaf> leaves, HashSet<string> open, HashSet<string> done, int depth)
    {
        if (depth > DepthMax || leaves.Count > LeavesMax)
            throw new RequestException($"{path}: expected at most {LeavesMax} choices, {DepthMax} deep, found more. Simplify the schema.");
        if (schema.ValueKind == JsonValueKind.True)
        {
            leaves.Add(new SchemaLeaf(SchemaKind.Any, schema, path));
            return;
        }

        if (schema.ValueKind != JsonValueKind.Object)
            throw new RequestException($"{path}: expected a schema, which is an object or true, found {SchemaKeywords.Start(schema)}.");
        if (schema.TryGetProperty("$ref", out JsonElement reference))
            CollectReference(schema, path, reference, leaves, (open, done), depth);
        else if (schema.TryGetProperty("anyOf", out JsonElement choices))
            CollectChoices(schema, path, "anyOf", choices, leaves, (open, done), depth);
        else if (schema.TryGetProperty("allOf", out JsonElement parts))
            CollectChoices(schema, path, "allOf", parts, leaves, (open, done), depth);
        else if (schema.TryGetProperty("const", out _) || schema.TryGetProperty("enum", out _))
            CollectConstants(schema, path, leaves);
        else
            CollectTypes(schema, path, leaves);
    }

    private void CollectReference(
        JsonElement schema, string path, JsonElement reference, List<SchemaLeaf> leaves, (HashSet<string> Open, HashSet<string> Done) seen, int depth)
    {
        SchemaKeywords.Check(schema, path, [], "$ref");
        string target = reference.ValueKind == JsonValueKind.String ? reference.GetString()! : SchemaKeywords.Start(reference);     // a string has text
        if (!seen.Open.Add(target))
        {
            throw new RequestException(
                $"{path}/$ref: expected a reference that leads to a type, found {target}, which leads back to itself. Put an object or array in between.");
        }

        // What a choice reaches twice it allows once.
        if (seen.Done.Add(target))
            Collect(Resolve(target, path), target, leaves, seen.Open, seen.Done, depth + 1);
        seen.Open.Remove(target);
    }

    private void CollectChoices(
        JsonElement schema, string path, string keyword, JsonElement choices, List<SchemaLeaf> leaves, (HashSet<string> Open, HashSet<string> Done) seen, int depth)
    {
        SchemaKeywords.Check(schema, path, [], keyword);
        if (choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0)
            throw new RequestException($"{path}/{keyword}: expected an array of schemas, found {SchemaKeywords.Start(choices)}.");
        if (keyword == "allOf" && choices.GetArrayLength() > 1)
            throw new RequestException($"{path}/allOf: expected a single schema, found {choices.GetArrayLength()}. Write what they say together as one schema.");
        int index = 0;
        foreach (JsonElement choice in choices.EnumerateArray())
            Collect(choice, $"{path}/{keyword}/{index++}", leaves, seen.Open, seen.Done, depth + 1);
    }

    private static void CollectConstants(JsonElement schema, string path, List<SchemaLeaf> leaves)
    {
        SchemaKeywords.Check(schema, path, [], "const", "enum", "type");
        if (schema.TryGetProperty("const", out _) && schema.TryGetProperty("enum", out _))
            throw new RequestException($"{path}: expected either const or enum, found both. Keep one.");
        List<JsonElement> values = Constants(schema, path);
        if (values.Exists(value => value.ValueKind == JsonValueKind.String))
            leaves.Add(new SchemaLeaf(SchemaKind.TextConstant, schema, path));
        if (values.Exists(value => value.ValueKind != JsonValueKind.String))
            leaves.Add(new SchemaLeaf(SchemaKind.Constant, schema, path));
    }

    private static void CollectTypes(JsonElement schema, string path, List<SchemaLeaf> leaves)
    {
        string[] types = schema.TryGetProperty("type", out _) ? Types(schema, path) : SchemaKeywords.Implied(schema) is { } implied ? [implied] : [];
        foreach (string type in types)
            leaves.Add(new SchemaLeaf(SchemaKeywords.KindOf(type, path), schema, path));
        SchemaKeywords.Check(schema, path, types, "type");
        if (types.Length == 0)
            leaves.Add(new SchemaLeaf(SchemaKind.Any, schema, path));
    }

    private static string[] Types(JsonElement schema, string path)
    {
        JsonElement type = schema.GetProperty("type");
        JsonElement[] names = type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray()] : [type];
        if (names.Length == 0 || names.Any(name => name.ValueKind != JsonValueKind.String))
            throw new RequestException($"{path}/type: expected a type's name or an array of names, found {SchemaKeywords.Start(type)}.");
        return [.. names.Select(name => name.GetString()!).Distinct()];        // strings have text
    }

    private static bool Fits(JsonElement value, string type) => value.ValueKind switch
    {
        JsonValueKind.String => type == "string",
        JsonValueKind.Number => type == "number" || type == "integer" && value.TryGetDecimal(out decimal number) && decimal.IsInteger(number),
        JsonValueKind.True or JsonValueKind.False => type == "boolean",
        JsonValueKind.Null => type == "null",
        JsonValueKind.Array => type == "array",
        _ => type == "object",
    };

    private JsonElement Resolve(string target, string path)
    {
        RequestException Lost(string why) =>
            new($"{path}/$ref: expected a place in this schema such as #/$defs/name, found {target}: {why}.");
        if (target != "#" && !target.StartsWith("#/", StringComparison.Ordinal))
            throw Lost("it begins otherwise");
        JsonElement at = root;
        foreach (string part in target.Split('/').Skip(1))
        {
            string name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            bool found = at.ValueKind switch
            {
                JsonValueKind.Object => at.TryGetProperty(name, out at),
                JsonValueKind.Array when int.TryParse(name, out int index) && index >= 0 && index < at.GetArrayLength() => (at = at[index]).ValueKind != JsonValueKind.Undefined,
                _ => false,
            };
            if (!found)
                throw Lost($"there is no {name}");
        }

        return at;
    }
}
