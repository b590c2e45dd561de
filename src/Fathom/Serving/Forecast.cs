namespace Fathom.Serving;

/// <summary>What a request would take if it were made now. Nothing is computed, kept or given up for it.</summary>
/// <param name="PromptTokens">tokens of the prompt, as it would be read</param>
/// <param name="CachedTokens">of these the first, which would need no computing: in memory or on the disk, of the request's tenant alone</param>
public sealed record Forecast(int PromptTokens, int CachedTokens)
{
    /// <summary>
    /// Until the first token is written: the rest of the prompt at the speed of what was read last, beside those who read and write now, with equal shares. To
    /// load from the disk and to wait for memory is not in it. Null before anything was read, and for what does not fit.
    /// </summary>
    public TimeSpan? TimeToFirstToken { get; init; }

    /// <summary>Why the request would be refused, in sentences for people; null if it fits.</summary>
    public string? Refusal { get; init; }
}
