using System.Runtime.Intrinsics;

namespace Fathom.Train.Autograd.Ops;

/// <summary>
/// Rotates the last dimensions of every head in place; backward rotates the gradient the other way. The operation that made the variable
/// must not need its output in its own backward pass.
/// </summary>
internal static class Rope
{
    private const int Lanes = 16;

    /// <summary>
    /// Of every row's position cos twice for each pair, then −sin and sin, (T, 2r), from the angles that the engine computes.
    /// </summary>
    public static Memory<float> Angles(Tape tape, ReadOnlySpan<int> positions, float[] frequencies)
    {
        int width = 2 * frequencies.Length;
        int[] places = positions.ToArray();
        Memory<float> angles = tape.Take(places.Length * 2 * width);
        tape.Parallel(places.Length, 20 * width, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Span<float> cos = angles.Span.Slice(t * 2 * width, width), sin = angles.Span.Slice(((t * 2) + 1) * width, width);
                Cpu.Kernels.Rope.Angles(places[t], frequencies, cos);
                for (int i = 0; i < width; i += 2)
                {
                    (cos[i], cos[i + 1], sin[i], sin[i + 1]) = (cos[i], cos[i], -cos[i + 1], cos[i + 1]);
                }
            }
        });
        return angles;
    }

    /// <param name="tape">where to record</param> <param name="x">(T, heads · c), in place</param> <param name="headDim">c</param>
    /// <param name="angles">from <see cref="Angles"/></param> <param name="inverse">rotates by the negative angle</param>
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
                Rotate(numbers.Span.Slice(t * x.Columns, x.Columns), headDim, angles.Span.Slice(t * width, width), inverse);
            }
        });
    }

    // A pair (a, b) becomes (a cos − b sin, b cos + a sin): x · cos + neighbour · ∓sin.
    private static void Rotate(Span<float> row, int headDim, ReadOnlySpan<float> angles, bool inverse)
    {
        int r = angles.Length / 2;
        Vector512<int> neighbours = Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
        Vector512<float> sign = Vector512.Create(inverse ? -1f : 1f);
        for (int head = headDim - r; head < row.Length; head += headDim)
        {
            int i = 0;
            for (; i + Lanes <= r; i += Lanes)
            {
                Vector512<float> x = Vector512.Create<float>(row[(head + i)..]), sin = Vector512.Create(angles[(r + i)..]) * sign;
                Vector512.FusedMultiplyAdd(x, Vector512.Create(angles[i..]), Vector512.Shuffle(x, neighbours) * sin).CopyTo(row[(head + i)..]);
            }
            for (; i < r; i += 2)
            {
                float a = row[head + i], b = row[head + i + 1], sin = inverse ? -angles[r + i + 1] : angles[r + i + 1];
                row[head + i] = (a * angles[i]) - (b * sin);
                row[head + i + 1] = (b * angles[i]) + (a * sin);
            }
        }
    }
}
