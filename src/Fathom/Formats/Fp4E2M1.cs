using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace Fathom.Formats;

/// <summary>
/// FP4 e2m1: magnitudes 0, 0.5, 1, 1.5, 2, 3, 4, 6 for codes 0 to 7, bit 3 is the sign. No infinity, no NaN.
/// Stateless; may be called from any thread.
/// </summary>
public static class Fp4E2M1
{
    /// <summary>The largest value.</summary>
    public const float MaxValue = 6f;

    private const byte SignBit = 8;

    // 6 · 2^-126: from here down A · fl32(1/6) would leave the normal singles.
    private const float AmplitudeFloor = 6f * 1.17549435e-38f;

    private static readonly float[] s_values = [0f, 0.5f, 1f, 1.5f, 2f, 3f, 4f, 6f, -0f, -0.5f, -1f, -1.5f, -2f, -3f, -4f, -6f];

    /// <summary>The values of all 16 codes, by code.</summary>
    public static ReadOnlySpan<float> Values => s_values;

    /// <summary>The exact value of a code, 0 to 15.</summary>
    public static float Decode(int code) => s_values[code];

    /// <summary>The nearest code, ties to the even one; beyond ±6 saturates. Keeps the sign of zero. NaN, which the format lacks, gives ±6.</summary>
    public static byte Encode(float value)
    {
        byte sign = float.IsNegative(value) ? SignBit : (byte)0;
        // At each midpoint the even neighbour wins: the lower one where the comparison admits equality.
        byte magnitude = MathF.Abs(value) switch
        {
            <= 0.25f => 0,
            < 0.75f => 1,
            <= 1.25f => 2,
            < 1.75f => 3,
            <= 2.5f => 4,
            < 3.5f => 5,
            <= 5f => 6,
            _ => 7,
        };
        return (byte)(sign | magnitude);
    }

    /// <summary>
    /// Quantises one block with one scale as the released kernels do: A = max(|x|, 6 · 2^-126), scale = 2^⌈log₂(A · fl32(1/6))⌉,
    /// code = e2m1(clamp(x / scale, ±6)). A block that holds NaN or infinity gets the NaN scale.
    /// </summary>
    /// <param name="x">the block, of any length</param> <param name="codes">as many codes, one per byte; see <see cref="Pack"/></param>
    /// <returns>the scale as a <see cref="Ue8m0"/> code</returns>
    public static byte QuantizeBlock(ReadOnlySpan<float> x, Span<byte> codes)
    {
        Debug.Assert(codes.Length == x.Length);
        float amplitude = MathF.Max(AmplitudeFloor, MathF.Abs(TensorPrimitives.MaxMagnitude(x)));
        byte scaleCode = Ue8m0.ScaleFor(amplitude * (1f / MaxValue));
        float scale = Ue8m0.Decode(scaleCode);
        int i = 0;
        for (; i + Vector512<float>.Count <= x.Length; i += Vector512<float>.Count)
        {
            Encode(Vector512.Create(x[i..]) / scale).CopyTo(codes[i..]);
        }
        for (; i < x.Length; i++)
        {
            codes[i] = Encode(x[i] / scale);
        }
        return scaleCode;
    }

    // The same sixteen at a time: seven less one for each limit that holds. None holds for NaN.
    private static Vector128<byte> Encode(Vector512<float> values)
    {
        Vector512<float> magnitude = Vector512.Abs(values);
        Vector512<int> below = Vector512.LessThanOrEqual(magnitude, Vector512.Create(0.25f)).AsInt32()
            + Vector512.LessThan(magnitude, Vector512.Create(0.75f)).AsInt32() + Vector512.LessThanOrEqual(magnitude, Vector512.Create(1.25f)).AsInt32()
            + Vector512.LessThan(magnitude, Vector512.Create(1.75f)).AsInt32() + Vector512.LessThanOrEqual(magnitude, Vector512.Create(2.5f)).AsInt32()
            + Vector512.LessThan(magnitude, Vector512.Create(3.5f)).AsInt32() + Vector512.LessThanOrEqual(magnitude, Vector512.Create(5f)).AsInt32();
        Vector512<uint> sign = (values.AsUInt32() >>> 28) & Vector512.Create((uint)SignBit);
        return Fp8E4M3.Bytes((Vector512.Create(7) + below).AsUInt32() | sign);
    }

    /// <summary>Two codes to a byte as checkpoints store them: the low nibble is the even element.</summary>
    /// <param name="codes">an even number of codes, one per byte</param>
    /// <param name="pairs">half as many bytes; may be the start of <paramref name="codes"/></param>
    public static void Pack(ReadOnlySpan<byte> codes, Span<byte> pairs)
    {
        Debug.Assert(codes.Length == 2 * pairs.Length);
        int i = 0;
        for (; i + Vector128<byte>.Count <= pairs.Length; i += Vector128<byte>.Count)
        {
            Vector256<ushort> two = Vector256.Create(codes[(2 * i)..]).AsUInt16() & Vector256.Create((ushort)0x0F0F);
            two = (two | (two >>> 4)) & Vector256.Create((ushort)0xFF);
            Vector128.Narrow(two.GetLower(), two.GetUpper()).CopyTo(pairs[i..]);
        }
        for (; i < pairs.Length; i++)
        {
            pairs[i] = (byte)((codes[2 * i] & 15) | ((codes[(2 * i) + 1] & 15) << 4));
        }
    }

    /// <summary>The inverse of <see cref="Pack"/>.</summary>
    /// <param name="pairs">packed codes</param> <param name="codes">twice as many codes, one per byte; no overlap</param>
    public static void Unpack(ReadOnlySpan<byte> pairs, Span<byte> codes)
    {
        Debug.Assert(codes.Length == 2 * pairs.Length);
        for (int i = 0; i < pairs.Length; i++)
        {
            codes[2 * i] = (byte)(pairs[i] & 15);
            codes[(2 * i) + 1] = (byte)(pairs[i] >> 4);
        }
    }
}
