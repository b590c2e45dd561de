using System.Diagnostics;

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
        float amplitude = AmplitudeFloor;
        foreach (float value in x)
        {
            amplitude = MathF.Max(amplitude, MathF.Abs(value));
        }
        byte scaleCode = Ue8m0.ScaleFor(amplitude * (1f / MaxValue));
        float scale = Ue8m0.Decode(scaleCode);
        for (int i = 0; i < x.Length; i++)
        {
            codes[i] = Encode(x[i] / scale);
        }
        return scaleCode;
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
