using Fathom.Cache;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Prompts;
using Fathom.Tensors;

namespace Fathom.Serving;

/// <summary>How an engine serves.</summary>
public sealed record ServingOptions
{
    // Of the free memory, what sequences may take; the rest is for activations and everything else.
    private const double MemoryShare = 0.8;

    /// <summary>Tokens of prompt and answer at most, up to the model's positions.</summary>
    public required int Context { get; init; }

    /// <summary>Bytes that all sequences may take, those that run and those kept for a next turn.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Tokens of an answer where the request names no limit.</summary>
    public int DefaultMaxTokens { get; init; } = 32_768;

    /// <summary>Sequences that run together at most.</summary>
    public int MaxRunning { get; init; } = 32;

    /// <summary>Requests that may wait; one more is refused.</summary>
    public int MaxWaiting { get; init; } = 512;

    /// <summary>What a step should take at most: a new token waits so long behind prompts that are being read.</summary>
    public TimeSpan StepTime { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Bytes of earlier turns' transcripts.</summary>
    public long LedgerBytes { get; init; } = 64L << 20;

    /// <summary>How prompts are written.</summary>
    public EncoderRevision Revision { get; init; } = EncoderRevision.April;

    /// <summary>What it must take to compute a text again for it to be written to the disk.</summary>
    public TimeSpan StoreWorthwhile { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Replies that are written instead of what the model would choose, one a request, in the order of arrival; the forward pass runs as ever. For tests of
    /// clients.
    /// </summary>
    public IReadOnlyList<string> Script { get; init; } = [];

    /// <summary>Whether the engine begins with a few steps of no meaning: the first request is then as fast as others, and a forecast knows a speed.</summary>
    public bool WarmsUp { get; init; }

    /// <summary>Opens the store of a tenant; null keeps nothing on a disk. Called by the engine's thread.</summary>
    public Func<string, PrefixStore>? OpenStore { get; init; }

    /// <summary>What fits a loaded model and this machine: all positions of the model, four fifths of the memory that is free now.</summary>
    public static ServingOptions For(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new ServingOptions { Context = model.Config.MaxPositions, MemoryBytes = Math.Max(1, (long)(MachineMemory.MeasureAvailable() * MemoryShare)) };
    }

    /// <summary>Checks the ranges against a model.</summary>
    /// <exception cref="RequestException">a value is out of range; the message names it</exception>
    internal ServingOptions Validate(ModelConfig config, int maxRows)
    {
        Require(Context >= 2 && Context <= config.MaxPositions, "context", Context, $"2 to {config.MaxPositions} tokens, the model's positions");
        Require(MemoryBytes > 0, "memory", MemoryBytes, "bytes above 0");
        Require(DefaultMaxTokens > 0, "default tokens of an answer", DefaultMaxTokens, "at least 1");
        Require(MaxRunning > 0 && MaxRunning < maxRows, "sequences together", MaxRunning, $"1 to {maxRows - 1}, one fewer than a batch has rows");
        Require(MaxWaiting >= 0, "requests that may wait", MaxWaiting, "at least 0");
        Require(StepTime > TimeSpan.Zero, "milliseconds of a step", (long)StepTime.TotalMilliseconds, "above 0");
        return this;
    }

    private static void Require(bool holds, string name, long found, string expected)
    {
        if (!holds)
        {
            throw new RequestException($"{name}: expected {expected}, found {found}.");
        }
    }
}
