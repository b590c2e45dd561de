namespace Fathom.Cpu.Kernels;

/// <summary>
/// How the rows x (T, K) of a product lie in memory: each as a whole, or cut into blocks of columns, block b of all rows behind block b − 1 of
/// all. A kernel with many rows reads one block of each at a time; rows of a power of two of bytes share a few sets of the caches, and of
/// their short pieces the processor fetches none ahead, while blocks are one stream.
/// </summary>
/// <param name="Stride">elements from one row to the next</param>
/// <param name="BlockStride">elements from a row's block to its next</param>
internal readonly record struct FactorLayout(int Stride, int BlockStride)
{
    /// <summary>Whole rows.</summary>
    /// <param name="stride">elements from one to the next</param>
    public static FactorLayout Whole(int stride) => new(stride, MatMul.BlockColumns);

    /// <summary>Blocks of <see cref="MatMul.BlockColumns"/> columns; the last is as wide, whatever of it is used.</summary>
    /// <param name="rows">T</param>
    public static FactorLayout Blocks(int rows) => new(MatMul.BlockColumns, rows * MatMul.BlockColumns);

    /// <summary>Columns with what fills up the last block.</summary>
    public static int Padded(int columns) => (columns + MatMul.BlockColumns - 1) / MatMul.BlockColumns * MatMul.BlockColumns;

    /// <summary>The place of an element; the rest of its block lies behind it.</summary>
    public int Place(int row, int column) => (column / MatMul.BlockColumns * BlockStride) + (row * Stride) + (column % MatMul.BlockColumns);

    /// <summary>Copies a row to its place.</summary>
    /// <param name="source">(K)</param> <param name="row">which</param> <param name="target">x</param>
    public void Store(ReadOnlySpan<float> source, int row, Span<float> target)
    {
        for (int k = 0; k < source.Length; k += MatMul.BlockColumns)
        {
            source[k..Math.Min(k + MatMul.BlockColumns, source.Length)].CopyTo(target[Place(row, k)..]);
        }
    }
}
