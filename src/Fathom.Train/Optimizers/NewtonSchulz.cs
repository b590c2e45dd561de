using Fathom.Cpu.Kernels;
using Fathom.Train.Autograd.Kernels;

namespace Fathom.Train.Optimizers;

/// <summary>
/// Drives all singular values of a matrix to one: X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X, eight steps that reach far and two that settle. Works on
/// the short side: X lies as (long, short), short padded to whole tiles, so that both products walk down its rows.
/// </summary>
internal static class NewtonSchulz
{
    private const int Width = Tile.Width;
    private const int BlockRows = 48;
    private static readonly (float A, float B, float C)[] s_steps =
        [.. Enumerable.Repeat((3.4445f, -4.7750f, 2.0315f), 8), .. Enumerable.Repeat((2f, -1.5f, 0.5f), 2)];

    /// <summary>Floats of scratch that <see cref="Run"/> needs.</summary>
    public static int ScratchFloats(int rows, int columns)
    {
        int padded = KeyBlock.Padded(Math.Min(rows, columns));
        return (2 * Math.Max(rows, columns) * padded) + (2 * padded * padded) + (padded * Width);
    }

    /// <param name="matrix">(rows, columns), any scale but zero; in place</param> <param name="rows">rows</param> <param name="columns">columns</param>
    /// <param name="scratch"><see cref="ScratchFloats"/></param>
    public static void Run(Span<float> matrix, int rows, int columns, Span<float> scratch)
    {
        int shortSide = Math.Min(rows, columns), longSide = Math.Max(rows, columns), padded = KeyBlock.Padded(shortSide);
        Span<float> x = scratch[..(longSide * padded)], next = scratch.Slice(x.Length, x.Length);
        Span<float> gram = scratch.Slice(2 * x.Length, padded * padded), square = scratch.Slice((2 * x.Length) + gram.Length, gram.Length);
        Span<float> acc = scratch.Slice((2 * x.Length) + (2 * gram.Length), padded * Width);
        float inverse = 1 / MathF.Sqrt(Rows.Dot(matrix, matrix));
        Rows.Scale(matrix, inverse, matrix);
        x.Clear();
        Copy(matrix, columns, (rows, columns), rows < columns, x, padded, next);
        foreach ((float a, float b, float c) in s_steps)
        {
            Gram(x, longSide, padded, gram, acc, next);
            Square(gram, padded, square, acc, next);
            Rows.Scale(gram, b, gram);
            Rows.AddScaled(square, c, gram);
            Multiply(x, gram, longSide, padded, next);
            Rows.AddScaled(x, a, next);
            Span<float> swap = x;
            x = next;
            next = swap;
        }
        Copy(x, padded, (longSide, shortSide), rows < columns, matrix, columns, next);
    }

    // to[r, k] = from[r, k], or to[k, r] if transposed.
    private static void Copy(
        ReadOnlySpan<float> from, int stride, (int Rows, int Columns) shape, bool transpose, Span<float> to, int toStride, Span<float> panel)
    {
        int r = 0;
        for (; transpose && r + Width <= shape.Rows; r += Width)
        {
            Transpose.Panel(from[(r * stride)..], stride, shape.Columns, panel);
            for (int k = 0; k < shape.Columns; k++)
            {
                panel.Slice(k * Width, Width).CopyTo(to[((k * toStride) + r)..]);
            }
        }
        for (; r < shape.Rows; r++)
        {
            ReadOnlySpan<float> row = from.Slice(r * stride, shape.Columns);
            if (!transpose)
            {
                row.CopyTo(to[(r * toStride)..]);
                continue;
            }
            for (int k = 0; k < row.Length; k++)
            {
                to[(k * toStride) + r] = row[k];
            }
        }
    }

    // The part on and below the diagonal of tiles; the rest is its mirror image.
    private static void Gram(ReadOnlySpan<float> x, int longSide, int padded, Span<float> gram, Span<float> acc, Span<float> panel)
    {
        for (int first = 0; first < padded; first += Width)
        {
            Span<float> part = acc[..((padded - first) * Width)];
            part.Clear();
            OuterTile.Accumulate(x[first..], padded, x[first..], padded, longSide, part);
            Mirror(part, first, padded, gram, panel);
        }
    }

    private static void Square(ReadOnlySpan<float> gram, int padded, Span<float> square, Span<float> acc, Span<float> panel)
    {
        for (int first = 0; first < padded; first += Width)
        {
            Span<float> part = acc[..((padded - first) * Width)];
            part.Clear();
            Tile.Accumulate(gram[first..], padded, padded, gram[(first * padded)..], padded, part);
            Mirror(part, first, padded, square, panel);
        }
    }

    private static void Mirror(ReadOnlySpan<float> part, int first, int padded, Span<float> whole, Span<float> panel)
    {
        Copy(part, Width, (padded - first, Width), transpose: false, whole[((first * padded) + first)..], padded, panel);
        Copy(part[(Width * Width)..], Width, (padded - first - Width, Width), transpose: true, whole[((first * padded) + first + Width)..], padded, panel);
    }

    private static void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int rows, int padded, Span<float> y)
    {
        for (int r = 0; r < rows; r += BlockRows)
        {
            int count = Math.Min(BlockRows, rows - r);
            for (int first = 0; first < padded; first += Width)
            {
                StridedTile.Run(w[first..], (padded, padded), x[(r * padded)..], padded, y[((r * padded) + first)..], padded, (count, Add: false));
            }
        }
    }
}
