using Fathom.Model;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Goldens;

/// <summary>Judges one layer's attention, computed with the released cache rounding from the golden input.</summary>
internal static class MixedJudge
{
    private const int Bf16MantissaBits = 7;
    private const int Fp8MantissaBits = 3;
    private const int Fp4MantissaBits = 1;
    private const double Fp8Least = 1.0 / 512;
    private const double Fp4Least = 0.5;

    /// <summary>The layer's input at every position, (S)(d).</summary>
    public static double[][] Input(GoldenCase golden, int layer) => golden.Slice("attn_in_all", layer, golden.Config.HiddenSize);

    public static void Layer(GoldenCase golden, int layer, AttentionTrace trace, ErrorLog log)
    {
        double[][] expected = golden.Slice("attn_out_all", layer, golden.Config.HiddenSize);
        double[] differences = [.. trace.Output.Zip(expected, (a, g) => a.Zip(g, (x, y) => Math.Abs(x - y))).SelectMany(row => row)];
        log.Limit("attn_out max", differences.Max(), Tolerances.MixedAttentionMax);
        log.Limit("attn_out mean", differences.Average(), Tolerances.MixedAttentionMean);

        KeyValues(golden, $"window_kv.{layer}", trace.Window.Rows, log);
        if (trace.Compressed is { } compressed) KeyValues(golden, $"compressed_kv.{layer}", compressed.Rows, log);
        if (trace.Index is not { } index) return;
        IndexRows($"index_k.{layer}", index.Keys.Rows, golden.Values.Rows($"index_k.{layer}"), log);
        double[][] queries = [.. golden.HiddenPositions.SelectMany(position => index.Queries[position])];
        IndexRows($"index_q.{layer}", queries, golden.Values.Rows($"index_q.{layer}"), log);
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

    private static void KeyValues(GoldenCase golden, string name, double[][] actual, ErrorLog log)
    {
        double[][] expected = golden.Values.Rows(name);
        int nonRotary = golden.Config.NonRotaryDim;
        int different = 0;
        double farthest = 0;
        for (int row = 0; row < expected.Length; row++)
        {
            for (int i = 0; i < expected[row].Length; i++)
            {
                if (actual[row][i] == expected[row][i]) continue;
                different++;
                double step = i < nonRotary
                    ? Step(actual[row], expected[row], i, (ReferenceRounding.KvBlock, Fp8MantissaBits, Fp8Least))
                    : Ulp(Math.Max(Math.Abs(actual[row][i]), Math.Abs(expected[row][i])), Bf16MantissaBits);
                farthest = Math.Max(farthest, Math.Abs(actual[row][i] - expected[row][i]) / step);
            }
        }

        int all = expected.Length * golden.Config.HeadDim;
        log.Limit($"{name[..name.IndexOf('.')]} share of values different", (double)different / all, Tolerances.CacheSteps);
        log.Limit($"{name[..name.IndexOf('.')]} steps apart", farthest, 1);
    }

    private static void IndexRows(string name, double[][] actual, double[][] expected, ErrorLog log)
    {
        int different = 0;
        double farthest = 0;
        for (int row = 0; row < expected.Length; row++)
        {
            for (int i = 0; i < expected[row].Length; i++)
            {
                if (actual[row][i] == expected[row][i]) continue;
                different++;
                double step = Step(actual[row], expected[row], i, (ReferenceRounding.IndexBlock, Fp4MantissaBits, Fp4Least));
                farthest = Math.Max(farthest, Math.Abs(actual[row][i] - expected[row][i]) / step);
            }
        }

        log.Limit($"{name[..name.IndexOf('.')]} share of values different", (double)different / (expected.Length * expected[0].Length), Tolerances.CacheSteps);
        log.Limit($"{name[..name.IndexOf('.')]} steps apart", farthest, 1);
    }

    /// <summary>The distance of neighbouring codes at a value; the scale is recovered from the block, as values are codes times a power of two.</summary>
    private static double Step(double[] actual, double[] expected, int index, (int Size, int MantissaBits, double Least) format)
    {
        int begin = index / format.Size * format.Size;
        QuantizedRow block = format.MantissaBits == Fp8MantissaBits
            ? ReferenceRounding.Fp8(expected.AsSpan(begin, format.Size), format.Size)
            : ReferenceRounding.Fp4(expected.AsSpan(begin, format.Size), format.Size);
        double largest = Math.Max(Math.Abs(actual[index]), Math.Abs(expected[index]));
        return Math.Max(Ulp(largest, format.MantissaBits), Math.ScaleB(format.Least, block.Exponents[0]));
    }

    private static double Ulp(double value, int mantissaBits) => Math.ScaleB(1, Math.ILogB(value) - mantissaBits);
}
