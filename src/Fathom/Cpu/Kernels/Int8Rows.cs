using System.Diagnostics;
using System.Runtime.Intrinsics;
using Fathom.Formats;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// Activations as integers: q = round(x · 127 / A) with A = max |x| of a block of 32, nearest even, so that x ≈ q · A / 127. Every operation is
/// one of IEEE's, so all processors give the same codes.
/// </summary>
internal static class Int8Rows
{
    /// <summary>The largest code; −128 is not used.</summary>
    public const int MaxCode = 127;

    // Below, 127 / A would leave the singles; such values become multiples of 2^-100 / 127.
    private const float AmplitudeFloor = 7.8886090522e-31f;

    // In a single of this size the last digit is 1, so the addition rounds to integers, ties to even; 1.5 · 2^23 for both signs.
    private const float WholeSteps = 12582912f;
    private const int WholeStepsBits = 0x4B400000;

    /// <summary>One row.</summary>
    /// <param name="x">(K)</param>
    /// <param name="codes">(blocks · 32); beyond K zeros; overwritten</param>
    /// <param name="scales">(blocks): A / 254, half a step, for weights that are doubled; NaN for a block that is not finite; overwritten</param>
    /// <param name="corrections">of <see cref="Int8Dot.Correction"/>, (blocks); overwritten</param>
    public static void Encode(ReadOnlySpan<float> x, Span<sbyte> codes, Span<float> scales, Span<int> corrections)
    {
        Debug.Assert(scales.Length == (x.Length + Int8Dot.Block - 1) / Int8Dot.Block && codes.Length == scales.Length * Int8Dot.Block);
        Span<float> padded = stackalloc float[Int8Dot.Block];
        for (int b = 0; b < scales.Length; b++)
        {
            scoped ReadOnlySpan<float> rest = x[(b * Int8Dot.Block)..];
            if (rest.Length < Int8Dot.Block)
            {
                padded.Clear();
                rest.CopyTo(padded);
                rest = padded;
            }
            Span<sbyte> block = codes.Slice(b * Int8Dot.Block, Int8Dot.Block);
            scales[b] = EncodeBlock(rest, block);
            corrections[b] = Int8Dot.Correction(block);
        }
    }

    private static float EncodeBlock(ReadOnlySpan<float> x, Span<sbyte> codes)
    {
        Vector512<float> low = Vector512.Create(x), high = Vector512.Create(x[16..]);
        float amplitude = Amplitude(low, high);
        if (!float.IsFinite(amplitude))
        {
            codes.Clear();
            return float.NaN;
        }
        amplitude = Math.Max(amplitude, AmplitudeFloor);
        Vector512<float> factor = Vector512.Create(MaxCode / amplitude);
        Fp8E4M3.Bytes(Whole(low * factor)).AsSByte().CopyTo(codes);
        Fp8E4M3.Bytes(Whole(high * factor)).AsSByte().CopyTo(codes[16..]);
        return amplitude / (2 * MaxCode);
    }

    private static Vector512<uint> Whole(Vector512<float> values) =>
        ((values + Vector512.Create(WholeSteps)).AsInt32() - Vector512.Create(WholeStepsBits)).AsUInt32();

    // Without their signs, bits of singles are in the order of magnitudes, infinity and NaN above all.
    private static float Amplitude(Vector512<float> low, Vector512<float> high)
    {
        Vector512<int> magnitude = Vector512.Create(int.MaxValue);
        Vector512<int> largest = Vector512.Max(low.AsInt32() & magnitude, high.AsInt32() & magnitude);
        Vector256<int> eight = Vector256.Max(largest.GetLower(), largest.GetUpper());
        Vector128<int> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        return BitConverter.Int32BitsToSingle(Math.Max(Math.Max(four[0], four[1]), Math.Max(four[2], four[3])));
    }
}
