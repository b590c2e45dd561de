using System.Numerics.Tensors;

namespace Fathom.Train.Autograd.Ops;

/// <summary>−log softmax(z)_target of every row with a target, in nats.</summary>
/// <remarks>dz = (softmax z − 1[target]) · the row's factor.</remarks>
internal static class CrossEntropy
{
    /// <param name="tape">where to record</param> <param name="logits">(T, vocabulary)</param>
    /// <param name="targets">(T), <see cref="PackedBatch.NoTarget"/> for a row without loss</param> <param name="factors">(T), of the gradients</param>
    /// <returns>(T), without the factors; 0 for a row without a target</returns>
    public static ReadOnlyMemory<float> Apply(Tape tape, Variable logits, int[] targets, float[] factors)
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
        tape.Record(() => Backward(tape, logits, targets, logSums, factors));
        return losses;
    }

    private static void Backward(Tape tape, Variable logits, int[] targets, Memory<float> logSums, float[] factors) =>
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
                    TensorPrimitives.MultiplyAdd(scratch, factors[t], logits.GradientRow(t), logits.GradientRow(t));
                }
            }
        });
}
