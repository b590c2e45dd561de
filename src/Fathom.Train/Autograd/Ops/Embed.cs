using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>Rows of a table by token id.</summary>
internal static class Embed
{
    /// <param name="tape">where to record</param> <param name="table">(vocabulary, d)</param> <param name="tokens">(T)</param>
    /// <returns>(T, d)</returns>
    public static Variable Apply(Tape tape, Variable table, ReadOnlySpan<int> tokens)
    {
        int[] ids = tokens.ToArray();
        Variable y = tape.New(ids.Length, table.Columns);
        for (int t = 0; t < ids.Length; t++)
        {
            table.Row(ids[t]).CopyTo(y.Row(t));
        }
        tape.Record(() =>
        {
            for (int t = 0; t < ids.Length; t++)
            {
                Rows.Add(y.GradientRow(t), table.GradientRow(ids[t]));
            }
        });
        return y;
    }
}
