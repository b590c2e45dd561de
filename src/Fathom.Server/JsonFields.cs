using System.Globalization;
using System.Text.Json;

namespace Fathom.Server;

/// <summary>
/// The fields of a JSON object, each asked for by name, kind and range; a null counts as absent. Remembers which were asked for, so that the others can be
/// told.
/// </summary>
/// <param name="json">an object</param> <param name="path">its place in the body, such as messages[2]; empty for the body itself</param>
internal sealed class JsonFields(JsonElement json, string path)
{
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    /// <summary>The object.</summary>
    public JsonElement Json => json;

    /// <summary>Names of fields that are there and that nobody asked for, with their place.</summary>
    public IEnumerable<string> Unasked => json.EnumerateObject().Select(property => property.Name).Where(name => !_asked.Contains(name)).Select(PathOf);

    /// <summary>A value for people.</summary>
    public static string NameOf(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };

    /// <summary>The place of a field.</summary>
    public string PathOf(string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>Any value, or null if it is absent.</summary>
    public JsonElement? Any(string name)
    {
        _asked.Add(name);
        return json.TryGetProperty(name, out JsonElement value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) ? value : null;
    }

    /// <summary>A string, or null.</summary>
    public string? String(string name) => Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? Text(value, PathOf(name)) : throw Wrong(name, "a string", value);

    /// <summary>A boolean, or null.</summary>
    public bool? Boolean(string name) => Any(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false", value);

    /// <summary>A whole number within bounds, or null.</summary>
    public int? Integer(string name, int least, int most = int.MaxValue)
    {
        if (Number(name, least, most) is not { } value)
        {
            return null;
        }
        return value == Math.Truncate(value) ? (int)value : throw new RequestErrorException(
            ErrorReason.Invalid, string.Create(CultureInfo.InvariantCulture, $"{PathOf(name)}: expected a whole number, found {value}."), PathOf(name));
    }

    /// <summary>A number within bounds, or null.</summary>
    public double? Number(string name, double least, double most)
    {
        if (Any(name) is not { } element)
        {
            return null;
        }
        if (element.ValueKind != JsonValueKind.Number || !element.TryGetDouble(out double value))
        {
            throw Wrong(name, "a number", element);
        }
        return value >= least && value <= most ? value : throw new RequestErrorException(
            ErrorReason.OutOfRange, string.Create(CultureInfo.InvariantCulture, $"{PathOf(name)}: expected {least} to {most}, found {value}."), PathOf(name));
    }

    /// <summary>An object, or null.</summary>
    public JsonFields? Object(string name) => Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new JsonFields(value, PathOf(name)) : throw Wrong(name, "an object", value);

    /// <summary>The elements of an array; none if it is absent.</summary>
    public IReadOnlyList<JsonElement> Array(string name) => Any(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw Wrong(name, "an array", value);

    /// <summary>The objects of an array; none if it is absent.</summary>
    public IReadOnlyList<JsonFields> Objects(string name) => [.. Array(name).Select((element, i) =>
        element.ValueKind == JsonValueKind.Object ? new JsonFields(element, $"{PathOf(name)}[{i}]") : throw Wrong($"{name}[{i}]", "an object", element))];

    /// <summary>The strings of an array, or the one string; none if it is absent.</summary>
    public IReadOnlyList<string> Strings(string name) => Any(name) is { ValueKind: JsonValueKind.String } one ? [Text(one, PathOf(name))]
        : [.. Array(name).Select((element, i) => element.ValueKind == JsonValueKind.String ? Text(element, $"{PathOf(name)}[{i}]") : throw Wrong($"{name}[{i}]", "a string", element))];

    /// <summary>A field that has to be there.</summary>
    public RequestErrorException Missing(string name, string expected) => new(ErrorReason.Invalid, $"{PathOf(name)}: expected {expected}, found "
        + $"none.", PathOf(name));

    /// <summary>A value of the wrong kind.</summary>
    public RequestErrorException Wrong(string name, string expected, JsonElement found) =>
        new(ErrorReason.Invalid, $"{PathOf(name)}: expected {expected}, found {NameOf(found.ValueKind)}.", PathOf(name));

    /// <summary>A word that is not one of those expected.</summary>
    public RequestErrorException Unknown(string name, string expected, string found) =>
        new(ErrorReason.Invalid, $"{PathOf(name)}: expected {expected}, found \"{(found.Length > 64 ? found[..64] + "…" : found)}\".", PathOf(name));

    // Half of a surrogate pair, or bytes that are no UTF-8.
    private static string Text(JsonElement value, string place)
    {
        try
        {
            return value.GetString()!;                                                    // its kind is a string
        }
        catch (InvalidOperationException)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"{place}: expected well-formed Unicode, found a part of a character. Was it cut in "
                + $"the middle?", place);
        }
    }
}
