using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server;

/// <summary>Writes JSON objects. Text beyond ASCII stands as it is.</summary>
internal static class JsonReply
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One object.</summary>
    public static void Write(IBufferWriter<byte> output, Action<Utf8JsonWriter> members)
    {
        using var json = new Utf8JsonWriter(output, s_options);
        json.WriteStartObject();
        members(json);
        json.WriteEndObject();
    }

    /// <summary>A whole response of one object.</summary>
    public static async Task WriteAsync(HttpResponse response, int status, Action<Utf8JsonWriter> members, CancellationToken cancellation)
    {
        var body = new ArrayBufferWriter<byte>();
        Write(body, members);
        if (!response.HasStarted)
        {
            response.StatusCode = status;
            response.ContentType = "application/json; charset=utf-8";
            response.ContentLength = body.WrittenCount;
        }
        await response.Body.WriteAsync(body.WrittenMemory, cancellation).ConfigureAwait(false);
    }
}
