namespace Fathom.Train.Autograd.Ops;

/// <summary>
/// Rotates the last dimensions of every head in place; backward rotates the gradient the other way. The operation that made the variable
/// must not need its output in its own backward pass.
/// </summary>
internal static class Rope
{
    /// <summary>cos and sin of every row's position, (T, r), as the engine computes them.</summary>
    public static Memory<float> Angles(Tape tape, ReadOnlySpan<int> positions, float[] frequencies)
    {
        int width = 2 * frequencies.Length;
        int[] places = positions.ToArray();
        Memory<float> angles = tape.Take(places.Length * width);
        tape.Parallel(places.Length, 20 * width, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Cpu.Kernels.Rope.Angles(places[t], frequencies, angles.Span.Slice(t * width, width));
            }
        });
        return angles;
    }

    /// <param name="tape">where to record</param> <param name="x">(T, heads · c), in place</param> <param name="headDim">c</param>
    /// <param name="angles">(T, r)</param> <param name="inverse">rotates by the negative angle</param>
    public static void Apply(Tape tape, Variable x, int headDim, Memory<float> angles, bool inverse = false)
    {
        Rotate(tape, x, x.Value, headDim, angles, inverse);
        if (x.NeedsGradient)
        {
            tape.Record(() => Rotate(tape, x, x.Gradient, headDim, angles, !inverse));
        }
    }

    private static void Rotate(Tape tape, Variable x, Memory<float> numbers, int headDim, Memory<float> angles, bool inverse)
    {
        if (x.Rows == 0)
        {
            return;
        }
        int width = angles.Length / x.Rows;
        tape.Parallel(x.Rows, x.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Cpu.Kernels.Rope.Run(numbers.Span.Slice(t * x.Columns, x.Columns), headDim, angles.Span.Slice(t * width, width), inverse);
            }
        });
    }
}
