namespace Fathom.Formats;

/// <summary>One-byte power-of-two scales, 2^(e − 127); 255 is NaN. Stateless; may be called from any thread.</summary>
public static class Ue8m0
{
    /// <summary>The code of NaN.</summary>
    public const byte NaN = 255;

    private const int Bias = 127;
    private const int MantissaBits = 23;
    private const uint MantissaMask = (1u << MantissaBits) - 1;

    /// <summary>The exact value of a code. Code 0 is 2^-127, a subnormal single.</summary>
    public static float Decode(byte code) => code switch
    {
        0 => BitConverter.UInt32BitsToSingle(1u << (MantissaBits - 1)),
        NaN => float.NaN,
        _ => BitConverter.UInt32BitsToSingle((uint)code << MantissaBits),
    };

    /// <summary>
    /// The block-scale rule of the released kernels: the exponent field of <paramref name="z"/>, one more if any mantissa bit is set,
    /// so 2^⌈log₂ z⌉ for every normal z. Infinity and NaN give <see cref="NaN"/>; the sign is ignored.
    /// </summary>
    public static byte ScaleFor(float z)
    {
        uint bits = BitConverter.SingleToUInt32Bits(z) & int.MaxValue;
        uint exponent = bits >> MantissaBits;
        uint roundUp = (bits & MantissaMask) != 0 ? 1u : 0u;
        return (byte)Math.Min(exponent + roundUp, NaN);
    }

    /// <summary>
    /// The smallest power of two s with amplitude ≤ most · s, compared without rounding. A block of zeros gets 1. What would need a scale
    /// outside 2^-127 … 2^127 gets the nearest of those two.
    /// </summary>
    /// <param name="amplitude">largest magnitude of a block, finite</param> <param name="most">largest value of the block's format</param>
    public static byte Covering(float amplitude, float most)
    {
        if (amplitude == 0)
        {
            return Bias;
        }
        int exponent = MathF.ILogB(amplitude), exponentOfMost = MathF.ILogB(most);
        bool above = MathF.ScaleB(amplitude, -exponent) > MathF.ScaleB(most, -exponentOfMost);
        return (byte)Math.Clamp(exponent - exponentOfMost + (above ? 1 : 0) + Bias, 0, NaN - 1);
    }
}
