using Fathom.Serving;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server;

/// <summary>Why a request is refused.</summary>
internal enum ErrorReason
{
    /// <summary>The body is malformed or breaks a rule.</summary>
    Invalid,

    /// <summary>A number is out of its range.</summary>
    OutOfRange,

    /// <summary>Prompt and answer do not fit.</summary>
    TooLarge,

    /// <summary>The body has too many bytes.</summary>
    BodyTooLarge,

    /// <summary>The body comes too slowly.</summary>
    TooSlow,

    /// <summary>The key is missing or wrong.</summary>
    Unauthorized,

    /// <summary>Too many keys from the same address were wrong.</summary>
    WrongKeys,

    /// <summary>The request comes from where none may come.</summary>
    Forbidden,

    /// <summary>There is no such path or model.</summary>
    NotFound,

    /// <summary>The body is of another type.</summary>
    UnsupportedType,

    /// <summary>Too many requests wait.</summary>
    Busy,

    /// <summary>The model is being loaded.</summary>
    Loading,

    /// <summary>The server is at fault.</summary>
    Internal,
}

/// <summary>What a client is told when its request is refused; each dialect has its own shape for it.</summary>
/// <param name="Reason">why</param>
/// <param name="Message">sentences: what was expected, what was found, what to do</param>
/// <param name="Parameter">the field that is at fault; null for none</param>
internal sealed record RequestError(ErrorReason Reason, string Message, string? Parameter = null)
{
    /// <summary>The HTTP status.</summary>
    public int Status => Reason switch
    {
        ErrorReason.Invalid or ErrorReason.TooLarge => StatusCodes.Status400BadRequest,
        ErrorReason.OutOfRange => StatusCodes.Status422UnprocessableEntity,
        ErrorReason.BodyTooLarge => StatusCodes.Status413PayloadTooLarge,
        ErrorReason.TooSlow => StatusCodes.Status408RequestTimeout,
        ErrorReason.Unauthorized => StatusCodes.Status401Unauthorized,
        ErrorReason.Forbidden => StatusCodes.Status403Forbidden,
        ErrorReason.NotFound => StatusCodes.Status404NotFound,
        ErrorReason.UnsupportedType => StatusCodes.Status415UnsupportedMediaType,
        ErrorReason.Busy or ErrorReason.WrongKeys => StatusCodes.Status429TooManyRequests,
        ErrorReason.Loading => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError,
    };

    /// <summary>Seconds after which to try again; null if that is of no use.</summary>
    public int? RetryAfter => Reason switch
    {
        ErrorReason.Busy => 5,
        ErrorReason.WrongKeys => 60,
        ErrorReason.Loading => 2,
        _ => null,
    };

    /// <summary>What the engine says, as an error.</summary>
    public static RequestError From(GenerationEvent.Failed failed) => new(
        failed.Kind switch
        {
            FaultKind.Invalid => ErrorReason.Invalid,
            FaultKind.TooLarge => ErrorReason.TooLarge,
            FaultKind.Busy => ErrorReason.Busy,
            _ => ErrorReason.Internal,
        },
        failed.Message);
}

/// <summary>Carries an error to the place where it is answered.</summary>
internal sealed class RequestErrorException(RequestError error) : Exception(error.Message)
{
    public RequestErrorException(ErrorReason reason, string message, string? parameter = null) : this(new RequestError(reason, message, parameter))
    {
    }

    public RequestError Error { get; } = error;
}
