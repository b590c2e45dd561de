using System.Numerics.Tensors;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>The entries that an indexer rates highest. A choice has no gradient.</summary>
internal static class Selection
{
    /// <summary>One for the best visible entries of every query, zero for the others; among equals the lower index.</summary>
    /// <param name="tape">for memory and threads</param> <param name="scores">(T, stride)</param> <param name="entries">what is visible</param>
    /// <param name="count">how many</param>
    public static Variable Best(Tape tape, Variable scores, Entries entries, int count)
    {
        Variable selected = tape.New(scores.Rows, scores.Columns, needsGradient: false);
        selected.Value.Span.Clear();
        foreach (Sample sample in entries.Samples)
        {
            tape.Parallel(sample.Count, 8 * scores.Columns, (first, end, _) =>
            {
                Span<int> chosen = new int[count];
                for (int place = first; place < end; place++)
                {
                    int visible = entries.VisibleAt(place), row = sample.FirstRow + place;
                    TopK.Run(scores.Row(row)[..visible], visible, chosen);
                    for (int i = 0; i < Math.Min(visible, count); i++)
                    {
                        selected.Row(row)[chosen[i]] = 1;
                    }
                }
            });
        }
        return selected;
    }

    /// <summary>The share of the teacher's mass that lies on the best entries; 1 if there is none.</summary>
    public static double Recall(Tape tape, Variable scores, Variable teacher, Entries entries, int count)
    {
        Variable best = Best(tape, scores, entries, count);
        double found = 0, all = 0;
        for (int t = 0; t < best.Rows; t++)
        {
            found += Rows.Dot(best.Row(t), teacher.Row(t));
            all += TensorPrimitives.Sum<float>(teacher.Row(t));
        }
        return all == 0 ? 1 : found / all;
    }
}
