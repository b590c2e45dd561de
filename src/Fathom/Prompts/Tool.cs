using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Fathom.Prompts;

/// <summary>A function the model may call.</summary>
/// <param name="FunctionJson">JSON text of the function object (name, description, parameters…); keys keep their order, unknown keys stay.</param>
public sealed partial record Tool(string FunctionJson)
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A tool of its parts; keys of the parameters keep their order.</summary>
    /// <param name="name">as <see cref="IsName"/> says</param>
    /// <param name="description">null or empty for none</param>
    /// <param name="parameters">JSON text of a schema; null for none</param>
    public static Tool Of(string name, string? description, string? parameters)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(text, s_options))
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            if (!string.IsNullOrEmpty(description))
                json.WriteString("description", description);
            if (parameters is not null)
            {
                json.WritePropertyName("parameters");
                json.WriteRawValue(parameters);
            }
            json.WriteEndObject();
        }
        return new Tool(Encoding.UTF8.GetString(text.WrittenSpan));
    }

    /// <summary>Whether a function may have the name: 1 to 128 letters, digits, underscores and dashes.</summary>
    public static bool IsName(string name) => Pattern().IsMatch(name);

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,128}\z")]
    private static partial Regex Pattern();
}
