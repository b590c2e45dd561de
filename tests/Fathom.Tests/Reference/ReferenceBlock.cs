using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>One layer with every value a golden file holds. Streams are rows of n_hc · d.</summary>
internal sealed record BlockTrace(
    double[][] AttentionIn,
    AttentionTrace Attention,
    double[][] ExpertsIn,
    ExpertsTrace Experts,
    double[][] StreamsOut);

/// <summary>A layer: attention, then experts, each between mHC pre and post (§2.2).</summary>
internal sealed class ReferenceBlock(ModelConfig config, LayerPlan plan, ReferenceTensors weights, string prefix)
{
    private readonly ReferenceAttention _attention = new(config, plan, weights, $"{prefix}.attn");
    private readonly ReferenceExperts _experts = new(config, plan, weights, $"{prefix}.ffn");

    public ReferenceAttention Attention => _attention;

    public ReferenceExperts Experts => _experts;

    public BlockTrace Run(double[][] streams, int[] tokens, CacheRounding rounding)
    {
        HyperMix[] mix = Mix("hc_attn", streams);
        double[][] attentionIn = Normed(streams, mix, "attn_norm");
        AttentionTrace attention = _attention.Run(attentionIn, rounding);
        streams = Post(attention.Output, streams, mix);

        mix = Mix("hc_ffn", streams);
        double[][] expertsIn = Normed(streams, mix, "ffn_norm");
        ExpertsTrace experts = _experts.Run(expertsIn, tokens);
        return new BlockTrace(attentionIn, attention, expertsIn, experts, Post(experts.Output, streams, mix));
    }

    private HyperMix[] Mix(string site, double[][] streams) => ReferenceLinear.ForEachRow(streams.Length, t =>
        ReferenceHyperConnection.Split(
            ReferenceHyperConnection.Mixes(weights[$"{prefix}.{site}_fn"], streams[t], config.RmsNormEpsilon),
            weights[$"{prefix}.{site}_scale"].Values,
            weights[$"{prefix}.{site}_base"].Values,
            config.HcMult,
            config.HcSinkhornIterations,
            config.HcEpsilon));

    private double[][] Normed(double[][] streams, HyperMix[] mix, string norm) => ReferenceLinear.ForEachRow(streams.Length, t =>
        ReferenceLinear.RmsNorm(
            ReferenceHyperConnection.Gather(streams[t], mix[t].Pre),
            weights[$"{prefix}.{norm}.weight"],
            config.RmsNormEpsilon));

    private static double[][] Post(double[][] output, double[][] streams, HyperMix[] mix) =>
        ReferenceLinear.ForEachRow(streams.Length, t => ReferenceHyperConnection.Post(output[t], streams[t], mix[t]));
}
