using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Fathom.Server;

/// <summary>Reads the JSON object of a request's body.</summary>
internal static class JsonBody
{
    private const int PieceBytes = 16 << 10;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <exception cref="RequestErrorException">the body is no JSON object, too large, too deep or too slow, or too many others are being read</exception>
    public static async Task<JsonDocument> ReadAsync(Exchange exchange)
    {
        HttpRequest request = exchange.Http.Request;
        // Browsers send other types across origins without asking first.
        if (request.ContentType is { } type && !IsJson(type))
        {
            throw new RequestErrorException(ErrorReason.UnsupportedType, $"Content-Type: expected application/json, found {type}.");
        }
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(exchange.Cancellation);
        patience.CancelAfter(exchange.Options.BodyTime);
        try
        {
            return Parse(await ReadBytesAsync(exchange, patience.Token).ConfigureAwait(false), exchange);
        }
        catch (JsonException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"The body: expected JSON of at most {exchange.Options.JsonDepthMax} levels and no name "
                + $"twice in an object, found a fault at line {e.LineNumber + 1}, byte {e.BytePositionInLine}.");
        }
        catch (OperationCanceledException) when (!exchange.Cancellation.IsCancellationRequested)
        {
            throw TooSlow(exchange);
        }
        catch (BadHttpRequestException e)
        {
            throw e.StatusCode switch
            {
                StatusCodes.Status413PayloadTooLarge => new RequestErrorException(
                    ErrorReason.BodyTooLarge, $"The body: expected at most {LimitOf(exchange):N0} bytes, found more."),
                StatusCodes.Status408RequestTimeout => TooSlow(exchange),
                _ => new RequestErrorException(ErrorReason.Invalid, e.Message),
            };
        }
        catch (IOException e) when (!exchange.Cancellation.IsCancellationRequested)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"The body: expected pieces as HTTP has them, found a fault. {e.Message}");
        }
    }

    // The host that listens sets the limit.
    private static long? LimitOf(Exchange exchange) => exchange.Http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize;

    private static RequestErrorException TooSlow(Exchange exchange) => new(
        ErrorReason.TooSlow, $"The body: expected all of it within {exchange.Options.BodyTime.TotalSeconds:N0} seconds and without long pauses, found it slower.");

    // With parameters, such as charset=utf-8.
    private static bool IsJson(string type)
    {
        const string Json = "application/json";
        return type.StartsWith(Json, StringComparison.OrdinalIgnoreCase) && (type.Length == Json.Length || type[Json.Length] is ';' or ' ');
    }

    private static async Task<ReadOnlyMemory<byte>> ReadBytesAsync(Exchange exchange, CancellationToken cancellation)
    {
        BodyBudget.Share share = exchange.Bodies.Open();
        exchange.Http.Response.RegisterForDispose(share);
        var bytes = new ArrayBufferWriter<byte>();
        while (true)
        {
            int read = await exchange.Http.Request.Body.ReadAsync(bytes.GetMemory(PieceBytes), cancellation).ConfigureAwait(false);
            if (read == 0)
            {
                return bytes.WrittenMemory;
            }
            bytes.Advance(read);
            if (!share.TryTake(read))
            {
                throw new RequestErrorException(ErrorReason.Busy, "The server is answering too many large requests. Try again in a few seconds.");
            }
        }
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> bytes, Exchange exchange)
    {
        ReadOnlyMemory<byte> json = bytes.Span.StartsWith(ByteOrderMark) ? bytes[ByteOrderMark.Length..] : bytes;
        int depth = exchange.Options.JsonDepthMax;
        RequireText(json.Span, depth);
        JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = depth, AllowDuplicateProperties = false });
        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            exchange.Watch.Name(Model(document.RootElement));
            return document;
        }
        string found = JsonFields.NameOf(document.RootElement.ValueKind);
        document.Dispose();
        throw new RequestErrorException(ErrorReason.Invalid, $"The body: expected a JSON object, found {found}.");
    }

    private static string? Model(JsonElement body)
    {
        try
        {
            return body.TryGetProperty("model", out JsonElement model) && model.ValueKind == JsonValueKind.String ? model.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;                                                                  // part of a character: refused where the field is read
        }
    }

    // Names are compared while fields are looked up, where a broken one has no place; texts are checked where they are read.
    private static void RequireText(ReadOnlySpan<byte> json, int depth)
    {
        if (!Utf8.IsValid(json))
        {
            throw new RequestErrorException(ErrorReason.Invalid, "The body: expected UTF-8, found bytes that are none.");
        }
        if (json.IndexOf("\\u"u8) < 0)
        {
            return;
        }
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = depth });
        while (reader.Read())
        {
            if (reader is { TokenType: JsonTokenType.PropertyName, ValueIsEscaped: true })
            {
                try
                {
                    reader.GetString();
                }
                catch (InvalidOperationException)
                {
                    throw new RequestErrorException(ErrorReason.Invalid, "The body: expected names in well-formed Unicode, found a part of a character.");
                }
            }
        }
    }
}
