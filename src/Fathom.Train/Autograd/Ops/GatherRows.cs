using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>Some rows, each at most once: those that want logits.</summary>
internal static class GatherRows
{
    public static Variable Apply(Tape tape, Variable x, int[] rows)
    {
        Variable y = tape.New(rows.Length, x.Columns);
        for (int i = 0; i < rows.Length; i++)
        {
            x.Row(rows[i]).CopyTo(y.Row(i));
        }
        tape.Record(() =>
        {
            for (int i = 0; i < rows.Length; i++)
            {
                Rows.Add(y.GradientRow(i), x.GradientRow(rows[i]));
            }
        });
        return y;
    }
}
