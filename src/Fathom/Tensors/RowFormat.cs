namespace Fathom.Tensors;

/// <summary>How the elements of a cache row are stored.</summary>
public enum RowKind
{
    /// <summary>Single precision.</summary>
    F32,

    /// <summary>bfloat16.</summary>
    Bf16,

    /// <summary>FP8 e4m3 in blocks of 64 for all but the rotary dimensions, which are bfloat16.</summary>
    Fp8WithBf16Rotary,

    /// <summary>FP4 e2m1 in blocks of 32, of a row that a Hadamard transform has rotated.</summary>
    Fp4,
}

/// <summary>The byte layout of one cache row, in memory and on disk.</summary>
/// <param name="Kind">element format</param>
/// <param name="Dim">elements of a row</param>
/// <param name="RotaryDim">how many of them, at the end, are rotary</param>
public readonly record struct RowFormat(RowKind Kind, int Dim, int RotaryDim)
{
    /// <summary>Elements that share an FP8 scale; the last block of a row may be shorter.</summary>
    public const int Fp8Block = 64;

    /// <summary>Elements that share an FP4 scale; the last block of a row may be shorter.</summary>
    public const int Fp4Block = 32;

    private const int Alignment = 8;

    /// <summary>Elements before the rotary ones.</summary>
    public int NonRotaryDim => Dim - RotaryDim;

    /// <summary>
    /// Bytes of a row. FP8: codes, rotary part, scales, padded to 8 bytes (448 + 128 + 7 + 1 = 584 for DeepSeek-V4). FP4: pairs, scales
    /// (64 + 4 = 68).
    /// </summary>
    public int Bytes => Kind switch
    {
        RowKind.F32 => Dim * 4,
        RowKind.Bf16 => Dim * 2,
        RowKind.Fp8WithBf16Rotary => (NonRotaryDim + (2 * RotaryDim) + Blocks(NonRotaryDim, Fp8Block) + Alignment - 1) / Alignment * Alignment,
        _ => Blocks(Dim, 2) + Blocks(Dim, Fp4Block),
    };

    private static int Blocks(int count, int size) => (count + size - 1) / size;
}

/// <summary>
/// Encoded rows of one layer, spread over blocks: row w lies in block w / <see cref="RowsPerBlock"/>. A view; the blocks belong to a
/// sequence's cache.
/// </summary>
/// <param name="Blocks">the memory of each block, in order</param>
/// <param name="Offset">where this layer's rows begin in every block, in bytes</param>
/// <param name="RowsPerBlock">rows of this layer in a block</param>
/// <param name="Format">layout of a row</param>
public readonly record struct RowBlocks(IReadOnlyList<Storage> Blocks, long Offset, int RowsPerBlock, RowFormat Format)
{
    /// <summary>The bytes of row <paramref name="row"/> and of the rows after it in its block, at most <paramref name="count"/> rows.</summary>
    internal Span<byte> Run(int row, int count, out int rows)
    {
        int within = row % RowsPerBlock;
        rows = Math.Min(count, RowsPerBlock - within);
        return ((HostStorage)Blocks[row / RowsPerBlock]).Span(Offset + ((long)within * Format.Bytes), rows * Format.Bytes);
    }
}
