using System.Text.Json;

namespace Fathom.Server.Anthropic;

/// <summary>Errors as Anthropic's API writes them.</summary>
internal static class AnthropicErrors
{
    // Claude Code knows by these words that it has to shorten the conversation.
    private const string TooLong = "prompt is too long: ";

    /// <summary>The members of an error's body, and of the event that tells one in a stream.</summary>
    public static void Write(Utf8JsonWriter json, RequestError error)
    {
        json.WriteString("type", "error");
        json.WriteStartObject("error");
        json.WriteString("type", error.Reason switch
        {
            ErrorReason.Unauthorized => "authentication_error",
            ErrorReason.Forbidden => "permission_error",
            ErrorReason.NotFound => "not_found_error",
            ErrorReason.BodyTooLarge => "request_too_large",
            ErrorReason.Busy or ErrorReason.WrongKeys => "rate_limit_error",
            ErrorReason.Loading => "overloaded_error",
            ErrorReason.Internal => "api_error",
            _ => "invalid_request_error",
        });
        json.WriteString("message", error.Reason == ErrorReason.TooLarge ? TooLong + error.Message : error.Message);
        json.WriteEndObject();
    }
}
