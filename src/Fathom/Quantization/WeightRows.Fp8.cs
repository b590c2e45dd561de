using System.Numerics.Tensors;
using Fathom.Formats;
using Fathom.Model;

namespace Fathom.Quantization;

internal static partial class WeightRows
{
    // A block is up to 128 rows by 128 columns; those at the edges are smaller. The scale covers the largest value: at another power of two
    // E4M3 keeps the same three bits of mantissa, so a smaller scale would only cut off large values and a larger one only lose small ones.
    private static void EncodeFp8(ReadOnlySpan<float> x, int columns, Span<byte> codes, Span<byte> scales)
    {
        for (int first = 0; first < columns; first += ExpectedWeight.Fp8Block)
        {
            int count = Math.Min(ExpectedWeight.Fp8Block, columns - first);
            float amplitude = 0;
            for (int at = first; at < x.Length; at += columns)
            {
                amplitude = MathF.Max(amplitude, MathF.Abs(TensorPrimitives.MaxMagnitude(x.Slice(at, count))));
            }
            byte scaleCode = scales[first / ExpectedWeight.Fp8Block] = Ue8m0.Covering(amplitude, Fp8E4M3.MaxValue);
            float inverse = 1 / Ue8m0.Decode(scaleCode);                                  // exact, as its product with x is
            for (int at = first; at < x.Length; at += columns)
            {
                for (int i = at; i < at + count; i++)
                {
                    codes[i] = Fp8E4M3.Encode(x[i] * inverse);
                }
            }
        }
    }

    private static void DecodeFp8(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> scales, int columns, Span<float> x)
    {
        for (int first = 0; first < columns; first += ExpectedWeight.Fp8Block)
        {
            int count = Math.Min(ExpectedWeight.Fp8Block, columns - first);
            float scale = Ue8m0.Decode(scales[first / ExpectedWeight.Fp8Block]);
            for (int at = first; at < x.Length; at += columns)
            {
                for (int i = at; i < at + count; i++)
                {
                    x[i] = Fp8E4M3.Decode(codes[i]) * scale;
                }
            }
        }
    }
}
