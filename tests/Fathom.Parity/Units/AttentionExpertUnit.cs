using Fathom.Parity.Goldens;
using Fathom.Tests.Reference;

namespace Fathom.Parity.Units;

/// <summary>unit/attention_expert: sparse attention with a sink, and a SwiGLU expert with and without its clamp.</summary>
internal static class AttentionExpertUnit
{
    private static readonly GoldenFile s_file = UnitFiles.Open("attention_expert");

    /// <param name="queries">(n_h)(c)</param> <param name="keyValues">(rows)(c)</param> <param name="chosen">Rows to attend to; −1 is none.</param>
    /// <param name="sink">(n_h)</param> <returns>(n_h)(c)</returns>
    internal delegate double[][] Attend(double[][] queries, double[][] keyValues, int[] chosen, double[] sink);

    internal delegate double[] Expert(double[] x, ReferenceTensor w1, ReferenceTensor w2, ReferenceTensor w3, double limit);

    public static void CheckAttention(string name, Attend attend)
    {
        int[] shape = s_file.Shape($"{name}.q");
        double[][] queries = s_file.Rows($"{name}.q");
        double[][] chosen = s_file.Rows($"{name}.idx");
        double[][] keyValues = s_file.Rows($"{name}.kv");
        double[] sink = s_file.Doubles($"{name}.sink");
        double[][] found = [.. Enumerable.Range(0, shape[0]).SelectMany(t =>
            attend(queries[(t * shape[1])..((t + 1) * shape[1])], keyValues, Array.ConvertAll(chosen[t], row => (int)row), sink))];

        ErrorLog log = new($"attention {name}");
        log.CompareRelative("out", found, s_file.Rows($"{name}.out"), Tolerances.Unit);
        log.Finish();
    }

    public static void CheckExpert(Expert expert)
    {
        ErrorLog log = new("expert");
        foreach ((string name, double limit) in new[] { ("out_nolimit", 0.0), ("out_limit1.5", 1.5) })
        {
            double[][] found = [.. s_file.Rows("expert.x").Select(x =>
                expert(x, s_file.Weight("expert.w1"), s_file.Weight("expert.w2"), s_file.Weight("expert.w3"), limit))];
            log.CompareRelative(name, found, s_file.Rows($"expert.{name}"), Tolerances.Unit);
        }

        log.Finish();
    }
}
