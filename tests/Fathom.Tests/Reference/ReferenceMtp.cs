using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>The MTP block's streams and logits; row t predicts token t + 2.</summary>
internal sealed record MtpTrace(double[][] StreamsIn, BlockTrace Block, double[][] Logits);

/// <summary>
/// Multi-token prediction: the main model's streams at t and the token at t + 1 make the streams of one more block, at RoPE position t.
/// </summary>
internal sealed class ReferenceMtp(ModelConfig config, ReferenceTensors weights)
{
    private const string Prefix = "mtp.0";

    /// <param name="streams">(T)(n_hc · d): the main model's streams before its head.</param>
    /// <param name="nextTokens">(T): for each row, the token after it.</param> <param name="rounding">How the cache is rounded.</param>
    public MtpTrace Run(double[][] streams, int[] nextTokens, CacheRounding rounding)
    {
        double[][] streamsIn = ReferenceLinear.ForEachRow(streams.Length, t => Join(streams[t], nextTokens[t]));
        ReferenceBlock block = new(config, LayerPlan.For(config, config.LayerCount), weights, Prefix);
        BlockTrace trace = block.Run(streamsIn, nextTokens, rounding);
        return new MtpTrace(streamsIn, trace, ReferenceModel.Logits(config, weights, trace.StreamsOut, $"{Prefix}."));
    }

    /// <summary>X_i = e_proj · RMS(embed; enorm) + h_proj · RMS(H_i; hnorm).</summary>
    private double[] Join(double[] streams, int token)
    {
        double[] embedding = ReferenceLinear.RmsNorm(weights["embed.weight"].Row(token), weights[$"{Prefix}.enorm.weight"], config.RmsNormEpsilon);
        double[] e = ReferenceLinear.Apply(weights[$"{Prefix}.e_proj.weight"], embedding);
        return [.. streams.Chunk(config.HiddenSize).SelectMany(stream =>
        {
            double[] normed = ReferenceLinear.RmsNorm(stream, weights[$"{Prefix}.hnorm.weight"], config.RmsNormEpsilon);
            double[] h = ReferenceLinear.Apply(weights[$"{Prefix}.h_proj.weight"], normed);
            return h.Select((value, i) => value + e[i]);
        })];
    }
}
