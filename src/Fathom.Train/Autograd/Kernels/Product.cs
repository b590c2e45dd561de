using System.Runtime.Intrinsics;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>One matrix of a product and the rows it applies to: an expert and its tokens, a group of output columns, or the whole.</summary>
/// <param name="Matrix">W</param>
/// <param name="FirstRow">first row of x and y</param> <param name="Rows">number of rows</param>
/// <param name="XOffset">first column of x</param> <param name="YOffset">first column of y</param>
internal readonly record struct Segment(Memory<float> Matrix, int FirstRow, int Rows, int XOffset = 0, int YOffset = 0);

/// <summary>A matrix of rows by its memory and the elements from one row to the next.</summary>
internal readonly record struct Operand(Memory<float> Memory, int Stride);

/// <summary>Dense products over segments, on the engine's tiles. Which thread computes an output never changes its bits.</summary>
internal static class Product
{
    private const int ChunkRows = 96;
    private const int OuterRows = 256;
    private const int OuterColumns = 128;

    // Pieces that a weight gradient is cut into at least, if it has as many panels: enough to share among threads.
    private const int OuterItems = 16;

    // Strips are a line apart from a power of two.
    private const int StripFloats = (OuterRows * OuterTile.Rows) + 16;

    /// <summary>y[r, n] = Σ_k x[r, k] W[n, k], with W (outer, inner).</summary>
    public static void TimesTransposed(Tape tape, ReadOnlySpan<Segment> segments, Operand x, Operand y, int inner, int outer) =>
        Multiply(tape, segments, x, y, (inner, outer), transposeAndOverwrite: true);

    /// <summary>y[r, n] += Σ_k x[r, k] W[k, n], with W (inner, outer).</summary>
    public static void AddTimes(Tape tape, ReadOnlySpan<Segment> segments, Operand x, Operand y, int inner, int outer) =>
        Multiply(tape, segments, x, y, (inner, outer), transposeAndOverwrite: false);

    /// <summary>W[n, k] += Σ_r y[r, n] x[r, k], with W (rows, columns) the segments' matrix.</summary>
    public static void AddOuter(Tape tape, ReadOnlySpan<Segment> segments, Operand y, Operand x, int rows, int columns)
    {
        Segment[] all = segments.ToArray();
        int panels = (columns + Tile.Width - 1) / Tile.Width, blocks = (rows + OuterColumns - 1) / OuterColumns;
        int atOnce = Math.Max(1, all.Length * blocks * panels / OuterItems), groups = (panels + atOnce - 1) / atOnce;
        tape.ParallelLarge(all.Length * blocks * groups, (item, worker) =>
        {
            (int segment, int block, int group) = (item / (groups * blocks), item / groups % blocks, item % groups);
            int firstN = block * OuterColumns, firstK = group * atOnce * Tile.Width;
            (int N, int K) count = (Math.Min(OuterColumns, rows - firstN), Math.Min(atOnce * Tile.Width, columns - firstK));
            Span<float> acc = SumOuter(tape, worker, all[segment], (y, firstN), (x, firstK), count);
            Span<float> w = all[segment].Matrix.Span;
            for (int k = 0; k < count.K; k += Tile.Width)
            {
                int width = Math.Min(Tile.Width, count.K - k);
                for (int n = 0; n < count.N; n++)
                {
                    Rows.Add(acc.Slice(((k / Tile.Width * count.N) + n) * Tile.Width, width), w.Slice(((firstN + n) * columns) + firstK + k, width));
                }
            }
        });
    }

    // A block of W's gradient, (panels, N, 32). Both operands are copied to where they lie close together: rows of a power of two of bytes would
    // share a few sets of the first cache.
    private static Span<float> SumOuter(Tape tape, int worker, Segment segment, (Operand At, int First) y, (Operand At, int First) x, (int N, int K) count)
    {
        int panels = (count.K + Tile.Width - 1) / Tile.Width, strips = (count.N + OuterTile.Rows - 1) / OuterTile.Rows;
        Span<float> scratch = tape.Scratch(worker, (OuterRows * Tile.Width) + (strips * StripFloats) + (panels * count.N * Tile.Width));
        Span<float> panel = scratch[..(OuterRows * Tile.Width)], strip = scratch.Slice(panel.Length, strips * StripFloats);
        Span<float> acc = scratch[(panel.Length + strip.Length)..];
        acc.Clear();
        panel.Clear();
        for (int r = 0; r < segment.Rows; r += OuterRows)
        {
            int rows = Math.Min(OuterRows, segment.Rows - r), first = segment.FirstRow + r;
            CopyStrips(y.At.Memory.Span[((first * y.At.Stride) + segment.YOffset + y.First)..], y.At.Stride, rows, count.N, strip);
            for (int p = 0; p < panels; p++)
            {
                int k = p * Tile.Width;
                CopyColumns(x.At.Memory.Span[((first * x.At.Stride) + segment.XOffset + x.First + k)..], x.At.Stride, rows, Math.Min(Tile.Width, count.K - k), panel);
                for (int n = 0; n < count.N; n += OuterTile.Rows)
                {
                    Span<float> sums = acc.Slice(((p * count.N) + n) * Tile.Width, Math.Min(OuterTile.Rows, count.N - n) * Tile.Width);
                    OuterTile.Accumulate(strip[(n / OuterTile.Rows * StripFloats)..], OuterTile.Rows, panel, Tile.Width, rows, sums);
                }
            }
        }
        return acc;
    }

