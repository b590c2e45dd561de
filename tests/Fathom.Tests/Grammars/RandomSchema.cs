using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Fathom.Tests.Grammars;

/// <summary>Makes schemas at random, all of which can be enforced.</summary>
internal sealed class RandomSchema(Random random)
{
    private static readonly string[] s_names = ["a", "ab", "b", "name", "Größe", "with \"quotes\"", "tab\there", "😀", ""];
    private static readonly string[] s_patterns =
    [
        "^[A-Z]{2}-[0-9]{3}$", "^(yes|no|maybe)$", "^a|b$", "\\d", "^[^a-z]{0,4}$", "^\\S+@\\S+$", "^(ab?c){1,3}$", "^.{2,5}$", "^[\\u00e0-\\u00ff\"\\\\]*$", "^\\w+( \\w+){0,2}$",
    ];

    private static readonly string[] s_formats = ["date", "time", "date-time", "email", "hostname", "ipv4", "ipv6", "uuid"];

    public static string Of(int seed)
    {
        var made = new RandomSchema(new Random(seed));
        JsonObject schema = made.Value(depth: 3);
        schema["$defs"] = new JsonObject
        {
            ["tree"] = new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject
                {
                    ["value"] = new JsonObject { ["type"] = "integer" },
                    ["children"] = new JsonObject { ["type"] = "array", ["items"] = Reference("tree"), ["maxItems"] = 3 },
                },
                ["required"] = new JsonArray("value"),
                ["additionalProperties"] = false,
            },
            ["list"] = new JsonObject
            {
                ["anyOf"] = new JsonArray(
                    new JsonObject { ["type"] = "null" },
                    new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["next"] = Reference("list") }, ["required"] = new JsonArray("next") }),
            },
        };
        return schema.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    }

    private static JsonObject Reference(string name) => new() { ["$ref"] = $"#/$defs/{name}" };

    private JsonObject Value(int depth) => random.Next(depth == 0 ? 8 : 12) switch
    {
        0 => new JsonObject { ["type"] = "boolean" },
        1 => new JsonObject { ["type"] = new JsonArray("null", "string") },
        2 => Number("integer"),
        3 => Number("number"),
        4 => Text(),
        5 => new JsonObject { ["enum"] = new JsonArray("x", "xy", "\"", "ü", 1, 12, -1.5, true, null, new JsonArray(1, "b")) },
        6 => new JsonObject { ["const"] = JsonNode.Parse("""{"k": [1, {"m": "n\n"}]}""") },
        7 => Reference(random.Next(2) == 0 ? "tree" : "list"),
        8 => new JsonObject { ["anyOf"] = new JsonArray([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => (JsonNode)Value(depth - 1))]) },
        9 => Array(depth),
        _ => Object(depth),
    };

    private JsonObject Object(int depth)
    {
        string[] names = [.. s_names.Where(_ => random.Next(3) == 0)];
        var schema = new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject(names.Select(name => KeyValuePair.Create(name, (JsonNode?)Value(depth - 1)))),
            ["required"] = new JsonArray([.. names.Where(_ => random.Next(2) == 0).Select(name => (JsonNode)name)]),
        };
        switch (random.Next(4))
        {
            case 0:
                schema["additionalProperties"] = false;
                break;
            case 1:
                schema["additionalProperties"] = true;
                break;
            case 2:
                schema["additionalProperties"] = Value(depth - 1);
                break;
        }

        return schema;
    }

    private JsonObject Array(int depth)
    {
        var schema = new JsonObject { ["type"] = "array" };
        int least = random.Next(3);
        if (random.Next(4) > 0)
            schema["items"] = Value(depth - 1);
        if (random.Next(2) == 0)
            schema["minItems"] = least;
        if (random.Next(2) == 0)
            schema["maxItems"] = least + random.Next(3);
        return schema;
    }

    private JsonObject Text()
    {
        var schema = new JsonObject { ["type"] = "string" };
        switch (random.Next(4))
        {
            case 0:
                schema["pattern"] = s_patterns[random.Next(s_patterns.Length)];
                break;
            case 1:
                schema["format"] = s_formats[random.Next(s_formats.Length)];
                break;
            case 2:
                int least = random.Next(4);
                schema["minLength"] = least;
                schema["maxLength"] = least + random.Next(6);
                break;
        }

        return schema;
    }

    private JsonObject Number(string type)
    {
        var schema = new JsonObject { ["type"] = type };
        decimal scale = type == "integer" ? 1 : 0.25m, low = random.Next(-3000, 3000) * scale, high = low + 1 + random.Next(500);
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = low;
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = high + 1;
        if (random.Next(4) == 0)
            schema["multipleOf"] = type == "integer" ? random.Next(1, 3) : decimal.Parse("0.01", CultureInfo.InvariantCulture);
        return schema;
    }
}
