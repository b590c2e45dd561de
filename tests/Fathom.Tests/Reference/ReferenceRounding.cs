namespace Fathom.Tests.Reference;

/// <summary>How cached keys and values are rounded.</summary>
internal enum CacheRounding
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>As the released model: bf16 at each step, FP8 over the non-rotary dimensions, FP4 for the indexer.</summary>
    ReleasedMixed,
}

/// <summary>A block quantiser's result.</summary>
/// <param name="Values">code · 2^e, the numbers the model goes on with.</param> <param name="Codes">One code per value.</param>
/// <param name="Exponents">e, one per block.</param>
internal sealed record QuantizedRow(double[] Values, int[] Codes, int[] Exponents);

/// <summary>The released number formats and quantisers, on single precision inputs.</summary>
internal static class ReferenceRounding
{
    public const int KvBlock = 64;
    public const int IndexBlock = 32;

    private const float Fp8Largest = 448;
    private const float Fp8Floor = 1e-4f;
    private const float Fp4Largest = 6;
    private const float Fp4Floor = 6 * 1.17549435e-38f;

    private static readonly double[] s_fp4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    private static readonly double[] s_fp8 = [.. Enumerable.Range(0, 127).Select(code => Fp8Value((byte)code))];

    /// <summary>The number of an e4m3fn code; NaN codes give NaN.</summary>
    public static double Fp8Value(byte code)
    {
        int exponent = code >> 3 & 15;
        int mantissa = code & 7;
        double sign = code >= 128 ? -1 : 1;
        if (exponent == 15 && mantissa == 7) return double.NaN;
        return sign * (exponent == 0 ? Math.ScaleB(mantissa, -9) : Math.ScaleB(8 + mantissa, exponent - 10));
    }

    /// <summary>The number of an e2m1 code (0…15).</summary>
    public static double Fp4Value(int code) => (code >= 8 ? -1 : 1) * s_fp4[code & 7];

    /// <summary>2^(e − 127).</summary>
    public static double ScaleValue(byte code) => code == 255 ? double.NaN : Math.ScaleB(1, code - 127);

    /// <summary>Rounds to single precision, then to bf16, ties to even.</summary>
    public static double Bf16(double value)
    {
        uint bits = BitConverter.SingleToUInt32Bits((float)value);
        uint odd = bits >> 16 & 1;
        return BitConverter.UInt32BitsToSingle(unchecked(bits + 0x7FFF + odd) & 0xFFFF0000);
    }

    public static double[] Bf16(double[] row) => Array.ConvertAll(row, Bf16);

    /// <summary>FP8 with one power-of-two scale per block.</summary>
    public static QuantizedRow Fp8(ReadOnlySpan<double> row, int block) => Quantize(row, block, s_fp8, Fp8Largest, Fp8Floor);

    /// <summary>FP4 with one power-of-two scale per block.</summary>
    public static QuantizedRow Fp4(ReadOnlySpan<double> row, int block) => Quantize(row, block, s_fp4, Fp4Largest, Fp4Floor);

    /// <summary>The Walsh–Hadamard transform in natural order, times d^(−1/2): y_i = Σ_j (−1)^popcount(i ∧ j) x_j / √d.</summary>
    public static double[] Hadamard(ReadOnlySpan<double> x)
    {
        double[] y = new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            for (int j = 0; j < x.Length; j++) y[i] += int.PopCount(i & j) % 2 == 0 ? x[j] : -x[j];
            y[i] /= Math.Sqrt(x.Length);
        }

        return y;
    }

    private static QuantizedRow Quantize(ReadOnlySpan<double> row, int block, double[] magnitudes, float largest, float floor)
    {
        if (row.Length % block != 0) throw new ArgumentException($"A row of {row.Length} does not split into blocks of {block}.");
        QuantizedRow result = new(new double[row.Length], new int[row.Length], new int[row.Length / block]);
        for (int begin = 0; begin < row.Length; begin += block)
        {
            float most = floor;
            foreach (double value in row.Slice(begin, block)) most = Math.Max(most, Math.Abs((float)value));
            int exponent = CeilLog2(most * (1 / largest));
            result.Exponents[begin / block] = exponent;
            for (int i = begin; i < begin + block; i++)
            {
                double scaled = Math.Clamp(Math.ScaleB((float)row[i], -exponent), -largest, largest);
                int code = Nearest(magnitudes, Math.Abs(scaled));
                bool negative = double.IsNegative(scaled);
                result.Values[i] = Math.ScaleB(negative ? -magnitudes[code] : magnitudes[code], exponent);
                result.Codes[i] = negative ? code + (magnitudes.Length + 1 & ~1) : code;
            }
        }

        return result;
    }

    /// <summary>The least e with 2^e ≥ <paramref name="value"/>, a normal positive single.</summary>
    private static int CeilLog2(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return (bits >> 23) - 127 + ((bits & 0x7FFFFF) != 0 ? 1 : 0);
    }

    /// <summary>The index of the nearest magnitude; at a tie the even code, whose last mantissa bit is 0.</summary>
    private static int Nearest(double[] magnitudes, double value)
    {
        int above = Array.BinarySearch(magnitudes, value);
        if (above >= 0) return above;
        above = ~above;
        double toAbove = magnitudes[above] - value;
        double toBelow = value - magnitudes[above - 1];
        if (toAbove == toBelow) return above % 2 == 0 ? above : above - 1;
        return toAbove < toBelow ? above : above - 1;
    }
}
