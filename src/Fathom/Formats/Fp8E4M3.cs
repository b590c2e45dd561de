using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace Fathom.Formats;

/// <summary>
/// FP8 e4m3fn: sign, 4 exponent bits with bias 7, 3 mantissa bits; largest 448, no infinity, NaN is 0x7F and 0xFF,
/// subnormal step 2^-9. Stateless; may be called from any thread.
/// </summary>
public static class Fp8E4M3
{
    /// <summary>The largest finite value.</summary>
    public const float MaxValue = 448f;

    private const byte MaxCode = 0x7E;
    private const byte NaNCode = 0x7F;
    private const float SmallestNormal = 1f / 64;
    private const float SubnormalSteps = 512f;
    private const int DroppedMantissaBits = 23 - 3;
    private const uint ExponentRebase = (127 - 7) << 3;

    // Below this amplitude the released kernels do not follow the block down: an all-zero block needs some scale.
    private const float AmplitudeFloor = 1e-4f;

    // float.NaN has its sign bit set, which would swap the two NaN codes.
    private const uint PositiveNaNBits = 0x7FC00000;

    private static readonly float[] s_values = MakeValues();

    /// <summary>The values of all 256 codes, by code.</summary>
    public static ReadOnlySpan<float> Values => s_values;

    /// <summary>The exact value of a code.</summary>
    public static float Decode(byte code) => s_values[code];

    /// <summary>The nearest code, ties to the even one; beyond ±448, infinities included, saturates; NaN stays NaN. Keeps the sign of zero.</summary>
    public static byte Encode(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        byte sign = (byte)((bits >> 24) & 0x80);
        if (float.IsNaN(value))
        {
            return (byte)(sign | NaNCode);
        }
        float magnitude = Math.Min(MathF.Abs(value), MaxValue);
        return (byte)(sign | (magnitude < SmallestNormal ? SubnormalCode(magnitude) : NormalCode(magnitude)));
    }

    /// <summary>
    /// Quantises one block with one scale as the released kernels do: A = max(|x|, 1e-4), scale = 2^⌈log₂(A · fl32(1/448))⌉,
    /// code = e4m3(clamp(x / scale, ±448)). A block that holds NaN or infinity gets the NaN scale.
    /// </summary>
    /// <param name="x">the block, of any length</param> <param name="codes">as many codes</param>
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

    // The same sixteen at a time.
    private static Vector128<byte> Encode(Vector512<float> values)
    {
        Vector512<uint> bits = values.AsUInt32(), absolute = bits & Vector512.Create(0x7FFFFFFFu);
        Vector512<uint> isNaN = Vector512.GreaterThan(absolute, Vector512.Create(0x7F800000u));
        Vector512<uint> magnitude = Vector512.Min(absolute, Vector512.Create(BitConverter.SingleToUInt32Bits(MaxValue)));
        Vector512<uint> tieToEven = (magnitude >>> DroppedMantissaBits) & Vector512<uint>.One;
        Vector512<uint> rounded = (magnitude + Vector512.Create((1u << (DroppedMantissaBits - 1)) - 1) + tieToEven) >>> DroppedMantissaBits;
        Vector512<uint> normal = Vector512.Min(rounded - Vector512.Create(ExponentRebase), Vector512.Create((uint)MaxCode));
        // In a single of this size the last digit is one step, so the addition rounds to whole steps, ties to even.
        const float WholeSteps = (1 << 23) / SubnormalSteps;
        Vector512<uint> subnormal = (magnitude.AsSingle() + Vector512.Create(WholeSteps)).AsUInt32() & Vector512.Create(15u);
        Vector512<uint> small = Vector512.LessThan(magnitude, Vector512.Create(BitConverter.SingleToUInt32Bits(SmallestNormal)));
        Vector512<uint> code = Vector512.ConditionalSelect(isNaN, Vector512.Create((uint)NaNCode), Vector512.ConditionalSelect(small, subnormal, normal));
        return Bytes(code | ((bits >>> 24) & Vector512.Create(0x80u)));
    }

    /// <summary>The low bytes of sixteen integers.</summary>
    internal static Vector128<byte> Bytes(Vector512<uint> codes)
    {
        Vector256<ushort> words = Vector256.Narrow(codes.GetLower(), codes.GetUpper());
        return Vector128.Narrow(words.GetLower(), words.GetUpper());
    }

    // Scaling by a power of two is exact, so the rounding to whole steps is the only one. Eight steps are the smallest normal's code.
    private static byte SubnormalCode(float magnitude) =>
        (byte)MathF.Round(magnitude * SubnormalSteps, MidpointRounding.ToEven);

    private static byte NormalCode(float magnitude)
    {
        uint bits = BitConverter.SingleToUInt32Bits(magnitude);
        uint tieToEven = (bits >> DroppedMantissaBits) & 1u;
        uint rounded = (bits + ((1u << (DroppedMantissaBits - 1)) - 1) + tieToEven) >> DroppedMantissaBits;
        return (byte)Math.Min(rounded - ExponentRebase, MaxCode);
    }

    private static float[] MakeValues()
    {
        float[] values = new float[256];
        for (int code = 0; code < values.Length; code++)
        {
            int exponent = (code >> 3) & 15;
            int mantissa = code & 7;
            float magnitude = (code & NaNCode) == NaNCode ? BitConverter.UInt32BitsToSingle(PositiveNaNBits)
                : exponent == 0 ? mantissa / SubnormalSteps
                : MathF.ScaleB(1f + (mantissa / 8f), exponent - 7);
            values[code] = code < 128 ? magnitude : -magnitude;
        }
        return values;
    }
}
