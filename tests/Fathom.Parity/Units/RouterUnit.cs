using Fathom.Devices;
using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>unit/router: logits, scores, chosen experts and their weights.</summary>
internal static class RouterUnit
{
    private static readonly GoldenFile s_file = UnitFiles.Open("router");

    /// <param name="Weight">(E, d)</param> <param name="Bias">(E), null for hash routing.</param>
    /// <param name="HashRow">The token's experts, null for scored routing.</param>
    internal sealed record Case(
        double[] X, ReferenceTensor Weight, double[]? Bias, int[]? HashRow, ScoringFunction Scoring, bool Normalize, int Count, float Scale);

    internal sealed record Result(double[] Logits, double[] Scores, Routing Routing);

    public static void Check(string name, ScoringFunction scoring, Func<Case, Result> route)
    {
        ErrorLog log = new($"router {name}");
        bool hash = s_file.Contains($"{name}.tid2eid");
        ReferenceTensor? table = hash ? s_file.Weight($"{name}.tid2eid") : null;
        int[] tokens = hash ? s_file.Ints($"{name}.input_ids") : [];
        double[][] x = s_file.Rows($"{name}.x");
        Result[] found = [.. x.Select((row, t) => route(new Case(
            row,
            s_file.Weight($"{name}.weight"),
            hash ? null : s_file.Doubles($"{name}.bias"),
            table is null ? null : Array.ConvertAll(table.Row(tokens[t]), id => (int)id),
            scoring,
            Normalize: scoring != ScoringFunction.Softmax,
            s_file.Ints($"{name}.params")[1],
            (float)s_file.Doubles($"{name}.route_scale")[0])))];

        log.CompareRelative("logits", [.. found.Select(r => r.Logits)], s_file.Rows($"{name}.logits"), Tolerances.Unit);
        log.CompareRelative("scores", [.. found.Select(r => r.Scores)], s_file.Rows($"{name}.scores"), Tolerances.Unit);
        log.CompareRelative("weights", [.. found.Select(r => r.Routing.Weights)], s_file.Rows($"{name}.topk_weights"), Tolerances.Unit);
        log.Same("ids", found.SelectMany(r => r.Routing.Ids), s_file.Ints($"{name}.topk_idx"));
        log.Finish();
    }
}
