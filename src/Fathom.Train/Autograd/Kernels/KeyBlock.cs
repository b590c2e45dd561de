using System.Runtime.Intrinsics;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>
/// The keys of a block of queries in the two layouts that tiles need: rows padded to whole tiles, and transposed panels of 32 keys. Scores
/// lie panel by panel, (panels, R, 32), where R counts a row for every query and head.
/// </summary>
internal readonly ref struct KeyBlock
{
    public const int Width = Tile.Width;

    private readonly Span<float> _rows;
    private readonly Span<float> _transposed;
    private readonly int _columns;
    private readonly int _padded;

    /// <param name="scratch"><see cref="ScratchFloats"/></param> <param name="panels">of 32 keys</param> <param name="columns">c</param>
    public KeyBlock(Span<float> scratch, int panels, int columns)
    {
        _columns = columns;
        _padded = Padded(columns);
        Panels = panels;
        _rows = scratch[..(panels * Width * _padded)];
        _transposed = scratch.Slice(_rows.Length, panels * Width * columns);
    }

    public int Panels { get; }

    public static int Padded(int count) => (count + Width - 1) / Width * Width;

    public static int ScratchFloats(int panels, int columns) => panels * Width * (Padded(columns) + columns);

    /// <summary>Loads consecutive keys from the beginning of a panel on; the rest of the last panel becomes zero.</summary>
    public void Load(int panel, ReadOnlySpan<float> keys)
    {
        int count = keys.Length / _columns, end = Padded(count);
        for (int j = 0; j < end; j++)
        {
            Span<float> row = _rows.Slice(((panel * Width) + j) * _padded, _padded);
            row.Clear();
            if (j < count)
            {
                keys.Slice(j * _columns, _columns).CopyTo(row);
            }
        }
        for (int p = 0; p < end / Width; p++)
        {
            Transpose.Panel(
                _rows.Slice((panel + p) * Width * _padded, Width * _padded), _padded, _columns,
                _transposed.Slice((panel + p) * Width * _columns, Width * _columns));
        }
    }

    /// <summary>scores[p, r, j] = ⟨x_r, key_j of p⟩.</summary>
    /// <param name="x">(R, c)</param> <param name="scores">(panels, R, 32); overwritten</param>
    public void Score(ReadOnlySpan<float> x, Span<float> scores)
    {
        int size = scores.Length / Math.Max(1, Panels);
        for (int p = 0; p < Panels; p++)
        {
            StridedTile.Run(
                _transposed.Slice(p * Width * _columns, Width * _columns), (_columns, Width), x, _columns, scores.Slice(p * size, size), Width,
                (size / Width, Add: false));
        }
    }

    /// <summary>y_r += Σ_j weights[p, r, j] key_j · factor_r.</summary>
    /// <param name="weights">(panels, R, 32)</param> <param name="factors">(R), or empty for one</param> <param name="acc">scratch, (R, 32)</param>
    /// <param name="y">(R, c)</param>
    public void AddWeighted(ReadOnlySpan<float> weights, ReadOnlySpan<float> factors, Span<float> acc, Span<float> y)
    {
        int rows = acc.Length / Width;
        for (int first = 0; first < _columns; first += Width)
        {
            acc.Clear();
            for (int p = 0; p < Panels; p++)
            {
                Tile.Accumulate(_rows[((p * Width * _padded) + first)..], _padded, Width, weights.Slice(p * acc.Length, acc.Length), Width, acc);
            }
            int width = Math.Min(Width, _columns - first);
            for (int r = 0; r < rows; r++)
            {
                Rows.AddScaled(acc.Slice(r * Width, width), factors.IsEmpty ? 1 : factors[r], y.Slice((r * _columns) + first, width));
            }
        }
    }

    /// <summary>sums[first / 32, j, 0…31] += Σ_r weights[r, j] x[r, first …] for the 32 keys j of a panel.</summary>
    /// <param name="weights">(R, 32), one panel</param> <param name="x">(R, c)</param> <param name="tail">scratch, (R, 32)</param>
    /// <param name="sums">(c / 32, keys, 32)</param> <param name="keys">keys that sums holds</param> <param name="firstKey">the panel's first among them</param>
    public static void AddToKeys(
        ReadOnlySpan<float> weights, ReadOnlySpan<float> x, int columns, Span<float> tail, Span<float> sums, int keys, int firstKey)
    {
        int rows = weights.Length / Width;
        for (int first = 0; first < columns; first += Width)
        {
            Span<float> acc = sums.Slice(((first / Width * keys) + firstKey) * Width, Width * Width);
            int width = Math.Min(Width, columns - first);
            if (width == Width)
            {
                OuterTile.Accumulate(weights, Width, x[first..], columns, rows, acc);
                continue;
            }
            tail.Clear();
            for (int r = 0; r < rows; r++)
            {
                x.Slice((r * columns) + first, width).CopyTo(tail[(r * Width)..]);
            }
            OuterTile.Accumulate(weights, Width, tail, Width, rows, acc);
        }
    }

    /// <summary>Adds the sums of one key to its gradient.</summary>
    public static void AddSums(ReadOnlySpan<float> sums, int keys, int key, Span<float> gradient)
    {
        for (int first = 0; first < gradient.Length; first += Width)
        {
            int width = Math.Min(Width, gradient.Length - first);
            Rows.Add(sums.Slice(((first / Width * keys) + key) * Width, width), gradient.Slice(first, width));
        }
    }
}

