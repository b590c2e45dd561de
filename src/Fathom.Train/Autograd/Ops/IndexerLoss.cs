using System.Numerics.Tensors;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>
/// mean_t KL(τ_t ‖ softmax I_t) over the entries that a query attends to, with τ = Σ_heads p under the joint softmax of window, sink and
/// entries, normalised over the entries. The teacher is a constant. Queries without a visible entry or without mass on one don't count; the
/// others count one each, or as much as their mass.
/// </summary>
/// <remarks>dI = (softmax I − τ) · count / Σ counts.</remarks>
internal static class IndexerLoss
{
    /// <param name="tape">where to record</param> <param name="scores">I, (T, stride)</param> <param name="teacher">Σ_heads p, (T, stride)</param>
    /// <param name="entries">what is visible</param> <param name="selected">(T, stride), or null</param> <param name="factor">of the gradient</param>
    /// <param name="byMass">whether a query counts as much as its mass on entries</param>
    /// <returns>the mean</returns>
    public static double Apply(
        Tape tape, Variable scores, Variable teacher, Entries entries, Variable? selected, float factor, bool byMass = false)
    {
        Memory<float> losses = tape.TakeZeroed(scores.Rows), counts = tape.TakeZeroed(scores.Rows);
        Variable difference = tape.New(scores.Rows, scores.Columns, needsGradient: false);
        difference.Value.Span.Clear();
        foreach (Sample sample in entries.Queries)
        {
            tape.Parallel(sample.Count, 20 * scores.Columns, (first, end, worker) =>
            {
                for (int place = first; place < end; place++)
                {
                    int row = sample.FirstRow + place, visible = entries.VisibleTo(place);
                    Span<float> softmax = difference.Row(row)[..visible];
                    losses.Span[row] = Divergence(
                        scores.Row(row)[..visible], teacher.Row(row)[..visible], selected is null ? default : selected.Row(row)[..visible], softmax);
                    counts.Span[row] = losses.Span[row] >= 0 ? 1 : 0;
                    losses.Span[row] = MathF.Max(0, losses.Span[row]);
                    if (byMass && counts.Span[row] > 0)
                    {
                        counts.Span[row] = TensorPrimitives.Sum<float>(teacher.Row(row)[..visible]);
                        losses.Span[row] *= counts.Span[row];
                        Rows.Scale(softmax, counts.Span[row], softmax);
                    }
                }
            });
        }
        double sum = 0, count = 0;
        for (int t = 0; t < scores.Rows; t++)
        {
            sum += losses.Span[t];
            count += counts.Span[t];
        }
        float each = count == 0 ? 0 : factor / (float)count;
        tape.Record(() => tape.Parallel(scores.Rows, scores.Columns, (first, end, _) =>
            Rows.AddScaled(
                difference.Value.Span[(first * scores.Columns)..(end * scores.Columns)], each,
                scores.Gradient.Span[(first * scores.Columns)..(end * scores.Columns)])));
        return count == 0 ? 0 : sum / count;
    }

    // Leaves softmax I − τ; −1 where the query does not count. Rounding can take a divergence of nothing just below zero, hence the Max.
    private static float Divergence(ReadOnlySpan<float> scores, ReadOnlySpan<float> mass, ReadOnlySpan<float> selected, Span<float> difference)
    {
        float total = mass.IsEmpty ? 0 : TensorPrimitives.Sum(mass);
        if (!(total > 0))
        {
            return -1;
        }
        scores.CopyTo(difference);
        for (int e = 0; e < selected.Length; e++)
        {
            if (selected[e] == 0)
            {
                difference[e] = float.NegativeInfinity;
            }
        }
        float most = TensorPrimitives.Max<float>(difference);
        TensorPrimitives.Subtract(difference, most, difference);
        TensorPrimitives.Exp<float>(difference, difference);
        float sum = TensorPrimitives.Sum<float>(difference), logSum = MathF.Log(sum), loss = 0;
        for (int e = 0; e < mass.Length; e++)
        {
            float target = mass[e] / total, chosen = difference[e] / sum;
            loss += target > 0 ? target * (MathF.Log(target) - (scores[e] - most - logSum)) : 0;
            difference[e] = chosen - target;
        }
        return MathF.Max(0, loss);
    }
}
