using Fathom.Train.Autograd.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>y = x Wᵀ; with groups, each group of W's rows takes its own columns of x: y_g = x_g W_gᵀ.</summary>
/// <remarks>dx = dy W, dW = dyᵀ x.</remarks>
internal static class MatMul
{
    /// <param name="tape">where to record</param> <param name="x">(T, g · K)</param> <param name="w">(g · N, K)</param>
    /// <param name="groups">g</param>
    /// <returns>(T, g · N)</returns>
    public static Variable Apply(Tape tape, Variable x, Variable w, int groups = 1)
    {
        int n = w.Rows / groups, k = w.Columns;
        Variable y = tape.New(x.Rows, w.Rows, x.NeedsGradient || w.NeedsGradient);
        Product.TimesTransposed(tape, Segments(w.Value, x.Rows, (n, k), groups), new Operand(x.Value, x.Columns), new Operand(y.Value, y.Columns), k, n);
        tape.Record(() =>
        {
            var dy = new Operand(y.Gradient, y.Columns);
            if (x.NeedsGradient)
            {
                Segment[] swapped = [.. Segments(w.Value, x.Rows, (n, k), groups).Select(s => s with { XOffset = s.YOffset, YOffset = s.XOffset })];
                Product.AddTimes(tape, swapped, dy, new Operand(x.Gradient, x.Columns), n, k);
            }
            if (w.NeedsGradient)
            {
                Product.AddOuter(tape, Segments(w.Gradient, x.Rows, (n, k), groups), dy, new Operand(x.Value, x.Columns), n, k);
            }
        });
        return y;
    }

    private static Segment[] Segments(Memory<float> w, int rows, (int N, int K) shape, int groups)
    {
        var segments = new Segment[groups];
        for (int g = 0; g < groups; g++)
        {
            segments[g] = new Segment(w.Slice(g * shape.N * shape.K, shape.N * shape.K), 0, rows, g * shape.K, g * shape.N);
        }
        return segments;
    }
}
