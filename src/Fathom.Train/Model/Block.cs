using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>One layer: attention, then experts, each between the two halves of a hyper-connection (§2.2 of the report).</summary>
internal sealed class Block(ModelConfig config, LayerPlan plan, Parameters p)
{
    private readonly Attention _attention = new(config, plan, p);
    private readonly MixtureOfExperts _experts = new(config, plan, p);

    /// <summary>Carries the residual streams through the layer.</summary>
    /// <param name="step">the batch</param> <param name="streams">X, (T, n_hc · d)</param> <param name="tokens">(T), for hash routing</param>
    public Variable Forward(Step step, Variable streams, int[] tokens)
    {
        (Variable input, HyperMix mix) = HcPre.Apply(                                               // (T, n_hc, d) → (T, d)
            step.Tape, streams, Hc(WeightPart.HcAttentionFn, WeightPart.HcAttentionBase, WeightPart.HcAttentionScale), step.Streams);
        Variable normed = RmsNorm.Apply(step.Tape, input, p[WeightPart.AttentionNorm, plan.Layer], config.RmsNormEpsilon);
        streams = HcPost.Apply(step.Tape, streams, _attention.Forward(step, normed), mix);          // (T, d) → (T, n_hc, d)

        (input, mix) = HcPre.Apply(
            step.Tape, streams, Hc(WeightPart.HcExpertsFn, WeightPart.HcExpertsBase, WeightPart.HcExpertsScale), step.Streams);
        normed = RmsNorm.Apply(step.Tape, input, p[WeightPart.ExpertsNorm, plan.Layer], config.RmsNormEpsilon);
        return HcPost.Apply(step.Tape, streams, _experts.Forward(step, normed, tokens), mix);
    }

    private HyperConnectionWeights Hc(WeightPart fn, WeightPart bias, WeightPart scale) =>
        new(p[fn, plan.Layer], p[bias, plan.Layer], p[scale, plan.Layer]);
}
