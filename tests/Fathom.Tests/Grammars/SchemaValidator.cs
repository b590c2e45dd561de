using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Fathom.Tests.Grammars;

/// <summary>Says whether a value fits a JSON schema, straight from the specification, for the keywords that grammars enforce.</summary>
internal static class SchemaValidator
{
    public static bool Fits(JsonElement value, JsonElement schema, JsonElement root)
    {
        if (schema.ValueKind == JsonValueKind.True)
            return true;
        if (schema.TryGetProperty("$ref", out JsonElement reference))
            return Fits(value, Resolve(root, reference.GetString()!), root);
        return (!schema.TryGetProperty("anyOf", out JsonElement some) || some.EnumerateArray().Any(one => Fits(value, one, root)))
            && (!schema.TryGetProperty("allOf", out JsonElement all) || all.EnumerateArray().All(one => Fits(value, one, root)))
            && (!schema.TryGetProperty("const", out JsonElement constant) || JsonElement.DeepEquals(constant, value))
            && (!schema.TryGetProperty("enum", out JsonElement values) || values.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value)))
            && (!schema.TryGetProperty("type", out JsonElement type) || HasType(value, type)) && FitsKeywords(value, schema, root);
    }

    private static bool FitsKeywords(JsonElement value, JsonElement schema, JsonElement root) => value.ValueKind switch
    {
        JsonValueKind.Object => FitsObject(value, schema, root),
        JsonValueKind.Array => value.GetArrayLength() >= Number(schema, "minItems", 0) && value.GetArrayLength() <= Number(schema, "maxItems", int.MaxValue)
            && (!schema.TryGetProperty("items", out JsonElement items) || value.EnumerateArray().All(item => Fits(item, items, root))),
        JsonValueKind.String => FitsText(value.GetString()!, schema),
        JsonValueKind.Number => FitsNumber(value, schema),
        _ => true,
    };

    private static bool FitsObject(JsonElement value, JsonElement schema, JsonElement root)
    {
        if (schema.TryGetProperty("required", out JsonElement required) && !required.EnumerateArray().All(name => value.TryGetProperty(name.GetString()!, out _)))
            return false;
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (schema.TryGetProperty("properties", out JsonElement properties) && properties.TryGetProperty(property.Name, out JsonElement of))
            {
                if (!Fits(property.Value, of, root))
                    return false;
            }
            else if (schema.TryGetProperty("additionalProperties", out JsonElement others)
                && (others.ValueKind == JsonValueKind.False || !Fits(property.Value, others, root)))
            {
                return false;
            }
        }

        return true;
    }

    private static bool FitsText(string text, JsonElement schema)
    {
        int length = text.EnumerateRunes().Count();
        return length >= Number(schema, "minLength", 0) && length <= Number(schema, "maxLength", int.MaxValue)
            && (!schema.TryGetProperty("pattern", out JsonElement pattern) || Regex.IsMatch(InUnits(text), pattern.GetString()!, RegexOptions.CultureInvariant))
            && (!schema.TryGetProperty("format", out JsonElement format) || HasFormat(text, format.GetString()!));
    }

    // .NET's expressions count halves of surrogate pairs; schemas count characters.
    private static string InUnits(string text) => string.Concat(text.EnumerateRunes().Select(rune => rune.IsBmp ? rune.ToString() : "\uE000"));

    private static bool FitsNumber(JsonElement value, JsonElement schema)
    {
        if (!value.TryGetDecimal(out decimal number))
            return !NumberNames.Any(name => schema.TryGetProperty(name, out _));
        return number >= Number(schema, "minimum", decimal.MinValue) && number <= Number(schema, "maximum", decimal.MaxValue)
            && (!schema.TryGetProperty("exclusiveMinimum", out JsonElement above) || number > above.GetDecimal())
            && (!schema.TryGetProperty("exclusiveMaximum", out JsonElement below) || number < below.GetDecimal())
            && number % Number(schema, "multipleOf", 0.000_000_000_000_000_001m) == 0;
    }

    private static readonly string[] NumberNames = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

    public static bool HasFormat(string text, string format) => format switch
    {
        "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", out _),
        "time" => DateTimeOffset.TryParse("2000-01-01T" + text, CultureInfo.InvariantCulture, out _) || IsFarZone(text),
        "date-time" => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, out _) || IsFarZone(text[11..]) && DateOnly.TryParseExact(text[..10], "yyyy-MM-dd", out _)
            || text.StartsWith("0001-01-01", StringComparison.Ordinal) || text.StartsWith("9999-12-31", StringComparison.Ordinal),
        "email" => System.Net.Mail.MailAddress.TryCreate(text, out System.Net.Mail.MailAddress? address) && address.Address == text,
        "hostname" => Uri.CheckHostName(text) is UriHostNameType.Dns or UriHostNameType.IPv4 && text.Length <= 253,
        "ipv4" => IPAddress.TryParse(text, out IPAddress? four) && four.ToString() == text,
        "ipv6" => IPAddress.TryParse(text, out IPAddress? six) && six.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6,
        "uuid" => Guid.TryParseExact(text, "D", out _),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "no such format"),
    };

    // .NET knows zones up to 14 hours; RFC 3339 knows them up to 23:59.
    private static bool IsFarZone(string time) =>
        Regex.IsMatch(time, "[+-](1[4-9]|2[0-3]):[0-5][0-9]$") && TimeOnly.TryParse(time[..8], CultureInfo.InvariantCulture, out _);

    private static bool HasType(JsonElement value, JsonElement type) => type.ValueKind == JsonValueKind.Array
        ? type.EnumerateArray().Any(one => HasType(value, one))
        : value.ValueKind switch
        {
            JsonValueKind.Object => type.ValueEquals("object"),
            JsonValueKind.Array => type.ValueEquals("array"),
            JsonValueKind.String => type.ValueEquals("string"),
            JsonValueKind.Null => type.ValueEquals("null"),
            JsonValueKind.Number => type.ValueEquals("number") || type.ValueEquals("integer") && value.TryGetDecimal(out decimal number) && decimal.IsInteger(number),
            _ => type.ValueEquals("boolean"),
        };

    private static decimal Number(JsonElement schema, string keyword, decimal absent) =>
        schema.TryGetProperty(keyword, out JsonElement value) ? value.GetDecimal() : absent;

    private static JsonElement Resolve(JsonElement root, string pointer) =>
        pointer.Split('/').Skip(1).Aggregate(root, (at, name) => at.GetProperty(name));
}
