using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>The chosen experts and their weights.</summary>
/// <param name="Experts">(T · k) ids</param> <param name="Weights">(T, k)</param>
internal sealed record Routing(int[] Experts, Variable Weights);

/// <summary>How scores become weights.</summary>
/// <param name="Chosen">k</param> <param name="Normalize">whether they are divided by their sum</param> <param name="Factor">routed scaling factor</param>
internal sealed record RoutingPlan(int Chosen, bool Normalize, float Factor);

/// <summary>
/// The k experts of every token: those with the largest score plus bias, or a table's by token id. Weights come from the scores without the
/// bias: w_i = R s_i / Σ s, or R s_i. The choice itself has no gradient.
/// </summary>
/// <remarks>ds_i = (R dw_i − Σ_k dw_k w_k) / Σ s; without the division, R dw_i.</remarks>
internal static class Route
{
    /// <param name="tape">where to record</param> <param name="scores">(T, E)</param> <param name="plan">how</param> <param name="bias">(E)</param>
    public static Routing ByScore(Tape tape, Variable scores, RoutingPlan plan, Memory<float> bias)
    {
        var experts = new int[scores.Rows * plan.Chosen];
        for (int t = 0; t < scores.Rows; t++)
        {
            Router.Choose(scores.Row(t), bias.Span, experts.AsSpan(t * plan.Chosen, plan.Chosen));
        }
        return Weigh(tape, scores, plan, experts);
    }

    /// <param name="tape">where to record</param> <param name="scores">(T, E)</param> <param name="plan">how</param>
    /// <param name="table">(vocabulary · k)</param> <param name="tokens">(T)</param>
    public static Routing ByToken(Tape tape, Variable scores, RoutingPlan plan, int[] table, ReadOnlySpan<int> tokens)
    {
        var experts = new int[scores.Rows * plan.Chosen];
        for (int t = 0; t < scores.Rows; t++)
        {
            table.AsSpan(tokens[t] * plan.Chosen, plan.Chosen).CopyTo(experts.AsSpan(t * plan.Chosen));
        }
        return Weigh(tape, scores, plan, experts);
    }

    private static Routing Weigh(Tape tape, Variable scores, RoutingPlan plan, int[] experts)
    {
        int k = plan.Chosen;
        Variable weights = tape.New(scores.Rows, k);
        for (int t = 0; t < scores.Rows; t++)
        {
            Router.Weigh(scores.Row(t), experts.AsSpan(t * k, k), plan.Normalize, plan.Factor, weights.Row(t));
        }
        tape.Record(() =>
        {
            for (int t = 0; t < scores.Rows; t++)
            {
                ReadOnlySpan<float> dw = weights.GradientRow(t), s = scores.Row(t);
                Span<float> ds = scores.GradientRow(t);
                float along = plan.Normalize ? Rows.Dot(dw, weights.Row(t)) : 0, sum = plan.Normalize ? 0 : 1;
                for (int i = 0; plan.Normalize && i < k; i++)
                {
                    sum += s[experts[(t * k) + i]];
                }
                for (int i = 0; i < k; i++)
                {
                    ds[experts[(t * k) + i]] += ((plan.Factor * dw[i]) - along) / sum;
                }
            }
        });
        return new Routing(experts, weights);
    }
}
