using System.Text;
using System.Text.Json;

namespace Fathom.Text;

/// <summary>Judges the small sections of tokenizer.json: each must say what this tokenizer does, or nothing.</summary>
internal static class TokenizerSections
{
    private const int QuoteMax = 300;

    /// <summary>The steps of the pre_tokenizer, in the form of <see cref="Describe"/>.</summary>
    private static readonly string[] s_steps =
    [
        """{behavior: "Isolated", invert: false, pattern: {Regex: "\p{N}{1,3}"}, type: "Split"}""",
        """{behavior: "Isolated", invert: false, pattern: {Regex: "[一-龥぀-ゟ゠-ヿ]+"}, type: "Split"}""",
        "{behavior: \"Isolated\", invert: false, pattern: {Regex: \""
            + """[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
            + "\"}, type: \"Split\"}",
        """{add_prefix_space: false, type: "ByteLevel", use_regex: false}""",
    ];

    /// <summary>Null if the section asks for nothing that we don't do; else the sentence that says what it asks.</summary>
    public static string? Refuse(string name, JsonElement value) => name switch
    {
        "truncation" or "padding" or "model.dropout" or "model.unk_token" => Require(name, value, "null", value.ValueKind == JsonValueKind.Null),
        "normalizer" => Require(name, value, "none", IsNothing(value, "normalizers")),
        "pre_tokenizer" => RefusePreTokenizer(value),
        // ByteLevel only trims offsets here; a template would add tokens to every text.
        "post_processor" or "decoder" => Require(name, value, "null or ByteLevel", value.ValueKind == JsonValueKind.Null || IsOfType(value, "ByteLevel")),
        "model.type" => Require(name, value, "\"BPE\"", value.ValueKind == JsonValueKind.String && value.ValueEquals("BPE")),
        "model.continuing_subword_prefix" or "model.end_of_word_suffix" => Require(name, value, "null or \"\"",
            value.ValueKind == JsonValueKind.Null || (value.ValueKind == JsonValueKind.String && value.ValueEquals(""))),
        "model.byte_fallback" or "model.ignore_merges" => Require(name, value, "false", value.ValueKind is JsonValueKind.False or JsonValueKind.Null),
        "model.fuse_unk" => null,       // there is no unknown token
        _ => $"\"{name}\" is not a known section, so what it asks for can't be done. Expected a byte-level BPE tokenizer.json as DeepSeek-V4's.",
    };

    /// <summary>At most a line of a message.</summary>
    public static string Shorten(string text) => text.Length <= QuoteMax ? text : text[..QuoteMax] + "…";

    private static string? Require(string name, JsonElement value, string expected, bool holds) =>
        holds ? null : $"{name}: expected {expected}, found {Shorten(Describe(value))}. Is this a DeepSeek-V4 tokenizer?";

    private static string? RefusePreTokenizer(JsonElement value)
    {
        if (!IsOfType(value, "Sequence") || !value.TryGetProperty("pretokenizers", out JsonElement steps) || steps.ValueKind != JsonValueKind.Array
            || steps.GetArrayLength() != s_steps.Length)
        {
            return $"pre_tokenizer: expected DeepSeek-V4's sequence of {s_steps.Length} steps (three Splits and ByteLevel), "
                + $"found {Shorten(Describe(value))}. Is this a DeepSeek-V4 tokenizer?";
        }

        for (int i = 0; i < s_steps.Length; i++)
        {
            string found = Describe(steps[i]);
            if (found != s_steps[i])
                return $"pre_tokenizer, step {i + 1}: expected {s_steps[i]}, found {Shorten(found)}. Is this a DeepSeek-V4 tokenizer?";
        }

        return null;
    }

    private static bool IsNothing(JsonElement value, string list) => value.ValueKind == JsonValueKind.Null
        || (IsOfType(value, "Sequence") && value.TryGetProperty(list, out JsonElement items)
            && items.ValueKind == JsonValueKind.Array && items.GetArrayLength() == 0);

    private static bool IsOfType(JsonElement value, string type) => value.ValueKind == JsonValueKind.Object
        && value.TryGetProperty("type", out JsonElement found) && found.ValueKind == JsonValueKind.String && found.ValueEquals(type);

    /// <summary>One spelling for equal values: properties by name, line breaks as \r and \n, trim_offsets left out, as it changes no token.</summary>
    private static string Describe(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                var properties = new SortedDictionary<string, string>(StringComparer.Ordinal);
                foreach (JsonProperty property in value.EnumerateObject())
                {
                    if (property.Name != "trim_offsets")
                        properties[property.Name] = Describe(property.Value);
                }

                return $"{{{string.Join(", ", properties.Select(p => $"{p.Key}: {p.Value}"))}}}";
            case JsonValueKind.Array:
                return $"[{string.Join(", ", value.EnumerateArray().Select(Describe))}]";
            case JsonValueKind.String:
                var text = new StringBuilder(value.GetString());
                return $"\"{text.Replace("\r", "\\r").Replace("\n", "\\n")}\"";
            default:
                return value.GetRawText();
        }
    }
}
