using Fathom.Devices;

namespace Fathom.Model;

/// <summary>
/// The mixture of experts (§2.1 of the report): router scores choose experts, or a table by token id does in the first layers; weights come
/// from the scores either way. One shared expert serves every token.
/// </summary>
internal sealed class MixtureOfExperts(Device device, ModelConfig config)
{
    // DeepSeek's code divides by the sum for every function but softmax, whose weights already sum to one over all experts.
    private readonly RoutingOperand _routing = new(
        config.Scoring, config.NormalizeExpertWeights && config.Scoring != ScoringFunction.Softmax, config.RoutedScalingFactor);

    private readonly float _limit = config.SwiGluLimit > 0 ? config.SwiGluLimit : float.PositiveInfinity;

    /// <summary>s.Normed → s.LayerOutput.</summary>
    public void Forward(ExpertsWeights w, Workspace s)
    {
        device.MatMul(w.Router, s.Normed, s.RouterLogits);                                // (T, d) → (T, E)
        if (w.ExpertsByToken.IsNone)
        {
            device.RouteByScore(s.RouterLogits, w.Bias, _routing, s.Experts, s.ExpertWeights);
        }
        else
        {
            device.RouteByHash(s.RouterLogits, w.ExpertsByToken, s.Tokens, _routing, s.Experts, s.ExpertWeights);
        }
        device.Experts(s.Normed, s.Experts, s.ExpertWeights, w.Routed, w.Shared, _limit, s.LayerOutput);
    }
}