    private static void Multiply(
        Tape tape, ReadOnlySpan<Segment> segments, Operand x, Operand y, (int Inner, int Outer) shape, bool transposeAndOverwrite)
    {
        Segment[] all = segments.ToArray();
        (int inner, int outer) = shape;
        int panels = (outer + Tile.Width - 1) / Tile.Width, panelFloats = inner * Tile.Width;
        Memory<float> packed = tape.Take(all.Length * panels * panelFloats);
        tape.Parallel(all.Length * panels, panelFloats * 8, (first, end, _) =>
        {
            for (int i = first; i < end; i++)
            {
                Span<float> panel = packed.Span.Slice(i * panelFloats, panelFloats);
                Pack(all[i / panels].Matrix.Span, shape, i % panels * Tile.Width, transposeAndOverwrite, panel);
            }
        });
        (Segment Segment, int Packed, int First, int Count)[] items = Chunks(all, panels * panelFloats);
        tape.ParallelLarge(items.Length, (item, worker) =>
        {
            (Segment segment, int place, int first, int count) = items[item];
            Span<float> acc = tape.Scratch(worker, count * Tile.Width), to = y.Memory.Span[((first * y.Stride) + segment.YOffset)..];
            ReadOnlySpan<float> from = x.Memory.Span[((first * x.Stride) + segment.XOffset)..];
            for (int panel = 0; panel < panels; panel++)
            {
                int column = panel * Tile.Width, width = Math.Min(Tile.Width, outer - column);
                ReadOnlySpan<float> w = packed.Span.Slice(place + (panel * panelFloats), panelFloats);
                if (width == Tile.Width)
                {
                    StridedTile.Run(w, (inner, Tile.Width), from, x.Stride, to[column..], y.Stride, (count, !transposeAndOverwrite));
                    continue;
                }
                acc.Clear();
                Tile.Accumulate(w, Tile.Width, inner, from, x.Stride, acc);
                for (int r = 0; r < count; r++)
                {
                    Span<float> target = to.Slice((r * y.Stride) + column, width);
                    if (transposeAndOverwrite)
                    {
                        acc.Slice(r * Tile.Width, width).CopyTo(target);
                    }
                    else
                    {
                        Rows.Add(acc.Slice(r * Tile.Width, width), target);
                    }
                }
            }
        });
    }

    private static (Segment, int, int, int)[] Chunks(Segment[] segments, int packedFloats)
    {
        var items = new List<(Segment, int, int, int)>();
        for (int s = 0; s < segments.Length; s++)
        {
            for (int r = 0; r < segments[s].Rows; r += ChunkRows)
            {
                items.Add((segments[s], s * packedFloats, segments[s].FirstRow + r, Math.Min(ChunkRows, segments[s].Rows - r)));
            }
        }
        return [.. items];
    }

    // panel[k, j] = W[first + j, k] if transposed, else W[k, first + j]; absent columns are zero.
    private static void Pack(ReadOnlySpan<float> w, (int Inner, int Outer) shape, int first, bool transpose, Span<float> panel)
    {
        (int inner, int outer) = shape;
        int width = Math.Min(Tile.Width, outer - first);
        if (width < Tile.Width)
        {
            panel.Clear();
        }
        if (!transpose)
        {
            CopyColumns(w[first..], outer, inner, width, panel);
            return;
        }
        if (width == Tile.Width)
        {
            Transpose.Panel(w[(first * inner)..], inner, inner, panel);
            return;
        }
        for (int j = 0; j < width; j++)
        {
            ReadOnlySpan<float> row = w.Slice((first + j) * inner, inner);
            for (int k = 0; k < row.Length; k++)
            {
                panel[(k * Tile.Width) + j] = row[k];
            }
        }
    }

    // strips[s, r, j] = from[r, 8 s + j]; what lies behind the columns is left as it is.
    private static void CopyStrips(ReadOnlySpan<float> from, int stride, int rows, int columns, Span<float> strips)
    {
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<float> row = from.Slice(r * stride, columns);
            int place = r * OuterTile.Rows;
            for (; row.Length >= OuterTile.Rows; row = row[OuterTile.Rows..], place += StripFloats)
            {
                Vector256.Create(row).CopyTo(strips[place..]);
            }
            if (row.Length > 0)
            {
                row.CopyTo(strips[place..]);
            }
        }
    }

    private static void CopyColumns(ReadOnlySpan<float> from, int stride, int rows, int columns, Span<float> to)
    {
        if (columns < Tile.Width)
        {
            for (int r = 0; r < rows; r++)
            {
                from.Slice(r * stride, columns).CopyTo(to[(r * Tile.Width)..]);
            }
            return;
        }
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<float> row = from.Slice(r * stride, Tile.Width);
            Span<float> place = to.Slice(r * Tile.Width, Tile.Width);
            Vector512.Create(row).CopyTo(place);
            Vector512.Create(row[Vector512<float>.Count..]).CopyTo(place[Vector512<float>.Count..]);
        }
    }
}
