using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Fathom.Server;

/// <summary>Makes JSON texts. Stateless.</summary>
internal static class JsonText
{
    /// <summary>The text of one object.</summary>
    public static string Of(Action<Utf8JsonWriter> members)
    {
        var text = new ArrayBufferWriter<byte>();
        JsonReply.Write(text, members);
        return Encoding.UTF8.GetString(text.WrittenSpan);
    }
}
