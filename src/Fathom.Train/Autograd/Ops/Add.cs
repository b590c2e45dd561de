using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>y = a + b; b's rows repeat over a's where a has several for each.</summary>
internal static class Add
{
    /// <param name="tape">where to record</param> <param name="a">(T · n, d)</param> <param name="b">(T, d)</param>
    /// <returns>(T · n, d)</returns>
    public static Variable Apply(Tape tape, Variable a, Variable b)
    {
        int n = a.Rows / b.Rows;
        Variable y = tape.New(a.Rows, a.Columns);
        tape.Parallel(b.Rows, n * a.Columns, (first, end, _) =>
        {
            for (int r = first * n; r < end * n; r++)
            {
                a.Row(r).CopyTo(y.Row(r));
                Rows.Add(b.Row(r / n), y.Row(r));
            }
        });
        tape.Record(() => tape.Parallel(b.Rows, n * a.Columns, (first, end, _) =>
        {
            for (int r = first * n; r < end * n; r++)
            {
                Rows.Add(y.GradientRow(r), a.GradientRow(r));
                Rows.Add(y.GradientRow(r), b.GradientRow(r / n));
            }
        }));
        return y;
    }
}
