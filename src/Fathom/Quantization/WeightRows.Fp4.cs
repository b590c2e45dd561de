using System.Numerics.Tensors;
using Fathom.Formats;
using Fathom.Model;

namespace Fathom.Quantization;

internal static partial class WeightRows
{
    // A step of half the size counts a quarter in a squared error.
    private const float QuarterSteps = 4;

    // Of two scales the one with the smaller squared error is taken: the smallest that covers the largest value, and half of it, which cuts
    // that value off but has finer steps for the other 31. Where both err alike, the covering one. (docs/decisions/0005)
    private static void EncodeFp4(ReadOnlySpan<float> x, Span<byte> pairs, Span<byte> scales)
    {
        const int Block = ExpectedWeight.Fp4Block;
        Span<byte> covering = stackalloc byte[Block], half = stackalloc byte[Block];
        for (int b = 0; b < scales.Length; b++)
        {
            ReadOnlySpan<float> block = x.Slice(b * Block, Block);
            byte code = Ue8m0.Covering(MathF.Abs(TensorPrimitives.MaxMagnitude(block)), Fp4E2M1.MaxValue);
            float error = RoundFp4(block, code, covering);
            bool halves = code > 0 && error > 0 && RoundFp4(block, (byte)(code - 1), half) < QuarterSteps * error;
            scales[b] = halves ? (byte)(code - 1) : code;
            Fp4E2M1.Pack(halves ? half : covering, pairs.Slice(b * (Block / 2), Block / 2));
        }
    }

    // Returns Σ (x / scale − code)²: in units of the scale, so that neither tiny nor huge weights leave the singles.
    private static float RoundFp4(ReadOnlySpan<float> block, byte scaleCode, Span<byte> codes)
    {
        float inverse = 1 / Ue8m0.Decode(scaleCode), error = 0;
        for (int i = 0; i < block.Length; i++)
        {
            float scaled = block[i] * inverse;
            byte code = codes[i] = Fp4E2M1.Encode(scaled);
            float difference = scaled - Fp4E2M1.Decode(code);
            error = MathF.FusedMultiplyAdd(difference, difference, error);
        }
        return error;
    }

    private static void DecodeFp4(ReadOnlySpan<byte> pairs, ReadOnlySpan<byte> scales, Span<float> x)
    {
        const int Block = ExpectedWeight.Fp4Block;
        for (int b = 0; b < scales.Length; b++)
        {
            float scale = Ue8m0.Decode(scales[b]);
            for (int i = b * Block; i < (b + 1) * Block; i += 2)
            {
                byte pair = pairs[i / 2];
                x[i] = Fp4E2M1.Decode(pair & 15) * scale;
                x[i + 1] = Fp4E2M1.Decode(pair >> 4) * scale;
            }
        }
    }
}
