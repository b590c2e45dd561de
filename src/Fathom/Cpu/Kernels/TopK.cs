using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>The k largest of n scores, ascending by index; among equals the lower index. Linear in n: a radix search for the k-th score.</summary>
internal static class TopK
{
    /// <summary>How many candidates <see cref="Add"/> holds, as a multiple of k: more make fewer searches, each of them longer.</summary>
    public const int Capacity = 2;

    private const int RadixBits = 8;
    private const int Buckets = 1 << RadixBits;
    private const int Lanes = 16;

    /// <param name="scores">(n); not read where n ≤ k</param>
    /// <param name="n">number of candidates</param>
    /// <param name="chosen">(k): indices, then −1 where n &lt; k</param>
    public static void Run(ReadOnlySpan<float> scores, int n, Span<int> chosen)
    {
        if (n <= chosen.Length)
        {
            for (int i = 0; i < chosen.Length; i++)
            {
                chosen[i] = i < n ? i : -1;
            }
            return;
        }
        (uint threshold, int ties) = FindKth(scores, chosen.Length);
        int count = 0;
        for (int i = 0; i < scores.Length && count < chosen.Length; i++)
        {
            uint key = Key(scores[i]);
            if (key > threshold || (key == threshold && ties-- > 0))
            {
                chosen[count++] = i;
            }
        }
        Debug.Assert(count == chosen.Length);
    }

    /// <summary>
    /// Adds the scores of consecutive candidates to those that may still be among the k largest. Where there is no more room, all but the k
    /// largest of them go: a later one must then exceed the smallest that is left, since of equals the earlier wins.
    /// </summary>
    /// <param name="scores">of candidates <paramref name="first"/> …</param>
    /// <param name="first">index of the first</param>
    /// <param name="kept">what is held</param>
    /// <param name="keptScores">(<see cref="Capacity"/> · k), the first kept.Count of them in use</param>
    /// <param name="keptIndices">as many, ascending</param>
    /// <param name="chosen">scratch, (k)</param>
    public static void Add(
        ReadOnlySpan<float> scores, int first, ref Kept kept, Span<float> keptScores, Span<int> keptIndices, Span<int> chosen)
    {
        int i = 0;
        while (i < scores.Length)
        {
            if (kept.Count == keptScores.Length)
            {
                Cut(ref kept, keptScores, keptIndices, chosen);
            }
            if (kept.HasBar && i + Lanes <= scores.Length)
            {
                // What is not at most the bar passes, NaN included; the search for the k-th has the last word.
                Vector512<float> some = Vector512.Create(scores[i..]);
                if (Vector512.LessThanOrEqualAll(some, Vector512.Create(kept.Bar)))
                {
                    i += Lanes;
                    continue;
                }
            }
            int end = Math.Min(scores.Length, i + Math.Min(Lanes, keptScores.Length - kept.Count));
            for (; i < end; i++)
            {
                if (!kept.HasBar || !(scores[i] <= kept.Bar))
                {
                    keptScores[kept.Count] = scores[i];
                    keptIndices[kept.Count++] = first + i;
                }
            }
        }
    }

    /// <summary>The k largest of what <see cref="Add"/> kept, ascending by index, then −1.</summary>
    public static void Finish(ReadOnlySpan<float> keptScores, ReadOnlySpan<int> keptIndices, Span<int> chosen)
    {
        Run(keptScores, keptScores.Length, chosen);
        for (int i = 0; i < chosen.Length; i++)
        {
            chosen[i] = chosen[i] < 0 ? -1 : keptIndices[chosen[i]];
        }
    }

    private static void Cut(ref Kept kept, Span<float> scores, Span<int> indices, Span<int> chosen)
    {
        Run(scores, scores.Length, chosen);
        float least = scores[chosen[0]];
        for (int i = 0; i < chosen.Length; i++)
        {
            // Places ascend, so nothing is overwritten before it is read.
            (scores[i], indices[i]) = (scores[chosen[i]], indices[chosen[i]]);
            least = MathF.Min(least, scores[i]);
        }
        kept = new Kept(chosen.Length, least, HasBar: true);
    }

    // The k-th largest key, and how many equal to it belong to the k.
    private static (uint Threshold, int Ties) FindKth(ReadOnlySpan<float> scores, int k)
    {
        Span<int> counts = stackalloc int[Buckets];
        uint prefix = 0, mask = 0;
        int wanted = k;
        for (int shift = 32 - RadixBits; shift >= 0; shift -= RadixBits)
        {
            counts.Clear();
            foreach (float score in scores)
            {
                uint key = Key(score);
                if ((key & mask) == prefix)
                {
                    counts[(int)((key >> shift) & (Buckets - 1))]++;
                }
            }
            int bucket = Buckets - 1;
            while (counts[bucket] < wanted)
            {
                wanted -= counts[bucket--];
            }
            prefix |= (uint)bucket << shift;
            mask |= (uint)(Buckets - 1) << shift;
        }
        return (prefix, wanted);
    }

    // Order-preserving: negative singles are flipped, positive ones moved above them. −0 counts as 0.
    private static uint Key(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
    }

    /// <summary>How far a search has come.</summary>
    /// <param name="Count">candidates held</param>
    /// <param name="Bar">smallest of the k largest at the last cut</param>
    /// <param name="HasBar">whether there was one</param>
    internal record struct Kept(int Count, float Bar, bool HasBar);
}
