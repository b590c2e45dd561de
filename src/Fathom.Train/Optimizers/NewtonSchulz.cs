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
        Load(matrix, rows, columns, inverse, x, padded);
        foreach ((float a, float b, float c) in s_steps)
        {
            Gram(x, longSide, padded, gram, acc);
            Square(gram, padded, square, acc);
            for (int i = 0; i < gram.Length; i++)
            {
                gram[i] = (b * gram[i]) + (c * square[i]);
            }
            Multiply(x, gram, longSide, padded, next);
            Rows.AddScaled(x, a, next);
            Span<float> swap = x;
            x = next;
            next = swap;
        }
        Store(x, padded, matrix, rows, columns);
    }

    private static void Load(ReadOnlySpan<float> matrix, int rows, int columns, float scale, Span<float> x, int padded)
    {
        x.Clear();
        for (int r = 0; r < rows; r++)
        {
            for (int k = 0; k < columns; k++)
            {
                x[rows >= columns ? (r * padded) + k : (k * padded) + r] = matrix[(r * columns) + k] * scale;
            }
        }
    }

    private static void Store(ReadOnlySpan<float> x, int padded, Span<float> matrix, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int k = 0; k < columns; k++)
            {
                matrix[(r * columns) + k] = x[rows >= columns ? (r * padded) + k : (k * padded) + r];
            }
        }
    }

    // The part on and below the diagonal of tiles; the rest is its mirror image.
    private static void Gram(ReadOnlySpan<float> x, int longSide, int padded, Span<float> gram, Span<float> acc)
    {
        for (int first = 0; first < padded; first += Width)
        {
            Span<float> part = acc[..((padded - first) * Width)];
            part.Clear();
            OuterTile.Accumulate(x[first..], padded, x[first..], padded, longSide, part);
            Mirror(part, first, padded, gram);
        }
    }

    private static void Square(ReadOnlySpan<float> gram, int padded, Span<float> square, Span<float> acc)
    {
        for (int first = 0; first < padded; first += Width)
        {
            Span<float> part = acc[..((padded - first) * Width)];
            part.Clear();
            Tile.Accumulate(gram[first..], padded, padded, gram[(first * padded)..], padded, part);
            Mirror(part, first, padded, square);
        }
    }

    private static void Mirror(ReadOnlySpan<float> part, int first, int padded, Span<float> whole)
    {
        for (int i = first; i < padded; i++)
        {
            ReadOnlySpan<float> row = part.Slice((i - first) * Width, Width);
            row.CopyTo(whole[((i * padded) + first)..]);
            for (int j = 0; j < Width && i >= first + Width; j++)
            {
                whole[((first + j) * padded) + i] = row[j];
            }
        }
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
