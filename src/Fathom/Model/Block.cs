using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>One layer: attention, then experts, each between the two halves of a hyper-connection (§2.2 of the report).</summary>
internal sealed class Block(Device device, ModelConfig config, LayerPlan plan)
{
    private readonly Attention _attention = new(device, config, plan);
    private readonly MixtureOfExperts _experts = new(device, config);

    /// <summary>Carries the residual streams through the layer.</summary>
    /// <param name="batch">the tokens</param>
    /// <param name="w">the layer's weights</param>
    /// <param name="streams">X, (T, n_hc · d), in place</param>
    /// <param name="s">activations</param>
    public void Forward(Batch batch, LayerWeights w, in Tensor streams, Workspace s)
    {
        device.HcPre(streams, w.AttentionHc, s.LayerInput, s.Mix);                        // (T, n_hc, d) → (T, d)
        device.RmsNorm(s.LayerInput, w.AttentionNorm, config.RmsNormEpsilon, s.Normed);
        _attention.Forward(batch, w.Attention, s);
        device.HcPost(streams, s.LayerOutput, s.Mix);                                     // (T, d) → (T, n_hc, d)

        device.HcPre(streams, w.ExpertsHc, s.LayerInput, s.Mix);
        device.RmsNorm(s.LayerInput, w.ExpertsNorm, config.RmsNormEpsilon, s.Normed);
        _experts.Forward(w.Experts, s);
        device.HcPost(streams, s.LayerOutput, s.Mix);
    }
}
