namespace Fathom.Serving;

/// <summary>What an engine is at.</summary>
/// <param name="Running">requests that are worked on</param>
/// <param name="Waiting">requests that wait for memory or their turn</param>
/// <param name="Held">of those that run, how many wait for their caller to read on</param>
/// <param name="Kept">sequences that nobody works on, kept for a next turn</param>
/// <param name="Bytes">memory of all sequences, running and kept</param>
public sealed record ServingLoad(int Running, int Waiting, int Held, int Kept, long Bytes)
{
    /// <summary>Tokens of all prompts that were begun, cached ones included.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Of these, tokens that needed no computing.</summary>
    public long CachedTokens { get; init; }

    /// <summary>Tokens that were written.</summary>
    public long WrittenTokens { get; init; }

    /// <summary>Time of the engine's thread in steps, from looking for new requests to what is drawn and told.</summary>
    public TimeSpan StepTime { get; init; }

    /// <summary>Of that, time in forward passes.</summary>
    public TimeSpan ForwardTime { get; init; }
}
