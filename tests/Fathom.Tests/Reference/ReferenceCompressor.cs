namespace Fathom.Tests.Reference;

/// <summary>Rows of a cache before and after their FP8 or FP4 step; the same rows without rounding.</summary>
internal sealed record CachedRows(double[][] Before, double[][] Rows);

/// <summary>What a compressor knows beside its weights.</summary>
internal sealed record CompressorShape(int Ratio, int HeadDim, bool Overlaps, double RmsEpsilon);

/// <summary>Token-level compression (§2.3): one entry per window of <c>Ratio</c> tokens, pooled channel by channel with a softmax over tokens.</summary>
internal sealed class ReferenceCompressor(ReferenceTensors weights, string prefix, CompressorShape shape, ReferenceRope rope)
{
    private readonly ReferenceTensor _wkv = weights[$"{prefix}.wkv.weight"];
    private readonly ReferenceTensor _wgate = weights[$"{prefix}.wgate.weight"];
    private readonly ReferenceTensor _ape = weights[$"{prefix}.ape"];
    private readonly ReferenceTensor _norm = weights[$"{prefix}.norm.weight"];

    /// <summary>All entries of the main compressor whose last token is among <paramref name="x"/> (S, d).</summary>
    public CachedRows KeyValues(double[][] x, CacheRounding rounding)
    {
        double[][] before = Entries(x, rounding);
        return new CachedRows(before, [.. before.Select(row => ReferenceAttention.RoundCachedRow(row, rope, rounding))]);
    }

    /// <summary>All entries of an indexer's compressor.</summary>
    public CachedRows IndexKeys(double[][] x, CacheRounding rounding) => ReferenceIndexer.Round(Entries(x, rounding), rounding);

    /// <summary>Entries pooled, normed and rotated to the position of their window's first token.</summary>
    public double[][] Entries(double[][] x, CacheRounding rounding)
    {
        double[][] a = ReferenceLinear.Apply(_wkv, x);
        double[][] b = ReferenceLinear.Apply(_wgate, x);
        for (int t = 0; t < b.Length; t++)
        {
            for (int u = 0; u < b[t].Length; u++) b[t][u] += _ape.Values[t % shape.Ratio * _ape.Columns + u];
        }

        return ReferenceLinear.ForEachRow(x.Length / shape.Ratio, w =>
        {
            double[] entry = Pool(a, b, w);
            if (rounding == CacheRounding.ReleasedMixed) entry = ReferenceRounding.Bf16(entry);
            entry = ReferenceLinear.RmsNorm(entry, _norm, shape.RmsEpsilon);
            if (rounding == CacheRounding.ReleasedMixed) entry = ReferenceRounding.Bf16(entry);
            entry = rope.Rotate(entry, w * shape.Ratio);
            return rounding == CacheRounding.ReleasedMixed ? ReferenceRounding.Bf16(entry) : entry;
        });
    }

    /// <summary>With overlap, tokens of the window before give their first half of channels, tokens of the own window their second.</summary>
    private double[] Pool(double[][] a, double[][] b, int window)
    {
        List<(int Token, int FirstChannel)> slots = [];
        if (shape.Overlaps && window > 0) Add(window - 1, 0);
        Add(window, shape.Overlaps ? shape.HeadDim : 0);

        double[] entry = new double[shape.HeadDim];
        for (int u = 0; u < entry.Length; u++)
        {
            double most = double.NegativeInfinity;
            foreach ((int token, int first) in slots) most = Math.Max(most, b[token][first + u]);
            double sum = 0;
            foreach ((int token, int first) in slots)
            {
                double weight = Math.Exp(b[token][first + u] - most);
                sum += weight;
                entry[u] += weight * a[token][first + u];
            }

            entry[u] /= sum;
        }

        return entry;

        void Add(int ofWindow, int firstChannel)
        {
            for (int s = 0; s < shape.Ratio; s++) slots.Add((ofWindow * shape.Ratio + s, firstChannel));
        }
    }
}
