using Fathom.Devices;
using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>
/// The mixture of experts (§2.1 of the report): router scores choose experts, or a table by token id does in the first layers; weights come
/// from the scores either way. One shared expert serves every token.
/// </summary>
internal sealed class MixtureOfExperts(ModelConfig config, LayerPlan plan, Parameters p)
{
    private readonly RoutingPlan _routing = new(
        config.ExpertsPerToken, config.NormalizeExpertWeights && config.Scoring != ScoringFunction.Softmax, config.RoutedScalingFactor);

    private readonly float _limit = config.SwiGluLimit > 0 ? config.SwiGluLimit : float.PositiveInfinity;

    private readonly ExpertStack _stack = new(
        Each(config, p, WeightPart.ExpertGate, plan.Layer), Each(config, p, WeightPart.ExpertUp, plan.Layer), Each(config, p, WeightPart.ExpertDown, plan.Layer));

    /// <param name="step">the batch</param> <param name="x">normed input, (T, d)</param> <param name="tokens">(T), for hash routing</param>
    public Variable Forward(Step step, Variable x, int[] tokens)
    {
        Tape tape = step.Tape;
        Variable logits = MatMul.Apply(tape, x, p[WeightPart.Router, plan.Layer]);                  // (T, d) → (T, E)
        Variable scores = Scores.Apply(tape, logits, config.Scoring);
        bool byToken = plan.Routing == RoutingKind.Hash;
        Routing routing = byToken
            ? Route.ByToken(tape, scores, _routing, p.Table(plan.Layer), tokens)
            : Route.ByScore(tape, scores, _routing, p[WeightPart.RouterBias, plan.Layer].Value);
        if (!byToken)
        {
            step.Balance += SequenceBalanceLoss.Apply(tape, scores, routing.Experts, step.Batch.Samples, step.Weights.Balance);
        }
        step.ExpertLoad[plan.Layer] = Count(routing.Experts);
        Variable routed = Experts.Apply(tape, x, routing, _stack, _limit);
        return config.SharedExpertCount == 0 ? routed : Add.Apply(tape, routed, Shared(tape, x));
    }

    private Variable Shared(Tape tape, Variable x)
    {
        Variable gate = MatMul.Apply(tape, x, p[WeightPart.SharedGate, plan.Layer]);
        Variable up = MatMul.Apply(tape, x, p[WeightPart.SharedUp, plan.Layer]);
        return MatMul.Apply(tape, SwiGlu.Apply(tape, gate, up, _limit), p[WeightPart.SharedDown, plan.Layer]);
    }

    private int[] Count(int[] experts)
    {
        var counts = new int[config.ExpertCount];
        foreach (int expert in experts)
        {
            counts[expert]++;
        }
        return counts;
    }

    private static Parameter[] Each(ModelConfig config, Parameters p, WeightPart part, int layer) =>
        [.. Enumerable.Range(0, config.ExpertCount).Select(expert => p[part, layer, expert])];
}
