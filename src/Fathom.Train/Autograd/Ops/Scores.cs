using Fathom.Cpu.Kernels;
using Fathom.Devices;

namespace Fathom.Train.Autograd.Ops;

/// <summary>Router logits become scores: √softplus, σ or softmax.</summary>
/// <remarks>√softplus: ds/dz = σ(z) / (2s), s at least 1e-10; σ: s (1 − s); softmax: dz = s ⊙ (ds − ⟨ds, s⟩).</remarks>
internal static class Scores
{
    private const float Least = 1e-10f;

    public static Variable Apply(Tape tape, Variable logits, ScoringFunction function)
    {
        Variable scores = tape.New(logits.Rows, logits.Columns);
        logits.Value.CopyTo(scores.Value);
        tape.Parallel(logits.Rows, 20 * logits.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Router.Score(scores.Row(t), function);
            }
        });
        tape.Record(() => tape.Parallel(logits.Rows, 20 * logits.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Backward(logits.Row(t), scores.Row(t), scores.GradientRow(t), function, logits.GradientRow(t));
            }
        }));
        return scores;
    }

    private static void Backward(
        ReadOnlySpan<float> z, ReadOnlySpan<float> s, ReadOnlySpan<float> gradient, ScoringFunction function, Span<float> dz)
    {
        float along = function == ScoringFunction.Softmax ? Rows.Dot(gradient, s) : 0;
        for (int e = 0; e < z.Length; e++)
        {
            dz[e] += function switch
            {
                ScoringFunction.SqrtSoftplus => gradient[e] * Rows.Sigmoid(z[e]) / (2 * MathF.Max(s[e], Least)),
                ScoringFunction.Sigmoid => gradient[e] * s[e] * (1 - s[e]),
                _ => s[e] * (gradient[e] - along),
            };
        }
    }
}
