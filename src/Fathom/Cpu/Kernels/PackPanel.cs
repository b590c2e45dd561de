using System.Runtime.InteropServices;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

/// <summary>Rearranges 32 rows of a checkpoint's matrix into one panel (see <see cref="PanelLayout"/>). Runs once, at loading.</summary>
internal static class PackPanel
{
    private const int Lanes = 16;

    /// <summary>Rows of singles.</summary>
    /// <param name="rows">(count, K)</param>
    /// <param name="count">rows present, at most 32</param>
    /// <param name="panel">zeroed</param>
    public static void F32(ReadOnlySpan<float> rows, int count, Span<byte> panel)
    {
        Span<float> target = MemoryMarshal.Cast<byte, float>(panel);
        int columns = rows.Length / count;
        for (int r = 0; r < count; r++)
        {
            for (int k = 0; k < columns; k++)
            {
                target[(k * PanelLayout.Rows) + r] = rows[(r * columns) + k];
            }
        }
    }

    /// <summary>Rows of bfloat16: row r in the lower half of word r, row r + 16 in the upper.</summary>
    public static void Bf16(ReadOnlySpan<ushort> rows, int count, Span<byte> panel)
    {
        Span<ushort> target = MemoryMarshal.Cast<byte, ushort>(panel);
        int columns = rows.Length / count;
        for (int r = 0; r < count; r++)
        {
            int place = ((r % Lanes) * 2) + (r / Lanes);
            for (int k = 0; k < columns; k++)
            {
                target[(k * PanelLayout.Rows) + place] = rows[(r * columns) + k];
            }
        }
    }

    /// <summary>Rows of FP8 codes with a scale per 128 × 128 values.</summary>
    /// <param name="rows">(count, K) codes</param>
    /// <param name="count">rows present, at most 32</param>
    /// <param name="scales">(⌈N/128⌉, ⌈K/128⌉)</param>
    /// <param name="firstRow">row of the scaled matrix that <paramref name="rows"/> begins at</param>
    /// <param name="panel">zeroed</param>
    public static void Fp8(ReadOnlySpan<byte> rows, int count, ReadOnlySpan<byte> scales, int firstRow, Span<byte> panel)
    {
        int columns = rows.Length / count, scaleColumns = (columns + PanelLayout.Fp8Block - 1) / PanelLayout.Fp8Block;
        for (int first = 0; first < columns; first += PanelLayout.Group)
        {
            int width = Math.Min(PanelLayout.Group, columns - first);
            int codes = PanelLayout.CodeBytes(WeightFormat.Fp8, width);
            for (int r = 0; r < count; r++)
            {
                // Quarters of a line: see WeightMatrix.
                int place = (r % Lanes / 4 * 16) + (r % 4 * 2) + (r / Lanes);
                for (int k = 0; k < width; k++)
                {
                    panel[(k / 2 * PanelLayout.Line) + (k % 2 * 8) + place] = rows[(r * columns) + first + k];
                }
                panel[codes + r] = scales[((firstRow + r) / PanelLayout.Fp8Block * scaleColumns) + (first / PanelLayout.Fp8Block)];
            }
            panel = panel[PanelLayout.GroupBytes(WeightFormat.Fp8, width)..];
        }
    }

    /// <summary>Rows of FP4 pairs with a scale per 32 columns of a row.</summary>
    /// <param name="rows">(count, K/2) pairs, the even column in the low nibble</param>
    /// <param name="count">rows present, at most 32</param>
    /// <param name="scales">(count, ⌈K/32⌉), the same rows</param>
    /// <param name="panel">zeroed</param>
    public static void Fp4(ReadOnlySpan<byte> rows, int count, ReadOnlySpan<byte> scales, Span<byte> panel)
    {
        const int Block = PanelLayout.Fp4Block;
        int pairs = rows.Length / count, columns = pairs * 2, scaleColumns = (columns + Block - 1) / Block;
        for (int first = 0; first < columns; first += PanelLayout.Group)
        {
            int width = Math.Min(PanelLayout.Group, columns - first);
            int codes = PanelLayout.CodeBytes(WeightFormat.Fp4, width);
            for (int r = 0; r < count; r++)
            {
                for (int k = 0; k < width; k++)
                {
                    int code = (rows[(r * pairs) + ((first + k) / 2)] >> (k % 2 * 4)) & 15;
                    panel[(k / 4 * PanelLayout.Line) + (r % Lanes * 4) + (k % 4)] |= (byte)(code << (r / Lanes * 4));
                }
                for (int block = 0; block * Block < width; block++)
                {
                    panel[codes + (block * PanelLayout.Rows) + r] = scales[(r * scaleColumns) + (first / Block) + block];
                }
            }
            panel = panel[PanelLayout.GroupBytes(WeightFormat.Fp4, width)..];
        }
    }
}
