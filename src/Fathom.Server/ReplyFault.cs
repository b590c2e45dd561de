using Fathom.Serving;

namespace Fathom.Server;

/// <summary>Ends of a generation that no client may take for the end of the answer. Stateless.</summary>
internal static class ReplyFault
{
    /// <summary>What went wrong; null if the event is no such end.</summary>
    public static RequestError? Of(GenerationEvent next) => next switch
    {
        GenerationEvent.Failed failed => RequestError.From(failed),
        GenerationEvent.Finished { Reason: EndReason.Cancelled } =>
            new RequestError(ErrorReason.Loading, "The server stops, and the reply is not complete. Send the request again when it is back."),
        _ => null,
    };
}