/// <summary>Transposes 32 rows into a panel (columns, 32), sixteen by sixteen with shuffles of ever longer pieces.</summary>
internal static class Transpose
{
    private const int Lanes = 16;

    public static void Panel(ReadOnlySpan<float> rows, int stride, int columns, Span<float> panel)
    {
        int k = 0;
        Span<Vector512<float>> block = stackalloc Vector512<float>[Lanes];
        for (; k + Lanes <= columns; k += Lanes)
        {
            for (int half = 0; half < Tile.Width; half += Lanes)
            {
                for (int i = 0; i < Lanes; i++)
                {
                    block[i] = Vector512.Create(rows[(((half + i) * stride) + k)..]);
                }
                Sixteen(block);
                for (int i = 0; i < Lanes; i++)
                {
                    block[i].CopyTo(panel[(((k + i) * Tile.Width) + half)..]);
                }
            }
        }
        for (; k < columns; k++)
        {
            for (int j = 0; j < Tile.Width; j++)
            {
                panel[(k * Tile.Width) + j] = rows[(j * stride) + k];
            }
        }
    }

    // Exchanges the off-diagonal quarters of ever smaller squares.
    private static void Sixteen(Span<Vector512<float>> block)
    {
        for (int size = Lanes / 2; size >= 1; size /= 2)
        {
            Vector512<int> low = Indices(size, upper: false), high = Indices(size, upper: true);
            for (int i = 0; i < Lanes; i++)
            {
                if ((i & size) == 0)
                {
                    Vector512<float> a = block[i], b = block[i + size];
                    block[i] = Exchange(a, b, size, low, upper: false);
                    block[i + size] = Exchange(a, b, size, high, upper: true);
                }
            }
        }
    }

    // Lower: a where the lane's bit is clear, else b from `size` lanes before. Upper: a from `size` lanes behind where clear, else b.
    private static Vector512<float> Exchange(Vector512<float> a, Vector512<float> b, int size, Vector512<int> indices, bool upper)
    {
        Vector512<int> bit = Vector512.Create(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) & Vector512.Create(size);
        Vector512<float> clear = Vector512.Equals(bit, Vector512<int>.Zero).AsSingle();
        return upper
            ? Vector512.ConditionalSelect(clear, Vector512.Shuffle(a, indices), b)
            : Vector512.ConditionalSelect(clear, a, Vector512.Shuffle(b, indices));
    }

    private static Vector512<int> Indices(int size, bool upper)
    {
        Vector512<int> lane = Vector512.Create(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        return (upper ? lane + Vector512.Create(size) : lane - Vector512.Create(size)) & Vector512.Create(Lanes - 1);
    }
}
