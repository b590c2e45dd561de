using Fathom.Model;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Goldens;

/// <summary>Judges one layer's attention, computed with the released cache rounding from the golden input.</summary>
internal static class MixedJudge
{
    private const int Bf16MantissaBits = 7;

    private static readonly Format s_fp8 = new(3, 1.0 / 512, row => ReferenceRounding.Fp8(row, ReferenceRounding.KvBlock), ReferenceRounding.KvBlock);
    private static readonly Format s_fp4 = new(1, 0.5, row => ReferenceRounding.Fp4(row, ReferenceRounding.IndexBlock), ReferenceRounding.IndexBlock);

    /// <summary>The layer's input at every position, (S)(d).</summary>
    public static double[][] Input(GoldenCase golden, int layer) => golden.Slice("attn_in_all", layer, golden.Config.HiddenSize);

    public static void Layer(GoldenCase golden, int layer, AttentionTrace trace, ErrorLog log)
    {
        double[][] expected = golden.Slice("attn_out_all", layer, golden.Config.HiddenSize);
        double[] differences = [.. trace.Output.Zip(expected, (a, g) => a.Zip(g, (x, y) => Math.Abs(x - y))).SelectMany(row => row)];
        log.Limit("attn_out max", differences.Max(), Tolerances.MixedAttentionMax);
        log.Limit("attn_out mean", differences.Average(), Tolerances.MixedAttentionMean);

        int nonRotary = golden.Config.NonRotaryDim;
        Rows(golden, "window_kv", layer, trace.Window.Rows, (nonRotary, s_fp8), log);
        if (trace.Compressed is { } compressed) Rows(golden, "compressed_kv", layer, compressed.Rows, (nonRotary, s_fp8), log);
        if (trace.Index is not { } index) return;
        int width = golden.Config.IndexHeadDim;
        Rows(golden, "index_k", layer, index.Keys.Rows, (width, s_fp4), log);
        Rows(golden, "index_q", layer, [.. golden.HiddenPositions.SelectMany(position => index.Queries[position])], (width, s_fp4), log);
    }

    /// <summary>The FP8 and FP4 steps alone: golden rows before them must give the golden rows after them, bit for bit.</summary>
    public static void Steps(
        GoldenCase golden, int layer, Func<double[], double[]> roundKeyValue, Func<double[], double[]> roundIndexRow, ErrorLog log)
    {
        LayerPlan plan = LayerPlan.For(golden.Config, layer);
        Step("window_kv", roundKeyValue);
        if (plan.Attention != AttentionKind.Window) Step("compressed_kv", roundKeyValue);
        if (plan.Attention != AttentionKind.Csa) return;
        Step("index_k", roundIndexRow);
        Step("index_q", roundIndexRow);

        void Step(string name, Func<double[], double[]> round)
        {
            double[][] before = golden.Values.Rows($"{name}_pre.{layer}");
            log.Compare($"{name} step", [.. before.Select(round)], golden.Values.Rows($"{name}.{layer}"), Tolerances.Exact);
        }
    }

    /// <summary>How many values of a cached tensor differ, and by how many steps of their own format.</summary>
    private static void Rows(
        GoldenCase golden, string name, int layer, double[][] actual, (int Width, Format Format) quantized, ErrorLog log)
    {
        double[][] before = golden.Values.Rows($"{name}_pre.{layer}");
        double[][] expected = golden.Values.Rows($"{name}.{layer}");
        int different = 0;
        double farthest = 0;
        for (int row = 0; row < expected.Length; row++)
        {
            int[] exponents = quantized.Format.Quantize(before[row][..quantized.Width]).Exponents;
            for (int i = 0; i < expected[row].Length; i++)
            {
                if (actual[row][i] == expected[row][i]) continue;
                different++;
                double step = i < quantized.Width
                    ? quantized.Format.Step(Math.Max(Math.Abs(actual[row][i]), Math.Abs(expected[row][i])), exponents[i / quantized.Format.Block])
                    : RotaryStep(expected[row], i, quantized.Width);
                farthest = Math.Max(farthest, Math.Abs(actual[row][i] - expected[row][i]) / step);
            }
        }

        log.Limit($"{name} share of values different", (double)different / expected.Sum(row => row.Length), Tolerances.CacheSteps);
        log.Limit($"{name} steps apart", farthest, 1);
    }

    /// <summary>
    /// How far one step of wkv's bf16 output can carry: it is up to two after the norm, whose factor may move the value towards the end of a
    /// binade, and the rotation can bring it whole into the pair's smaller half.
    /// </summary>
    private static double RotaryStep(double[] row, int index, int first)
    {
        int even = first + (index - first) / 2 * 2;
        return 2 * Ulp(Math.Sqrt(row[even] * row[even] + row[even + 1] * row[even + 1]), Bf16MantissaBits);
    }

    private static double Ulp(double value, int mantissaBits) => Math.ScaleB(1, Math.ILogB(value) - mantissaBits);

    /// <summary>A small float format in blocks; <paramref name="Least"/> is the distance of its subnormal codes at scale 1.</summary>
    private sealed record Format(int MantissaBits, double Least, Func<double[], QuantizedRow> Quantize, int Block)
    {
        public double Step(double value, int exponent) => Math.Max(Ulp(value, MantissaBits), Math.ScaleB(Least, exponent));
    }
}
