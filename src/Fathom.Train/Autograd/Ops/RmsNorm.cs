using System.Numerics.Tensors;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>y = x r ⊙ w with r = 1 / √(mean(x²) + ε), row by row; without w for the heads of a query.</summary>
/// <remarks>With g = dy ⊙ w: dx = r g − x r³ ⟨g, x⟩ / c; dw = Σ_t dy ⊙ x r.</remarks>
internal static class RmsNorm
{
    private const int ChunkRows = 128;

    /// <param name="tape">where to record</param> <param name="x">(T, c)</param> <param name="weight">(1, c), or null</param>
    /// <param name="epsilon">ε, inside the root</param>
    /// <returns>(T, c)</returns>
    public static Variable Apply(Tape tape, Variable x, Variable? weight, float epsilon)
    {
        int c = x.Columns;
        Variable y = tape.New(x.Rows, c, x.NeedsGradient || weight is { NeedsGradient: true });
        Memory<float> inverse = tape.Take(x.Rows);
        tape.Parallel(x.Rows, c, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Span<float> row = x.Row(t);
                float r = 1 / MathF.Sqrt((Rows.Dot(row, row) / c) + epsilon);
                inverse.Span[t] = r;
                if (weight is null)
                {
                    Rows.Scale(row, r, y.Row(t));
                }
                else
                {
                    Rows.ScaleAndMultiply(row, r, weight.Value.Span, y.Row(t));
                }
            }
        });
        tape.Record(() =>
        {
            if (x.NeedsGradient)
            {
                tape.Parallel(x.Rows, 2 * c, (first, end, worker) => BackwardInput(x, weight, y, inverse.Span, (first, end), tape.Scratch(worker, c)));
            }
            if (weight is { NeedsGradient: true })
            {
                BackwardWeight(tape, x, weight, y, inverse);
            }
        });
        return y;
    }

    private static void BackwardInput(Variable x, Variable? weight, Variable y, ReadOnlySpan<float> inverse, (int First, int End) rows, Span<float> g)
    {
        for (int t = rows.First; t < rows.End; t++)
        {
            ReadOnlySpan<float> row = x.Row(t), dy = y.GradientRow(t);
            if (weight is not null)
            {
                TensorPrimitives.Multiply(dy, weight.Value.Span, g);
                dy = g;
            }
            float r = inverse[t], along = Rows.Dot(dy, row) * r * r * r / row.Length;
            Rows.AddScaled(dy, r, x.GradientRow(t));
            Rows.AddScaled(row, -along, x.GradientRow(t));
        }
    }

    private static void BackwardWeight(Tape tape, Variable x, Variable weight, Variable y, Memory<float> inverse) =>
        tape.Reduce(x.Rows, ChunkRows, weight.Gradient, (first, end, sums, worker) =>
        {
            Span<float> normed = tape.Scratch(worker, x.Columns);
            for (int t = first; t < end; t++)
            {
                Rows.Scale(x.Row(t), inverse.Span[t], normed);
                TensorPrimitives.MultiplyAdd<float>(normed, y.GradientRow(t), sums, sums);
            }
        });
}
