namespace Fathom.Tests.Reference;

/// <summary>What the lightning indexer chose, and from what.</summary>
/// <param name="Queries">(S)(n_h^I)(c^I) after rounding.</param> <param name="QueriesBefore">The same before FP4.</param>
/// <param name="Keys">(entries)(c^I)</param> <param name="Scores">(S)(entries); −∞ where a query does not see the entry.</param>
/// <param name="TopK">(S): chosen entries, ascending.</param>
internal sealed record IndexTrace(double[][][] Queries, double[][][] QueriesBefore, CachedRows Keys, double[][] Scores, int[][] TopK);

/// <summary>The lightning indexer of CSA (§2.3): which compressed entries each query attends to.</summary>
internal sealed class ReferenceIndexer(ReferenceTensors weights, string prefix, ReferenceIndexer.Shape shape, ReferenceRope rope)
{
    private readonly ReferenceTensor _wqB = weights[$"{prefix}.wq_b.weight"];
    private readonly ReferenceTensor _weightsProj = weights[$"{prefix}.weights_proj.weight"];

    /// <summary>What the indexer knows beside its weights.</summary>
    internal sealed record Shape(int HeadCount, int HeadDim, int TopK, int Ratio, double RmsEpsilon);

    /// <param name="x">(S, d): the attention's input.</param> <param name="latent">(S, q_lora): the normed query latent.</param>
    /// <param name="rounding">How queries and keys are rounded.</param>
    public IndexTrace Run(double[][] x, double[][] latent, CacheRounding rounding)
    {
        CompressorShape compressor = new(shape.Ratio, shape.HeadDim, Overlaps: true, shape.RmsEpsilon);
        CachedRows keys = new ReferenceCompressor(weights, $"{prefix}.compressor", compressor, rope).IndexKeys(x, rounding);
        CachedRows[] queries = ReferenceLinear.ForEachRow(x.Length, p => Queries(latent[p], p, rounding));
        double[][] scores = ReferenceLinear.ForEachRow(x.Length, p => Scores(x[p], queries[p].Rows, keys.Rows, p));
        return new IndexTrace(
            [.. queries.Select(q => q.Rows)],
            [.. queries.Select(q => q.Before)],
            keys,
            scores,
            [.. scores.Select((row, p) => TopK(row, Math.Min(shape.TopK, (p + 1) / shape.Ratio)))]);
    }

    /// <summary>The <paramref name="count"/> best, ascending by index; a tie goes to the lower index.</summary>
    public static int[] TopK(double[] scores, int count) =>
        [.. Enumerable.Range(0, scores.Length).OrderByDescending(w => scores[w]).ThenBy(w => w).Take(count).Order()];

    /// <summary>Hadamard, bf16 and FP4 of queries or keys; the rotation is orthogonal, so without FP4 it is left out.</summary>
    public static CachedRows Round(double[][] rows, CacheRounding rounding)
    {
        if (rounding == CacheRounding.None) return new CachedRows(rows, rows);
        double[][] before = [.. rows.Select(row => ReferenceRounding.Bf16(ReferenceRounding.Hadamard(row)))];
        return new CachedRows(before, [.. before.Select(row => ReferenceRounding.Fp4(row, ReferenceRounding.IndexBlock).Values)]);
    }

    private CachedRows Queries(double[] latent, int position, CacheRounding rounding)
    {
        double[] q = ReferenceLinear.Apply(_wqB, latent);
        if (rounding == CacheRounding.ReleasedMixed) q = ReferenceRounding.Bf16(q);
        double[][] heads = [.. q.Chunk(shape.HeadDim).Select(head => rope.Rotate(head, position))];
        if (rounding == CacheRounding.ReleasedMixed) heads = [.. heads.Select(ReferenceRounding.Bf16)];
        return Round(heads, rounding);
    }

    /// <summary>S_w = Σ_j ω_j · ReLU(q_j · k_w).</summary>
    private double[] Scores(double[] x, double[][] queries, double[][] keys, int position)
    {
        double scale = 1 / Math.Sqrt((double)shape.HeadDim * shape.HeadCount);
        double[] omega = ReferenceLinear.Apply(_weightsProj, x);
        double[] scores = new double[keys.Length];
        for (int w = 0; w < scores.Length; w++)
        {
            if (w >= (position + 1) / shape.Ratio)
            {
                scores[w] = double.NegativeInfinity;
                continue;
            }

            for (int j = 0; j < queries.Length; j++)
            {
                scores[w] += omega[j] * scale * Math.Max(0, ReferenceLinear.Dot(queries[j], keys[w]));
            }
        }

        return scores;
    }
}
