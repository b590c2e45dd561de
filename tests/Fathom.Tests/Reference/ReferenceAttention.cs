using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>One layer's attention with what its cache holds.</summary>
/// <param name="Output">(S, d)</param> <param name="Window">(S, c): one key-value row per token.</param>
/// <param name="Compressed">Entries, or null in a layer without compression.</param> <param name="Index">Null in a layer without an indexer.</param>
internal sealed record AttentionTrace(double[][] Output, CachedRows Window, CachedRows? Compressed, IndexTrace? Index);

/// <summary>Attention (§2.3): low-rank queries, one shared key-value row, window ∪ compressed entries, sink, grouped output.</summary>
internal sealed class ReferenceAttention(ModelConfig config, LayerPlan plan, ReferenceTensors weights, string prefix)
{
    private readonly ReferenceRope _rope = ReferenceRope.For(config, plan.UsesCompressRope);

    /// <param name="x">(S, d): the normed input of tokens 0…S−1.</param> <param name="rounding">How the cache is rounded.</param>
    public AttentionTrace Run(double[][] x, CacheRounding rounding)
    {
        double[][] latent = ReferenceLinear.ForEachRow(x.Length, p =>
            ReferenceLinear.RmsNorm(ReferenceLinear.Apply(Weight("wq_a"), x[p]), Weight("q_norm"), config.RmsNormEpsilon));
        CachedRows window = KeyValues(x, rounding);
        CachedRows? compressed = plan.Attention == AttentionKind.Window ? null : Compressor().KeyValues(x, rounding);
        IndexTrace? index = plan.Attention == AttentionKind.Csa ? Indexer().Run(x, latent, rounding) : null;
        double[] sink = weights[$"{prefix}.attn_sink"].Values;

        double[][] output = ReferenceLinear.ForEachRow(x.Length, p =>
        {
            double[][] candidates = Candidates(p, window.Rows, compressed?.Rows ?? [], index?.TopK[p]);
            double[][] heads = SparseAttention(Queries(latent[p], p), candidates, sink);
            return Project([.. heads.Select(head => _rope.Rotate(head, p, inverse: true))]);
        });
        return new AttentionTrace(output, window, compressed, index);
    }

    /// <summary>o_h = Σ_j e^(s_hj − μ) kv_j / (Σ_j e^(s_hj − μ) + e^(sink_h − μ)), s_hj = q_h · kv_j / √c.</summary>
    /// <param name="queries">(n_h)(c)</param> <param name="keyValues">(candidates)(c)</param> <param name="sink">(n_h), not scaled</param>
    public static double[][] SparseAttention(double[][] queries, double[][] keyValues, double[] sink)
    {
        double[][] output = new double[queries.Length][];
        for (int h = 0; h < queries.Length; h++)
        {
            double[] q = queries[h];
            double[] scores = Array.ConvertAll(keyValues, kv => ReferenceLinear.Dot(q, kv) / Math.Sqrt(q.Length));
            double most = scores.Aggregate(sink[h], Math.Max);
            double sum = Math.Exp(sink[h] - most);
            double[] o = new double[q.Length];
            for (int j = 0; j < scores.Length; j++)
            {
                double weight = Math.Exp(scores[j] - most);
                double[] kv = keyValues[j];
                sum += weight;
                for (int i = 0; i < o.Length; i++) o[i] += weight * kv[i];
            }

            output[h] = Array.ConvertAll(o, value => value / sum);
        }

        return output;
    }

    /// <summary>A key-value row as the cache keeps it: FP8 over the non-rotary dimensions, the rotary ones bf16 already.</summary>
    public static double[] RoundCachedRow(double[] row, ReferenceRope rope, CacheRounding rounding)
    {
        if (rounding == CacheRounding.None) return row;
        int nonRotary = row.Length - 2 * rope.Frequencies.Length;
        return [.. ReferenceRounding.Fp8(row.AsSpan(0, nonRotary), ReferenceRounding.KvBlock).Values, .. row[nonRotary..]];
    }

    /// <summary>The window's rows: kv_norm(wkv · x), rotated to their positions.</summary>
    private CachedRows KeyValues(double[][] x, CacheRounding rounding)
    {
        bool rounds = rounding == CacheRounding.ReleasedMixed;
        double[][] before = ReferenceLinear.ForEachRow(x.Length, p =>
        {
            double[] kv = ReferenceLinear.Apply(Weight("wkv"), x[p]);
            if (rounds) kv = ReferenceRounding.Bf16(kv);
            kv = ReferenceLinear.RmsNorm(kv, Weight("kv_norm"), config.RmsNormEpsilon);
            if (rounds) kv = ReferenceRounding.Bf16(kv);
            kv = _rope.Rotate(kv, p);
            return rounds ? ReferenceRounding.Bf16(kv) : kv;
        });
        return new CachedRows(before, [.. before.Select(row => RoundCachedRow(row, _rope, rounding))]);
    }

    /// <summary>Per head: RMS without a weight, then RoPE.</summary>
    private double[][] Queries(double[] latent, int position) =>
        [.. ReferenceLinear.Apply(Weight("wq_b"), latent).Chunk(config.HeadDim).Select(head =>
        {
            double rms = ReferenceLinear.InverseRms(head, config.RmsNormEpsilon);
            return _rope.Rotate(Array.ConvertAll(head, value => value * rms), position);
        })];

    /// <summary>The last n_win rows, the query's own included, and the compressed entries that are finished (HCA) or chosen (CSA).</summary>
    private double[][] Candidates(int position, double[][] window, double[][] compressed, int[]? chosen)
    {
        int first = Math.Max(0, position + 1 - config.SlidingWindow);
        double[][] recent = window[first..(position + 1)];
        return plan.Attention switch
        {
            AttentionKind.Window => recent,
            AttentionKind.Hca => [.. recent, .. compressed[..((position + 1) / plan.Ratio)]],
            _ => [.. recent, .. (chosen ?? []).Select(entry => compressed[entry])],
        };
    }

    /// <summary>wo_b · concat_g(wo_a,g · heads of group g).</summary>
    private double[] Project(double[][] heads)
    {
        ReferenceTensor woA = Weight("wo_a");
        double[] concatenated = [.. heads.SelectMany(head => head)];
        double[] latent = new double[woA.Shape[0]];
        for (int row = 0; row < latent.Length; row++)
        {
            int group = row / config.OutputRank;
            latent[row] = ReferenceLinear.Dot(woA.Row(row), concatenated.AsSpan(group * woA.Columns, woA.Columns));
        }

        return ReferenceLinear.Apply(Weight("wo_b"), latent);
    }

    private ReferenceCompressor Compressor() =>
        new(weights, $"{prefix}.compressor", new CompressorShape(plan.Ratio, config.HeadDim, plan.Overlaps, config.RmsNormEpsilon), _rope);

    private ReferenceIndexer Indexer() => new(
        weights,
        $"{prefix}.indexer",
        new ReferenceIndexer.Shape(config.IndexHeadCount, config.IndexHeadDim, config.IndexTopK, plan.Ratio, config.RmsNormEpsilon),
        _rope);

    private ReferenceTensor Weight(string name) => weights[$"{prefix}.{name}.weight"];
}
