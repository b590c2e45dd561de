using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>The k largest of n scores, ascending by index; among equals the lower index. Linear in n: the k-th score is found bit by bit.</summary>
internal static class TopK
{
    /// <summary>How many candidates <see cref="Add"/> holds, as a multiple of k: more make fewer searches, each of them longer.</summary>
    public const int Capacity = 2;

    private const int Lanes = 16;
    private const ulong AllLanes = (1ul << Lanes) - 1;

    /// <param name="scores">(n); not read where n ≤ k</param>
    /// <param name="n">number of candidates</param>
    /// <param name="chosen">(k): indices, then −1 where n &lt; k</param>
    public static void Run(ReadOnlySpan<float> scores, int n, Span<int> chosen)
    {
        if (n <= chosen.Length)
        {
            for (int place = 0; place < chosen.Length; place++)
            {
                chosen[place] = place < n ? place : -1;
            }
            return;
        }
        (int least, int ties) = FindKth(scores, chosen.Length);
        Vector512<int> bound = Vector512.Create(least);
        int count = 0, i = 0;
        for (; i + Lanes <= scores.Length; i += Lanes)
        {
            Vector512<int> keys = Keys(Vector512.Create(scores[i..]));
            ulong chosenHere = Vector512.GreaterThan(keys, bound).ExtractMostSignificantBits();
            for (ulong equal = Vector512.Equals(keys, bound).ExtractMostSignificantBits(); equal != 0 && ties > 0; equal &= equal - 1, ties--)
            {
                chosenHere |= equal & (~equal + 1);
            }
            for (; chosenHere != 0; chosenHere &= chosenHere - 1)
            {
                chosen[count++] = i + BitOperations.TrailingZeroCount(chosenHere);
            }
        }
        for (; i < scores.Length; i++)
        {
            int key = Key(scores[i]);
            if (key > least || (key == least && ties-- > 0))
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
        for (int i = 0; i < scores.Length; i += Lanes)
        {
            // What is not at most the bar passes, NaN included; the search for the k-th has the last word.
            ulong passing = (1ul << Math.Min(Lanes, scores.Length - i)) - 1;
            if (kept.HasBar && passing == AllLanes)
            {
                passing &= ~Vector512.LessThanOrEqual(Vector512.Create(scores[i..]), Vector512.Create(kept.Bar)).ExtractMostSignificantBits();
            }
            for (; passing != 0; passing &= passing - 1)
            {
                if (kept.Count == keptScores.Length)
                {
                    Cut(ref kept, keptScores, keptIndices, chosen);
                }
                int j = i + BitOperations.TrailingZeroCount(passing);
                if (!kept.HasBar || !(scores[j] <= kept.Bar))
                {
                    keptScores[kept.Count] = scores[j];
                    keptIndices[kept.Count++] = first + j;
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

    /// <summary>A bar that at least <paramref name="k"/> of the scores exceed, and no more than that but for equals.</summary>
    /// <param name="scores">(n), n ≥ k</param>
    /// <param name="k">1 or more</param>
    public static float Bar(ReadOnlySpan<float> scores, int k)
    {
        int least = FindKth(scores, k).Least;
        return MathF.BitDecrement(BitConverter.Int32BitsToSingle(least ^ ((least >> 31) & int.MaxValue)));
    }

    // Of the k largest all exceed the least key, but for the first few that equal it. The least key is found from its highest bit down.
    private static (int Least, int Ties) FindKth(ReadOnlySpan<float> scores, int k)
    {
        int least = int.MinValue;
        for (int shift = 31; shift >= 0; shift--)
        {
            // The sign bit of an int counts the other way round.
            int higher = least ^ (1 << shift), count = CountFrom(scores, higher);
            if (count == k)
            {
                return (higher, k);
            }
            least = count > k ? higher : least;
        }
        return (least, least == int.MaxValue ? k : k - CountFrom(scores, least + 1));
    }

    private static int CountFrom(ReadOnlySpan<float> scores, int least)
    {
        Vector512<int> bound = Vector512.Create(least), counts = default;
        int i = 0;
        for (; i + Lanes <= scores.Length; i += Lanes)
        {
            counts -= Vector512.GreaterThanOrEqual(Keys(Vector512.Create(scores[i..])), bound);
        }
        int count = Vector512.Sum(counts);
        for (; i < scores.Length; i++)
        {
            count += Key(scores[i]) >= least ? 1 : 0;
        }
        return count;
    }

    // Order-preserving: the bits of negative singles are flipped below the sign. −0 counts as 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Keys(Vector512<float> scores)
    {
        Vector512<int> bits = (scores + Vector512<float>.Zero).AsInt32();
        return bits ^ ((bits >> 31) & Vector512.Create(int.MaxValue));
    }

    private static int Key(float score)
    {
        int bits = BitConverter.SingleToInt32Bits(score + 0f);
        return bits ^ ((bits >> 31) & int.MaxValue);
    }

    /// <summary>How far a search has come.</summary>
    /// <param name="Count">candidates held</param>
    /// <param name="Bar">smallest of the k largest at the last cut</param>
    /// <param name="HasBar">whether there was one</param>
    internal record struct Kept(int Count, float Bar, bool HasBar);
}
