using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>unit/compressor: entries of a prefill and of the single tokens after it.</summary>
internal static class CompressorUnit
{
    /// <summary>The prefix of the weights in <see cref="Case.Weights"/>.</summary>
    public const string Prefix = "compressor";

    private const int CsaRatio = 4;

    private static readonly GoldenFile s_file = UnitFiles.Open("compressor");

    internal sealed record Case(CompressorShape Shape, ReferenceTensors Weights, ReferenceRope Rope, double[][] X, int PrefillLength);

    /// <summary>Takes all entries of a case, in order.</summary>
    public static void Check(string name, Func<Case, double[][]> entries)
    {
        int[] p = s_file.Ints($"{name}.params");
        ReferenceTensors weights = ReferenceTensors.From(
        [
            KeyValuePair.Create($"{Prefix}.wkv.weight", s_file.Weight($"{name}.wkv")),
            KeyValuePair.Create($"{Prefix}.wgate.weight", s_file.Weight($"{name}.wgate")),
            KeyValuePair.Create($"{Prefix}.ape", s_file.Weight($"{name}.ape")),
            KeyValuePair.Create($"{Prefix}.norm.weight", s_file.Weight($"{name}.norm")),
        ]);
        CompressorShape shape = new(p[0], p[1], p[0] == CsaRatio, MhcUnit.Epsilon);
        double[][] found = entries(new Case(shape, weights, UnitFiles.Rope(p[2]), s_file.Rows($"{name}.x"), p[3]));

        ErrorLog log = new($"compressor {name}");
        double[][] prefill = s_file.Rows($"{name}.prefill_out");
        log.CompareRelative("entries", found, s_file.Rows($"{name}.all_entries"), Tolerances.Unit);
        log.CompareRelative("prefill entries", found[..prefill.Length], prefill, Tolerances.Unit);
        log.Finish();
    }
}
