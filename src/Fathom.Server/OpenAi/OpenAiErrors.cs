using System.Text.Json;

namespace Fathom.Server.OpenAi;

/// <summary>Errors as OpenAI's API writes them.</summary>
internal static class OpenAiErrors
{
    /// <summary>The members of an error's body.</summary>
    public static void Write(Utf8JsonWriter json, RequestError error)
    {
        json.WriteStartObject("error");
        json.WriteString("message", error.Message);
        json.WriteString("type", error.Reason switch
        {
            ErrorReason.Unauthorized => "authentication_error",
            ErrorReason.Forbidden => "permission_error",
            ErrorReason.Busy or ErrorReason.WrongKeys => "rate_limit_error",
            ErrorReason.Loading or ErrorReason.Internal => "server_error",
            _ => "invalid_request_error",
        });
        json.WriteString("param", error.Parameter);
        json.WriteString("code", error.Reason switch
        {
            ErrorReason.TooLarge => "context_length_exceeded",
            ErrorReason.BodyTooLarge => "request_too_large",
            ErrorReason.Unauthorized => "invalid_api_key",
            ErrorReason.WrongKeys => "rate_limit_exceeded",
            ErrorReason.NotFound => "not_found",
            ErrorReason.Busy => "queue_full",
            ErrorReason.Loading => "model_loading",
            ErrorReason.Internal => "internal_error",
            _ => null,
        });
        json.WriteEndObject();
    }
}
