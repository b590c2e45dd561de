using Fathom.Train.Autograd.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>y = silu(min(g, limit)) ⊙ clamp(u, ±limit); the gate has only the upper clamp.</summary>
/// <remarks>dg = 1[g ≤ limit] u′ σ (1 + g′ (1 − σ)) dy; du = 1[|u| ≤ limit] g′ σ dy.</remarks>
internal static class SwiGlu
{
    /// <param name="tape">where to record</param> <param name="gate">(T, w)</param> <param name="up">(T, w)</param>
    /// <param name="limit">may be infinite</param>
    public static Variable Apply(Tape tape, Variable gate, Variable up, float limit)
    {
        Variable y = tape.New(gate.Rows, gate.Columns);
        tape.Parallel(gate.Rows, 20 * gate.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                GatedUnit.Forward(gate.Row(t), up.Row(t), limit, 1, y.Row(t));
            }
        });
        tape.Record(() => tape.Parallel(gate.Rows, 30 * gate.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                GatedUnit.Backward(gate.Row(t), up.Row(t), limit, 1, y.GradientRow(t), gate.GradientRow(t), up.GradientRow(t));
            }
        }));
        return y;
    }
}
