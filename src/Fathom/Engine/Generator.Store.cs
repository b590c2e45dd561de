using System.Diagnostics;
using Fathom.Cache;

namespace Fathom.Engine;

public sealed partial class Generator
{
    /// <summary>Tokens between two checkpoints of a long prompt: that many are computed again at most where reading was ended by force.</summary>
    public const int CheckpointTokens = 16_384;

    /// <summary>
    /// Reads a prompt into an empty sequence: takes its longest stored beginning from the store and computes the rest, which is stored if computing took long enough. The logits
    /// are those of a sequence that was computed from nothing, bit for bit.
    /// </summary>
    /// <param name="tokens">at least one; ids within the vocabulary</param> <param name="store">of the same model</param>
    /// <param name="worthwhile">seconds of computing below which nothing is written</param>
    /// <param name="checkpointTokens">tokens between two checkpoints of a long prompt</param>
    /// <param name="restored">told the tokens that were restored, or null</param> <param name="progress">told the tokens restored or read so far, or null</param> <param name="cancellation">stops between pieces; what was read is stored</param>
    /// <returns>tokens that were restored</returns>
    /// <exception cref="RequestException">a token is out of range, the prompt does not fit, the sequence is not empty, or the store's sequences are read with MTP where it does not guess, or without where it does</exception>
    public int Read(
        ReadOnlySpan<int> tokens, PrefixStore store, TimeSpan worthwhile, Action<int>? restored, Action<int>? progress, CancellationToken cancellation,
        int checkpointTokens = CheckpointTokens)
    {
        ArgumentNullException.ThrowIfNull(store);
        if (Length > 0)
        {
            throw new RequestException($"A prompt is restored into an empty sequence, found {Length} tokens.");
        }
        RequireKind(store);
        if (checkpointTokens < 1)
        {
            throw new RequestException($"Tokens between two checkpoints: expected at least 1, found {checkpointTokens}.");
        }
        Require(tokens);
        int found = Restored(tokens, store);
        restored?.Invoke(found);
        long begin = Stopwatch.GetTimestamp();
        bool isWorthwhile() => Stopwatch.GetElapsedTime(begin) >= worthwhile;
        try
        {
            while (Length < tokens.Length)
            {
                int before = Length, end = (int)Math.Min(tokens.Length, ((Length / checkpointTokens) + 1L) * checkpointTokens);
                Read(tokens[before..end], progress is null ? null : read => progress(before + read), cancellation);
                if (isWorthwhile())
                {
                    store.Save(_sequence, _logits);
                }
            }
        }
        catch (OperationCanceledException) when (isWorthwhile())
        {
            store.Save(_sequence, _logits);
            throw;
        }
        return found;
    }

    /// <summary>Stores the sequence as it is.</summary>
    /// <returns>whether all of it is stored; if not, the store has reported why</returns>
    /// <exception cref="RequestException">the store's sequences are read with MTP and this one is not, or the other way round</exception>
    public bool Save(PrefixStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        RequireKind(store);
        return store.Save(_sequence, _logits);
    }

    private void RequireKind(PrefixStore store)
    {
        bool guesses = _speculative is not null;
        if (guesses != store.HasDrafts)
        {
            throw new RequestException(
                $"A store: expected one of sequences {(guesses ? "that MTP has read too, for speculative decoding" : "without what speculative decoding needs")}, found the other kind.");
        }
    }

    private int Restored(ReadOnlySpan<int> tokens, PrefixStore store)
    {
        try
        {
            return store.Restore(tokens, _sequence, _logits);
        }
        catch (OutOfMemoryException e)
        {
            throw TooLarge(e);
        }
    }
}
