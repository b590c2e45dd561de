using Fathom.Cache;
using Fathom.Prompts;

namespace Fathom.Serving;

/// <summary>How an engine serves.</summary>
public sealed record ServingOptions
{
    /// <summary>Tokens of prompt and answer at most, up to the model's positions.</summary>
    public required int Context { get; init; }

    /// <summary>Bytes that all sequences may take, those that run and those kept for a next turn.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Tokens of an answer where the request names no limit.</summary>
    public int DefaultMaxTokens { get; init; } = 32_768;

    /// <summary>Sequences that run together at most.</summary>
    public int MaxRunning { get; init; } = 16;

    /// <summary>Requests that may wait; one more is refused.</summary>
    public int MaxWaiting { get; init; } = 512;

    /// <summary>What a step should take at most: a new token waits so long behind prompts that are being read.</summary>
    public TimeSpan StepTime { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Bytes of earlier turns' transcripts.</summary>
    public long LedgerBytes { get; init; } = 64L << 20;

    /// <summary>How prompts are written.</summary>
    public EncoderRevision Revision { get; init; } = EncoderRevision.April;

    /// <summary>Opens the store of a tenant; null keeps nothing on a disk. Called by the engine's thread.</summary>
    public Func<string, PrefixStore>? OpenStore { get; init; }
}
