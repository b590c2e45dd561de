using System.Diagnostics;

namespace Fathom.Cpu.Kernels;

/// <summary>The k largest of n scores, ascending by index; among equals the lower index. Linear in n: a radix search for the k-th score.</summary>
internal static class TopK
{
    private const int RadixBits = 8;
    private const int Buckets = 1 << RadixBits;

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
}
