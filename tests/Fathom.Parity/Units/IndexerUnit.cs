using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>unit/indexer: scores and chosen entries.</summary>
internal static class IndexerUnit
{
    /// <summary>The prefix of the weights in <see cref="Case.Weights"/>.</summary>
    public const string Prefix = "indexer";

    private const int Ratio = 4;

    // The file marks an entry that a query does not see with -1e30; no score comes near.
    private const double Hidden = -1e29;

    private static readonly GoldenFile s_file = UnitFiles.Open("indexer");

    internal sealed record Case(ReferenceIndexer.Shape Shape, ReferenceTensors Weights, ReferenceRope Rope, double[][] X, double[][] Latent);

    /// <summary>Takes (S)(entries) scores, −∞ where not visible, and the chosen entries ascending.</summary>
    public static void Check(string name, Func<Case, (double[][] Scores, int[][] TopK)> run)
    {
        int[] p = s_file.Ints($"{name}.params");
        IEnumerable<string> names = s_file.Names.Where(tensor =>
            tensor.StartsWith($"{name}.", StringComparison.Ordinal) && Path.GetExtension(tensor) is (".weight" or ".ape"));
        ReferenceTensors weights = ReferenceTensors.From(names.Select(tensor =>
            KeyValuePair.Create($"{Prefix}{tensor[name.Length..]}", s_file.Weight(tensor))));
        ReferenceIndexer.Shape shape = new(p[0], p[1], p[3], Ratio, MhcUnit.Epsilon);
        (double[][] scores, int[][] topK) = run(new Case(shape, weights, UnitFiles.Rope(p[2]), s_file.Rows($"{name}.x"), s_file.Rows($"{name}.qr")));

        ErrorLog log = new($"indexer {name}");
        double[][] golden = s_file.Rows($"{name}.scores");
        double[][] goldenTopK = s_file.Rows($"{name}.topk_sorted");
        double[][] visible = [.. golden.Select(row => row.Where(score => score > Hidden).ToArray())];
        log.CompareRelative("scores", [.. scores.Select((row, t) => row[..visible[t].Length])], visible, Tolerances.Unit);
        for (int t = 0; t < golden.Length; t++)
        {
            log.Same($"visible of token {t}", [scores[t].Count(double.IsFinite)], [visible[t].Length]);
            log.Same($"top k of token {t}", topK[t], goldenTopK[t].Where(entry => entry >= 0).Select(entry => (int)entry));
        }

        log.Finish();
    }
}
