using System.Runtime.InteropServices;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// acc[t, n] = Σ_k x[t, k] · W[n, k] for the 32 rows n of one packed panel: each block of columns is widened to singles in the cache of
/// the core and goes through <see cref="Tile"/>. The widened value is the weight's true value, so the format never shows in the result.
/// </summary>
internal static partial class MatMul
{
    /// <summary>Columns widened at a time; a multiple of the blocks of every format.</summary>
    public const int BlockColumns = 128;

    /// <summary>Floats of scratch that <see cref="RunPanel"/> needs.</summary>
    public const int ScratchFloats = BlockColumns * PanelLayout.Rows;

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
        acc.Clear();
        int offset = 0;
        for (int k = 0; k < columns; k += BlockColumns)
        {
            int count = Math.Min(BlockColumns, columns - k);
            ReadOnlySpan<float> w;
            if (format == WeightFormat.F32)
            {
                w = MemoryMarshal.Cast<byte, float>(panel).Slice(k * PanelLayout.Rows, count * PanelLayout.Rows);
            }
            else
            {
                offset += Widen(format, panel[offset..], count, scratch);
                w = scratch;
            }
            Tile.Accumulate(w, PanelLayout.Rows, count, x[k..], xStride, acc);
        }
    }

    /// <summary>Copies the first <paramref name="count"/> of 32 columns to their place in y (T, N).</summary>
    public static void Store(ReadOnlySpan<float> acc, int count, Span<float> y, int yStride, int firstColumn)
    {
        for (int t = 0; t * Tile.Width < acc.Length; t++)
        {
            acc.Slice(t * Tile.Width, count).CopyTo(y.Slice((t * yStride) + firstColumn, count));
        }
    }

    // Returns the bytes of the panel that were read.
    private static int Widen(WeightFormat format, ReadOnlySpan<byte> panel, int columns, Span<float> w) => format switch
    {
        WeightFormat.Bf16 => WidenBf16(panel, columns, w),
        WeightFormat.Fp8 => WidenFp8(panel, columns, w),
        _ => WidenFp4(panel, columns, w),
    };
}
