using System.Text.Json;
using Fathom.Model;
using static System.FormattableString;

namespace Fathom.Checkpoints;

/// <summary>The keys of one JSON object: typed reading with errors that say where, and a record of which keys nobody asked for.</summary>
internal sealed class ConfigKeys
{
    private readonly Dictionary<string, JsonElement> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private readonly List<ConfigKeys> _children = [];
    private readonly string _prefix;
    private readonly string _file;

    public ConfigKeys(JsonElement element, string file, string prefix = "")
    {
        _file = file;
        _prefix = prefix;
        foreach (JsonProperty property in element.EnumerateObject())
        {
            _values[property.Name] = property.Value;
        }
    }

    /// <summary>Whether the key is there with another value than null.</summary>
    public bool Has(string key) => _values.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Declares that the keys, if present, make no difference to the model.</summary>
    public void Accept(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            _read.Add(key);
        }
    }

    /// <summary>Every key that was neither read nor accepted, sorted.</summary>
    public IEnumerable<string> Unread() => _values.Keys.Where(key => !_read.Contains(key)).Select(key => _prefix + key)
        .Concat(_children.SelectMany(child => child.Unread())).Order(StringComparer.Ordinal);

    public int Int(string key)
    {
        JsonElement value = Value(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number)
            ? number
            : throw Wrong(key, "a whole number below 2³¹", Text(value));
    }

    public double Double(string key)
    {
        JsonElement value = Value(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number)
            ? number
            : throw Wrong(key, "a number", Text(value));
    }

    public float Float(string key) => (float)Double(key);

    public bool Bool(string key)
    {
        JsonElement value = Value(key);
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Wrong(key, "true or false", Text(value));
    }

    public string String(string key)
    {
        JsonElement value = Value(key);
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()! // the value is a string
            : throw Wrong(key, "a string", Text(value));
    }

    public IReadOnlyList<int> Ints(string key) => [.. Items(key).Select(item =>
        item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int number) ? number : throw Wrong(key, "whole numbers below 2³¹", Text(item)))];

    public IReadOnlyList<string> Strings(string key) => [.. Items(key).Select(item =>
        item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Wrong(key, "strings", Text(item)))];

    /// <summary>A token id: a number, or a list of one.</summary>
    public int Token(string key)
    {
        if (Value(key).ValueKind != JsonValueKind.Array)
        {
            return Int(key);
        }
        IReadOnlyList<int> ids = Ints(key);
        return ids.Count == 1 ? ids[0] : throw Wrong(key, "one token id", $"a list of {ids.Count}", "Keep the id that ends a reply.");
    }

    public ConfigKeys Object(string key)
    {
        JsonElement value = Value(key);
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(key, "an object", Text(value));
        }
        var child = new ConfigKeys(value, _file, $"{_prefix}{key}.");
        _children.Add(child);
        return child;
    }

    /// <summary>Whether the key holds an object.</summary>
    public bool HasObject(string key) => _values.TryGetValue(key, out JsonElement value) && value.ValueKind == JsonValueKind.Object;

    /// <summary>If the key is there, its value must be the only one that the engine computes.</summary>
    public void Must(string key, string only, string next)
    {
        if (!Has(key))
        {
            Accept(key);
            return;
        }
        JsonElement value = Value(key);
        string found = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText(); // the value is a string
        if (!string.Equals(found, only, StringComparison.Ordinal))
        {
            throw Wrong(key, only, Text(value), next);
        }
    }

    /// <summary>Two keys that say the same thing must agree.</summary>
    public void Agree<T>(string key, T value, string otherKey, T other)
    {
        if (!EqualityComparer<T>.Default.Equals(value, other))
        {
            throw Wrong(key, Invariant($"{other}, as {otherKey} says"), Invariant($"{value}"), "Remove the key that is wrong.");
        }
    }

    public ModelConfigException Wrong(string key, string expected, string found, string next = "Compare the file with the published one.") =>
        new($"{_prefix}{key}: expected {expected}, found {found} in {_file}. {next}");

    private JsonElement Value(string key)
    {
        _read.Add(key);
        return _values.TryGetValue(key, out JsonElement value) ? value : throw Wrong(key, "a value", "no such key",
            "A guess would load and then compute nonsense; copy the value from the published file.");
    }

    private JsonElement.ArrayEnumerator Items(string key)
    {
        JsonElement value = Value(key);
        return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw Wrong(key, "a list", Text(value));
    }

    private static string Text(JsonElement value)
    {
        const int LengthMax = 60;
        string text = value.GetRawText();
        return text.Length <= LengthMax ? text : $"{text.AsSpan(0, LengthMax)}…";
    }
}
