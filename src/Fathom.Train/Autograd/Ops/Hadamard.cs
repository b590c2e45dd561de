namespace Fathom.Train.Autograd.Ops;

/// <summary>
/// y = H x for every head, in place, with the Walsh–Hadamard matrix H scaled to be orthogonal. The operation that made the variable must not
/// need its output in its own backward pass.
/// </summary>
/// <remarks>dx = Hᵀ dy = H dy, since H is symmetric.</remarks>
internal static class Hadamard
{
    /// <param name="tape">where to record</param> <param name="x">(T, heads · c), in place</param> <param name="headDim">c, a power of two</param>
    public static void Apply(Tape tape, Variable x, int headDim)
    {
        Transform(tape, x, x.Value, headDim);
        if (x.NeedsGradient)
        {
            tape.Record(() => Transform(tape, x, x.Gradient, headDim));
        }
    }

    private static void Transform(Tape tape, Variable x, Memory<float> numbers, int headDim) =>
        tape.Parallel(x.Rows, 8L * x.Columns, (first, end, _) =>
        {
            for (int at = first * x.Columns; at < end * x.Columns; at += headDim)
            {
                Cpu.Kernels.Hadamard.Run(numbers.Span.Slice(at, headDim));
            }
        });
}
