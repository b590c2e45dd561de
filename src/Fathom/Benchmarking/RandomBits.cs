using System.Runtime.InteropServices;

namespace Fathom.Benchmarking;

/// <summary>Bits that look random and follow from a seed and a place alone (SplitMix64), so that any part can be made by itself.</summary>
internal static class RandomBits
{
    private const ulong Step = 0x9E3779B97F4A7C15;

    /// <summary>The 64 bits at a place.</summary>
    public static ulong At(ulong seed, ulong place)
    {
        ulong z = seed + ((place + 1) * Step);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A whole number from 0 to <paramref name="most"/> − 1.</summary>
    public static int Below(int most, ulong seed, ulong place) => (int)Math.BigMul(At(seed, place), (ulong)most, out _);

    /// <summary>Fills memory; its length is a multiple of 8.</summary>
    public static void Fill(Span<byte> target, ulong seed)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(target);
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = At(seed, (ulong)i);
        }
    }

    /// <summary>Fills memory with singles of a uniform distribution from −√3 to √3, whose mean square is 1.</summary>
    public static void FillUnit(Span<float> target, ulong seed)
    {
        float scale = 2 * MathF.Sqrt(3) / (1 << 24);
        for (int i = 0; i < target.Length; i++)
        {
            target[i] = ((int)(At(seed, (ulong)i) >> 40) - (1 << 23)) * scale;
        }
    }
}
