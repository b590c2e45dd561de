using Fathom.Model;

namespace Fathom.Serving;

/// <summary>
/// Sequences that nobody works on, kept in memory for texts that begin with them. A sequence cannot be rolled back, so one is of use only to a text that begins
/// with all of it. Used by the engine's thread only.
/// </summary>
internal sealed class KeptSequences(TimeProvider clock, CacheUsage usage)
{
    // The worth of what is not used halves in this time.
    private static readonly TimeSpan s_halfLife = TimeSpan.FromHours(1);

    // Of all sequences, so many are found at a time that are to be given up next: to look at thousands for each of them takes longer than a step.
    private const double LeastShare = 1.0 / 64;

    private readonly List<Kept> _kept = [];
    private readonly Queue<(Kept Kept, double Worth)> _least = new();

    private sealed class Kept(string tenant, SequenceCache sequence, long now)
    {
        public string Tenant { get; } = tenant;

        public SequenceCache Sequence { get; } = sequence;

        public long LastUse { get; set; } = now;

        // Tokens of the longest other one that this one begins with.
        public int Covered { get; set; }

        public bool BeginsWith(Kept other) => other != this && other.Tenant == Tenant && Sequence.Tokens.StartsWith(other.Sequence.Tokens);
    }

    /// <summary>How many there are.</summary>
    public int Count => _kept.Count;

    /// <summary>Finds the longest sequence with which a text begins and that leaves at least one token of it to compute.</summary>
    /// <param name="tenant">whose</param>
    /// <param name="tokens">of the text</param>
    /// <param name="common">tokens that the text shares with the beginning of any of the tenant's sequences</param>
    /// <returns>to be forked; null if there is none</returns>
    public SequenceCache? Find(string tenant, ReadOnlySpan<int> tokens, out int common)
    {
        Kept? best = Longest(tenant, tokens, out common);
        if (best is not null)
        {
            best.LastUse = clock.GetTimestamp();
        }
        return best?.Sequence;
    }

    /// <summary>Tokens of what <see cref="Find"/> would find; counts as no use of it.</summary>
    public int Measure(string tenant, ReadOnlySpan<int> tokens) => Longest(tenant, tokens, out _)?.Sequence.Length ?? 0;

    /// <summary>Keeps a sequence, which then belongs here; one with the same tokens is kept once.</summary>
    public void Add(string tenant, SequenceCache sequence)
    {
        var added = new Kept(tenant, sequence, clock.GetTimestamp());
        foreach (Kept other in _kept)
        {
            if (added.BeginsWith(other))
            {
                if (other.Sequence.Length == sequence.Length)
                {
                    other.LastUse = added.LastUse;
                    sequence.Dispose();
                    return;
                }
                added.Covered = Math.Max(added.Covered, other.Sequence.Length);
            }
            else if (other.BeginsWith(added))
            {
                other.Covered = Math.Max(other.Covered, sequence.Length);
            }
        }
        _kept.Add(added);
    }

    /// <summary>Gives up the least worthy sequences until all memory fits.</summary>
    /// <param name="bytesMax">of those that are kept and those at work together; those at work may exceed it alone</param>
    public void Fit(long bytesMax)
    {
        while (_kept.Count > 0 && usage.Bytes > bytesMax)
        {
            Remove(Least());
        }
    }

    // What was used since it was found, or has become worth more by another's end, is passed by. Among others the order stays: the worth of all fades alike.
    private Kept Least()
    {
        while (true)
        {
            while (_least.TryDequeue(out (Kept Kept, double Worth) least))
            {
                if (Worth(least.Kept) <= least.Worth)
                {
                    return least.Kept;
                }
            }
            int count = 1 + (int)(_kept.Count * LeastShare);
            foreach ((Kept, double) found in _kept.Select(kept => (Kept: kept, Worth: Worth(kept))).OrderBy(found => found.Worth).Take(count))
            {
                _least.Enqueue(found);
            }
        }
    }

    private void Remove(Kept gone)
    {
        _kept.Remove(gone);
        foreach (Kept other in _kept)
        {
            if (other.Covered == gone.Sequence.Length && other.BeginsWith(gone))
            {
                other.Covered = _kept.Where(other.BeginsWith).Select(kept => kept.Sequence.Length).DefaultIfEmpty().Max();
            }
        }
        gone.Sequence.Dispose();
    }

    /// <summary>Gives up all.</summary>
    public void Clear()
    {
        foreach (Kept kept in _kept)
        {
            kept.Sequence.Dispose();
        }
        _kept.Clear();
        _least.Clear();
    }

    private Kept? Longest(string tenant, ReadOnlySpan<int> tokens, out int common)
    {
        Kept? best = null;
        common = 0;
        foreach (Kept kept in _kept)
        {
            if (kept.Tenant != tenant)
            {
                continue;
            }
            int same = tokens.CommonPrefixLength(kept.Sequence.Tokens);
            common = Math.Max(common, same);
            if (same == kept.Sequence.Length && same < tokens.Length && same > (best?.Sequence.Length ?? 0))
            {
                best = kept;
            }
        }
        return best;
    }

    // Tokens that would have to be computed again, per byte that would be free. So many short texts never displace a long one.
    private double Worth(Kept kept)
    {
        double age = clock.GetElapsedTime(kept.LastUse) / s_halfLife;
        return (kept.Sequence.Length - kept.Covered) * Math.Pow(0.5, age) / kept.Sequence.OwnBytes;
    }
}
