using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Fathom.Server;

/// <summary>Reads the JSON object of a request's body.</summary>
internal static class JsonBody
{
    /// <exception cref="RequestErrorException">the body is no JSON object, too large or too deep</exception>
    public static async Task<JsonDocument> ReadAsync(Exchange exchange)
    {
        HttpRequest request = exchange.Http.Request;
        // Browsers send other types across origins without asking first.
        if (request.ContentType is { } type && !type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw new RequestErrorException(ErrorReason.UnsupportedType, $"Content-Type: expected application/json, found {type}.");
        }
        try
        {
            JsonDocument document = await JsonDocument.ParseAsync(
                request.Body, new JsonDocumentOptions { MaxDepth = exchange.Options.JsonDepthMax }, exchange.Cancellation).ConfigureAwait(false);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                return document;
            }
            string found = JsonFields.NameOf(document.RootElement.ValueKind);
            document.Dispose();
            throw new RequestErrorException(ErrorReason.Invalid, $"The body: expected a JSON object, found {found}.");
        }
        catch (JsonException e)
        {
            throw new RequestErrorException(ErrorReason.Invalid, $"The body: expected JSON of at most {exchange.Options.JsonDepthMax} levels, found a "
                + $"fault at line {e.LineNumber + 1}, byte {e.BytePositionInLine}.");
        }
        catch (BadHttpRequestException e)
        {
            // The host that listens sets the limit.
            long? limit = exchange.Http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize;
            throw new RequestErrorException(
                e.StatusCode == StatusCodes.Status413PayloadTooLarge ? ErrorReason.BodyTooLarge : ErrorReason.Invalid,
                e.StatusCode == StatusCodes.Status413PayloadTooLarge ? $"The body: expected at most {limit:N0} bytes, found more." : e.Message);
        }
    }
}
