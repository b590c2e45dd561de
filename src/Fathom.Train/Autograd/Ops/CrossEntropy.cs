using System.Numerics.Tensors;

namespace Fathom.Train.Autograd.Ops;

/// <summary>The mean over rows with a target of −log softmax(z)_target, in nats.</summary>
/// <remarks>dz = (softmax z − 1[target]) · factor / rows.</remarks>
internal static class CrossEntropy
{
    /// <param name="tape">where to record</param> <param name="logits">(T, vocabulary)</param>
    /// <param name="targets">(T), <see cref="PackedBatch.NoTarget"/> for a row without loss</param> <param name="factor">of the gradient</param>
    /// <returns>the mean, without the factor; 0 if no row has a target</returns>
    public static double Apply(Tape tape, Variable logits, int[] targets, float factor)
    {
        Memory<float> logSums = tape.Take(logits.Rows), losses = tape.TakeZeroed(logits.Rows);
        tape.Parallel(logits.Rows, 20 * logits.Columns, (first, end, worker) =>
        {
            Span<float> scratch = tape.Scratch(worker, logits.Columns);
            for (int t = first; t < end; t++)
            {
                if (targets[t] != PackedBatch.NoTarget)
                {
                    ReadOnlySpan<float> row = logits.Row(t);
                    float most = TensorPrimitives.Max(row);
                    TensorPrimitives.Subtract(row, most, scratch);
                    TensorPrimitives.Exp<float>(scratch, scratch);
                    logSums.Span[t] = most + MathF.Log(TensorPrimitives.Sum<float>(scratch));
                    losses.Span[t] = logSums.Span[t] - row[targets[t]];
                }
            }
        });
        double sum = 0;
        int count = 0;
        for (int t = 0; t < targets.Length; t++)
        {
            sum += losses.Span[t];
            count += targets[t] == PackedBatch.NoTarget ? 0 : 1;
        }
        tape.Record(() => Backward(tape, logits, targets, logSums, count == 0 ? 0 : factor / count));
        return count == 0 ? 0 : sum / count;
    }

    private static void Backward(Tape tape, Variable logits, int[] targets, Memory<float> logSums, float each) =>
        tape.Parallel(logits.Rows, 20 * logits.Columns, (first, end, worker) =>
        {
            Span<float> scratch = tape.Scratch(worker, logits.Columns);
            for (int t = first; t < end; t++)
            {
                if (targets[t] != PackedBatch.NoTarget)
                {
                    TensorPrimitives.Subtract(logits.Row(t), logSums.Span[t], scratch);
                    TensorPrimitives.Exp<float>(scratch, scratch);
                    scratch[targets[t]] -= 1;
                    TensorPrimitives.MultiplyAdd(scratch, each, logits.GradientRow(t), logits.GradientRow(t));
                }
            }
        });
}
