using System.Diagnostics;
using System.Runtime.Intrinsics;
using Fathom.Formats;

namespace Fathom.Cpu.Kernels;

/// <summary>Keys and queries in FP4: their products are exact integers.</summary>
internal static partial class IndexerScores
{
    /// <summary>Takes FP4-rounded queries apart again: doubled values as bytes, and scales.</summary>
    /// <param name="queries">q, (heads, d), as rounding to FP4 left them</param>
    /// <param name="d">dimensions of a head</param>
    /// <param name="codes">(heads, blocks · 32) in <see cref="Int8Dot"/>'s order; overwritten</param>
    /// <param name="scales">(heads, blocks): for doubled values on both sides, so a quarter of the blocks' own; overwritten</param>
    /// <param name="corrections">of <see cref="Int8Dot.Correction"/>, (heads, blocks); overwritten</param>
    public static void Encode(ReadOnlySpan<float> queries, int d, Span<sbyte> codes, Span<float> scales, Span<int> corrections)
    {
        int blocks = (d + Int8Dot.Block - 1) / Int8Dot.Block;
        Span<float> padded = stackalloc float[Int8Dot.Block];
        padded.Clear();
        for (int b = 0; b < scales.Length; b++)
        {
            int first = b % blocks * Int8Dot.Block, count = Math.Min(Int8Dot.Block, d - first);
            queries.Slice((b / blocks * d) + first, count).CopyTo(padded);
            padded[count..].Clear();
            Span<sbyte> block = codes.Slice(b * Int8Dot.Block, Int8Dot.Block);
            scales[b] = EncodeBlock(padded, block);
            corrections[b] = Int8Dot.Correction(block);
        }
    }

    /// <param name="codes">from <see cref="Encode"/></param>
    /// <param name="scales">from <see cref="Encode"/></param>
    /// <param name="corrections">from <see cref="Encode"/></param>
    /// <param name="weights">ω, (heads)</param>
    /// <param name="planes">32 keys, from <see cref="Int8Dot.Spread"/></param>
    /// <param name="keyScales">their scales</param>
    /// <param name="products">scratch, (heads, 32)</param>
    /// <param name="scores">(32); overwritten</param>
    public static void Run(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections, ReadOnlySpan<float> weights,
        ReadOnlySpan<byte> planes, ReadOnlySpan<float> keyScales, Span<float> products, Span<float> scores)
    {
        Int8Dot.Run(codes, scales, corrections, planes, keyScales, products);
        Weigh(products, weights, scores);
    }

    // Any power of two that makes all doubled values integers of at most 12 gives the same products; the rule of rounding finds one.
    private static float EncodeBlock(ReadOnlySpan<float> x, Span<sbyte> codes)
    {
        Vector512<float> low = Vector512.Create(x), high = Vector512.Create(x[16..]);
        Vector512<float> largest = Vector512.Max(Vector512.Abs(low), Vector512.Abs(high));
        Vector256<float> eight = Vector256.Max(largest.GetLower(), largest.GetUpper());
        Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        float amplitude = MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
        const float Smallest = Fp4E2M1.MaxValue * 1.17549435e-38f;                        // below, the scale would leave the normal singles
        float scale = Ue8m0.Decode(Ue8m0.ScaleFor(MathF.Max(amplitude, Smallest) * (1f / Fp4E2M1.MaxValue)));
        Span<int> doubled = stackalloc int[Int8Dot.Block];
        Vector512.ConvertToInt32(low * (2 / scale)).CopyTo(doubled);
        Vector512.ConvertToInt32(high * (2 / scale)).CopyTo(doubled[16..]);
        for (int i = 0; i < doubled.Length; i++)
        {
            Debug.Assert(float.IsNaN(scale) || doubled[i] * (scale / 2) == x[i], "Queries of FP4 keys must be rounded to FP4.");
            codes[Int8Dot.Place(i)] = (sbyte)doubled[i];
        }
        return scale / 4;
    }
}
