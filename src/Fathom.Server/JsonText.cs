using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Fathom.Server;

/// <summary>Makes JSON texts. Stateless.</summary>
internal static class JsonText
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The text of one object.</summary>
    public static string Of(Action<Utf8JsonWriter> members)
    {
        var text = new ArrayBufferWriter<byte>();
        JsonReply.Write(text, members);
        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    /// <summary>A value without blanks and line ends between its signs, so that it fits in a line; null if a text in it holds part of a character.</summary>
    public static string? InOneLine(JsonElement value)
    {
        try
        {
            var text = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(text, s_options))
            {
                value.WriteTo(json);
            }
            return Encoding.UTF8.GetString(text.WrittenSpan);
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
