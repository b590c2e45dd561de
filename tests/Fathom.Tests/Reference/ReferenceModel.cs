using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>Every value of a pass over S tokens that a golden file holds.</summary>
/// <param name="Tokens">(S)</param> <param name="Embedded">(S)(n_hc · d): equal copies.</param>
/// <param name="Layers">(L)</param> <param name="Logits">(S)(vocabulary)</param>
internal sealed record ReferenceTrace(int[] Tokens, double[][] Embedded, BlockTrace[] Layers, double[][] Logits)
{
    /// <summary>The streams after <paramref name="count"/> layers; 0 is the embedding.</summary>
    public double[][] StreamsAfter(int count) => count == 0 ? Embedded : Layers[count - 1].StreamsOut;
}

/// <summary>
/// DeepSeek-V4 as the paper has it, in plain loops and double precision, all tokens at once and without a cache: the judge of every fast path.
/// </summary>
internal sealed class ReferenceModel(ModelConfig config, ReferenceTensors weights, CacheRounding rounding = CacheRounding.None)
{
    public ModelConfig Config => config;

    public ReferenceTensors Weights => weights;

    public CacheRounding Rounding => rounding;

    /// <summary>Embed → blocks → mHC head → norm → logits of every position.</summary>
    public ReferenceTrace Run(int[] tokens)
    {
        double[][] embedded = [.. tokens.Select(Embed)];
        double[][] streams = embedded;
        BlockTrace[] layers = new BlockTrace[config.LayerCount];
        for (int layer = 0; layer < layers.Length; layer++)
        {
            layers[layer] = Block(layer).Run(streams, tokens, rounding);
            streams = layers[layer].StreamsOut;
        }

        return new ReferenceTrace(tokens, embedded, layers, Logits(config, weights, streams, ""));
    }

    /// <summary>MTP over a pass: row t uses the streams at t and token t + 1, so there is one row less than tokens.</summary>
    public MtpTrace RunMtp(ReferenceTrace trace) =>
        new ReferenceMtp(config, weights).Run(trace.StreamsAfter(config.LayerCount)[..^1], trace.Tokens[1..], rounding);

    /// <summary>One layer alone, for its parts.</summary>
    public ReferenceBlock Block(int layer) => new(config, LayerPlan.For(config, layer), weights, $"layers.{layer}");

    /// <summary>head · RMS(hc_head(X); norm), with the head's own weights under <paramref name="prefix"/>.</summary>
    public static double[][] Logits(ModelConfig config, ReferenceTensors weights, double[][] streams, string prefix) =>
        ReferenceLinear.ForEachRow(streams.Length, t =>
        {
            double[] z = ReferenceHyperConnection.Head(
                streams[t],
                weights[$"{prefix}hc_head_fn"],
                weights[$"{prefix}hc_head_scale"].Values[0],
                weights[$"{prefix}hc_head_base"].Values,
                config.RmsNormEpsilon,
                config.HcEpsilon);
            z = ReferenceLinear.RmsNorm(z, weights[$"{prefix}norm.weight"], config.RmsNormEpsilon);
            return ReferenceLinear.Apply(weights["head.weight"], z);
        });

    private double[] Embed(int token)
    {
        double[] row = weights["embed.weight"].Row(token);
        return [.. Enumerable.Repeat(row, config.HcMult).SelectMany(copy => copy)];
    }
}
