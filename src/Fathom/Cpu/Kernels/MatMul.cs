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
/// <see cref="BlockTile"/>. Few rows, which are bound by bytes: the values stay in registers, for four rows at a time. One row goes with two
/// panels, whose four chains cover the latency of the multiply-add.
/// FP4 weights with rounded activations, a mode of its own, are in <see cref="RunFp4Int8"/>.
/// </remarks>
internal static partial class MatMul
{
    /// <summary>Columns widened at a time; a multiple of the blocks of every format.</summary>
    public const int BlockColumns = PanelLayout.Group;

    /// <summary>Floats of scratch that <see cref="RunPanel"/> and <see cref="RunPair"/> need: widened values and their scales.</summary>
    public const int ScratchFloats = (BlockColumns + (BlockColumns / PanelLayout.Fp4Block)) * PanelLayout.Rows;

    /// <summary>
    /// Rows from which on they may be cut into blocks. Below, decoding a panel again for every four rows costs less than storing its values and
    /// loading them.
    /// </summary>
    public const int ManyRows = 13;

    // Rows for which a panel is decoded once: their chains and blocks' sums take half of the registers.
    private const int FewRows = 4;

    // Bytes to fetch ahead of each stream: beyond a page the processor does not do so by itself.
    private const int Ahead = 4096;

    /// <param name="format">of the panel</param>
    /// <param name="panel">one packed panel</param>
    /// <param name="columns">K</param>
    /// <param name="x">(T, K)</param>
    /// <param name="layout">of x; blocks only of <see cref="ManyRows"/> rows or more</param>
    /// <param name="acc">(T, 32); overwritten</param>
    /// <param name="scratch"><see cref="ScratchFloats"/></param>
    public static void RunPanel(
        WeightFormat format, ReadOnlySpan<byte> panel, int columns, ReadOnlySpan<float> x, FactorLayout layout, Span<float> acc, Span<float> scratch)
    {
        int rows = acc.Length / PanelLayout.Rows;
        if (rows >= ManyRows || !StaysInRegisters(format, columns))
        {
            RunWidened(format, panel, columns, x, layout, acc, scratch);
            return;
        }
        if (rows == 1)
        {
            // A panel alone goes with itself: four chains take no longer than two.
            RunStreams(format, panel, panel, x[..columns], acc, scratch[..PanelLayout.Rows]);
            return;
        }
        for (int t = 0; t < rows; t += FewRows)
        {
            Few(format, panel, columns, x[(t * layout.Stride)..], layout.Stride, acc[(t * PanelLayout.Rows)..Math.Min(acc.Length, (t + FewRows) * PanelLayout.Rows)]);
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
        if (StaysInRegisters(format, x.Length))
        {
            RunStreams(format, first, second, x, low, high);
            return;
        }
        RunPanel(format, first, x.Length, x, FactorLayout.Whole(x.Length), low, scratch);
        RunPanel(format, second, x.Length, x, FactorLayout.Whole(x.Length), high, scratch);
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
        WeightFormat format, ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, ReadOnlySpan<float> x, Span<float> sumsA, Span<float> sumsB)
    {
        switch (format)
        {
            case WeightFormat.Fp8:
                StreamsFp8(a, b, x, sumsA, sumsB);
                break;
            case WeightFormat.Fp4:
                StreamsFp4(a, b, x, sumsA, sumsB);
                break;
            default:
                StreamsBf16(a, b, x, sumsA, sumsB);
                break;
        }
    }

    // One to four rows of x (rows, ≥ K). Places of rows that are not there are those of the last.
    private static void Few(WeightFormat format, ReadOnlySpan<byte> panel, int columns, ReadOnlySpan<float> x, int xStride, Span<float> acc)
    {
        ref byte line = ref MemoryMarshal.GetReference(panel);
        int last = (acc.Length / PanelLayout.Rows) - 1;
        ref float x0 = ref MemoryMarshal.GetReference(x[..((last * xStride) + columns)]);
        ref float x1 = ref Unsafe.Add(ref x0, Math.Min(1, last) * xStride), x2 = ref Unsafe.Add(ref x0, Math.Min(2, last) * xStride);
        ref float x3 = ref Unsafe.Add(ref x0, Math.Min(3, last) * xStride);
        FourRows sums = format switch
        {
            WeightFormat.Fp8 => FewFp8(ref line, columns, ref x0, ref x1, ref x2, ref x3),
            WeightFormat.Fp4 => FewFp4(ref line, columns, ref x0, ref x1, ref x2, ref x3),
            _ => FewBf16(ref line, columns, ref x0, ref x1, ref x2, ref x3),
        };
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<FourRows, float>(ref sums), acc.Length).CopyTo(acc);
    }

    private static void RunWidened(
        WeightFormat format, ReadOnlySpan<byte> panel, int columns, ReadOnlySpan<float> x, FactorLayout layout, Span<float> acc, Span<float> scratch)
    {
        acc.Clear();
        if (format == WeightFormat.F32 && layout.BlockStride == BlockColumns)
        {
            Tile.Accumulate(MemoryMarshal.Cast<byte, float>(panel), PanelLayout.Rows, columns, x, layout.Stride, acc);
            return;
        }
        Span<float> w = scratch[..(BlockColumns * PanelLayout.Rows)], scales = scratch[w.Length..];
        for (int k = 0; k < columns; k += BlockColumns)
        {
            int count = Math.Min(BlockColumns, columns - k);
            ReadOnlySpan<float> factors = x[layout.Place(0, k)..];
            if (format == WeightFormat.F32)
            {
                ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(panel).Slice(k * PanelLayout.Rows, count * PanelLayout.Rows);
                Tile.Accumulate(values, PanelLayout.Rows, count, factors, layout.Stride, acc);
                continue;
            }
            if (format == WeightFormat.Bf16)
            {
                WidenBf16(panel.Slice(k * PanelLayout.Line, count * PanelLayout.Line), w);
                Tile.Accumulate(w, PanelLayout.Rows, count, factors, layout.Stride, acc);
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
            BlockTile.Accumulate(w, scales, block, count, factors, layout.Stride, acc);
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

    [InlineArray(2 * FewRows)]
    private struct FourRows
    {
        private Vector512<float> _first;
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
