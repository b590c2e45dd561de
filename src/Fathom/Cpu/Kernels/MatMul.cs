using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// acc[t, n] = Σ_k x[t, k] · W[n, k] for the 32 rows n of packed panels. F32 and BF16: one chain of fused multiply-adds in the order of k.
/// FP8 and FP4: for each block b of columns with one scale such a chain over the codes, and acc = chain · scale_b + acc, fused, in the
/// order of b. That is the same for any number of rows; only the way to the codes' values differs.
/// </summary>
/// <remarks>
/// Many rows: codes of 128 columns are widened to singles in the cache of the core and go through <see cref="Tile"/> or
/// <see cref="BlockTile"/>. Few rows, which are bound by bytes: the values stay in registers, and two panels or two rows at a time give
/// the multiply-add four chains to cover its latency.
/// </remarks>
internal static partial class MatMul
{
    /// <summary>Columns widened at a time; a multiple of the blocks of every format.</summary>
    public const int BlockColumns = PanelLayout.Group;

    /// <summary>Floats of scratch that <see cref="RunPanel"/> and <see cref="RunPair"/> need: widened values and their scales.</summary>
    public const int ScratchFloats = (BlockColumns + (BlockColumns / PanelLayout.Fp4Block)) * PanelLayout.Rows;

    // Up to here panels are decoded again for every two rows, which costs less than storing and reloading the values of so few.
    private const int ManyRows = 5;

    // Bytes to fetch ahead of each stream: beyond a page the processor does not do so by itself.
    private const int Ahead = 4096;

    /// <param name="format">of the panel</param>
    /// <param name="panel">one packed panel</param>
    /// <param name="columns">K</param>
    /// <param name="x">(T, K), row stride <paramref name="xStride"/></param>
    /// <param name="xStride">elements from one row to the next</param>
    /// <param name="acc">(T, 32); overwritten</param>
    /// <param name="scratch"><see cref="ScratchFloats"/></param>
    public static void RunPanel(
        WeightFormat format, ReadOnlySpan<byte> panel, int columns, ReadOnlySpan<float> x, int xStride, Span<float> acc, Span<float> scratch)
    {
        int rows = acc.Length / PanelLayout.Rows;
        if (rows >= ManyRows || !StaysInRegisters(format, columns))
        {
            RunWidened(format, panel, columns, x, xStride, acc, scratch);
            return;
        }
        for (int t = 0; t < rows; t++)
        {
            ReadOnlySpan<float> row = x.Slice(t * xStride, columns);
            Span<float> sums = acc.Slice(t * PanelLayout.Rows, PanelLayout.Rows);
            if (format == WeightFormat.Bf16)
            {
                OneBf16(panel, row, sums);
            }
            else if (t + 1 < rows)
            {
                RunStreams(format, panel, panel, row, x.Slice(++t * xStride, columns), sums, acc.Slice(t * PanelLayout.Rows, PanelLayout.Rows));
            }
            else
            {
                // A row without a partner goes with itself: four chains take no longer than two.
                RunStreams(format, panel, panel, row, row, sums, scratch[..PanelLayout.Rows]);
            }
        }
    }

    /// <summary>Two panels of one row of x, which keep the multiply-add busier than one after the other.</summary>
    /// <param name="format">of both panels</param>
    /// <param name="first">a packed panel</param> <param name="second">another with as many columns</param>
    /// <param name="x">(K)</param>
    /// <param name="acc">(2, 32); overwritten</param>
    /// <param name="scratch"><see cref="ScratchFloats"/></param>
    public static void RunPair(
        WeightFormat format, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<float> x, Span<float> acc, Span<float> scratch)
    {
        Span<float> low = acc[..PanelLayout.Rows], high = acc.Slice(PanelLayout.Rows, PanelLayout.Rows);
        if (format is WeightFormat.Fp8 or WeightFormat.Fp4 && StaysInRegisters(format, x.Length))
        {
            RunStreams(format, first, second, x, x, low, high);
            return;
        }
        RunPanel(format, first, x.Length, x, x.Length, low, scratch);
        RunPanel(format, second, x.Length, x, x.Length, high, scratch);
    }

    /// <summary>Copies the first <paramref name="count"/> of 32 columns to their place in y (T, N).</summary>
    public static void Store(ReadOnlySpan<float> acc, int count, Span<float> y, int yStride, int firstColumn)
    {
        for (int t = 0; t * Tile.Width < acc.Length; t++)
        {
            acc.Slice(t * Tile.Width, count).CopyTo(y.Slice((t * yStride) + firstColumn, count));
        }
    }

    // Whole lines only: the last columns of a ragged K would read x beyond its end.
    private static bool StaysInRegisters(WeightFormat format, int columns) => format switch
    {
        WeightFormat.F32 => false,
        WeightFormat.Bf16 => true,
        WeightFormat.Fp8 => Avx512Vbmi.IsSupported && columns % PanelLayout.Fp8LineColumns == 0,
        _ => Avx512BW.IsSupported && columns % PanelLayout.Fp4LineColumns == 0,
    };

    private static void RunStreams(
        WeightFormat format, ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> sumsA, Span<float> sumsB)
    {
        if (format == WeightFormat.Fp8)
        {
            StreamsFp8(a, b, x, y, sumsA, sumsB);
        }
        else
        {
            StreamsFp4(a, b, x, y, sumsA, sumsB);
        }
    }

    private static void RunWidened(
        WeightFormat format, ReadOnlySpan<byte> panel, int columns, ReadOnlySpan<float> x, int xStride, Span<float> acc, Span<float> scratch)
    {
        acc.Clear();
        if (format == WeightFormat.F32)
        {
            Tile.Accumulate(MemoryMarshal.Cast<byte, float>(panel), PanelLayout.Rows, columns, x, xStride, acc);
            return;
        }
        Span<float> w = scratch[..(BlockColumns * PanelLayout.Rows)], scales = scratch[w.Length..];
        for (int k = 0; k < columns; k += BlockColumns)
        {
            int count = Math.Min(BlockColumns, columns - k);
            if (format == WeightFormat.Bf16)
            {
                WidenBf16(panel.Slice(k * PanelLayout.Line, count * PanelLayout.Line), w);
                Tile.Accumulate(w, PanelLayout.Rows, count, x[k..], xStride, acc);
                continue;
            }
            int block = format == WeightFormat.Fp8 ? PanelLayout.Fp8Block : PanelLayout.Fp4Block, codes = PanelLayout.CodeBytes(format, count);
            WidenScales(panel.Slice(codes, (count + block - 1) / block * PanelLayout.Rows), scales);
            if (format == WeightFormat.Fp8)
            {
                WidenFp8(panel[..codes], w);
            }
            else
            {
                WidenFp4(panel, codes, w);
            }
            BlockTile.Accumulate(w, scales, block, count, x[k..], xStride, acc);
            panel = panel[PanelLayout.GroupBytes(format, count)..];
        }
    }

    private static void WidenScales(ReadOnlySpan<byte> codes, Span<float> scales)
    {
        for (int i = 0; i < codes.Length; i += 16)
        {
            Widening.Ue8m0(Vector128.Create(codes[i..])).CopyTo(scales[i..]);
        }
    }

    // A hint only: an address beyond the end is harmless, and so is one of memory that moves meanwhile.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Prefetch(ref byte place)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0((byte*)Unsafe.AsPointer(ref place) + Ahead);
        }
    }
}
