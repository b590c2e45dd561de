using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>unit/quant and unit/cache_rounding: number formats, quantisers, quantised linears. All but the products are exact.</summary>
internal static class RoundingUnit
{
    private static readonly GoldenFile s_quant = UnitFiles.Open("quant");
    private static readonly GoldenFile s_cache = UnitFiles.Open("cache_rounding");

    /// <summary>Values, codes and exponents of every row of a group.</summary>
    public static void CheckQuantizer(string group, Func<double[], QuantizedRow> quantize)
    {
        string input = s_cache.Contains($"{group}.rotated_bf16") ? $"{group}.rotated_bf16" : $"{group}.x";
        QuantizedRow[] found = [.. s_cache.Rows(input).Select(quantize)];
        ErrorLog log = new($"cache_rounding {group}");
        log.Compare("out", [.. found.Select(row => row.Values)], s_cache.Rows($"{group}.out"), Tolerances.Exact);
        log.Same("sign of zero", found.SelectMany(row => row.Values).Select(Sign), s_cache.Doubles($"{group}.out").Select(Sign));
        log.Same("scale_exp", found.SelectMany(row => row.Exponents), s_cache.Ints($"{group}.scale_exp"));
        log.Same("code", found.SelectMany(row => row.Codes), s_cache.Bytes($"{group}.code").Select(code => (int)code));
        log.Finish();
    }

    /// <summary>The rotation in bf16 is exact, because rows near a rounding boundary were left out of the file.</summary>
    public static void CheckHadamard(string group, Func<double[], double[]> rotate)
    {
        double[][] found = [.. s_cache.Rows($"{group}.x").Select(rotate)];
        ErrorLog log = new($"cache_rounding {group}");
        log.CompareRelative("rotated", found, s_cache.Rows($"{group}.rotated"), Tolerances.Unit);
        double[][] rounded = [.. found.Select(ReferenceRounding.Bf16)];
        log.Compare("rotated_bf16", rounded, s_cache.Rows($"{group}.rotated_bf16"), Tolerances.Exact);
        log.Finish();
    }

    public static void CheckLinear(string name, Func<GoldenFile, string, ReferenceTensor> dequantize)
    {
        ReferenceTensor weight = dequantize(s_quant, $"{name}.weight");
        ErrorLog log = new($"quant {name}");
        log.Compare("dequant", weight.Values, s_quant.Doubles($"{name}.dequant"), Tolerances.Exact);
        log.CompareRelative("y", ReferenceLinear.Apply(weight, s_quant.Rows($"{name}.x")), s_quant.Rows($"{name}.y"), Tolerances.Unit);
        log.Finish();
    }

    public static void CheckActivations(string name, Func<double[], QuantizedRow> quantize)
    {
        ErrorLog log = new($"quant {name}");
        double[][] found = [.. s_quant.Rows("actquant.x").Select(row => quantize(row).Values)];
        log.Compare("values", found, s_quant.Rows($"actquant.{name}"), Tolerances.Exact);
        log.Finish();
    }

    public static void CheckHadamardExample(Func<double[], double[]> rotate)
    {
        ErrorLog log = new("quant hadamard");
        log.CompareRelative("out", [.. s_quant.Rows("hadamard.x").Select(rotate)], s_quant.Rows("hadamard.out"), Tolerances.Unit);
        log.Finish();
    }

    public static void CheckTables(Func<byte, double> e4m3, Func<int, double> e2m1, Func<byte, double> e8m0)
    {
        ErrorLog log = new("quant tables");
        // The file lists the NaN codes as 0.
        double[] fp8 = [.. s_quant.Bytes("table.e4m3_bytes").Select(e4m3).Select(value => double.IsNaN(value) ? 0 : value)];
        log.Compare("e4m3", fp8, s_quant.Doubles("table.e4m3_values"), Tolerances.Exact);
        log.Compare("e2m1", [.. Enumerable.Range(0, 16).Select(e2m1)], s_quant.Doubles("table.e2m1_values"), Tolerances.Exact);
        log.Compare("e8m0", [.. s_quant.Bytes("table.e8m0_bytes").Select(e8m0)], s_quant.Doubles("table.e8m0_values"), Tolerances.Exact);
        log.Finish();
    }

    private static int Sign(double value) => double.IsNegative(value) ? -1 : 1;
}
