using Fathom.Prompts;

namespace Fathom.Server;

/// <summary>The levels of effort that clients name, as each encoder knows them. Stateless.</summary>
internal static class Efforts
{
    /// <summary>The levels that an encoder tells apart, least first.</summary>
    public static IReadOnlyList<string> Of(EncoderRevision revision) => revision == EncoderRevision.July31 ? ["low", "high", "max"] : ["high", "max"];

    /// <summary>The effort in a field; none if it is absent.</summary>
    /// <exception cref="RequestErrorException">there is no such level</exception>
    public static ReasoningEffort Read(JsonFields fields, string field, EncoderRevision revision)
    {
        string? name = fields.String(field);
        return (name, revision) switch
        {
            (null or "none", _) => ReasoningEffort.Unspecified,
            ("minimal" or "low", EncoderRevision.July31) => ReasoningEffort.Low,
            ("minimal" or "low" or "medium" or "high", _) => ReasoningEffort.High,
            ("xhigh", EncoderRevision.July31) => ReasoningEffort.High,
            ("xhigh" or "max" or "ultra", _) => ReasoningEffort.Max,
            _ => throw fields.Unknown(field, "none, minimal, low, medium, high, xhigh, max or ultra", name),
        };
    }
}
