namespace Fathom.Tensors;

/// <summary>How the values of a packed weight matrix are stored.</summary>
public enum WeightFormat
{
    /// <summary>Single precision.</summary>
    F32,

    /// <summary>bfloat16.</summary>
    Bf16,

    /// <summary>FP8 e4m3 with a power-of-two scale per output row and <see cref="PanelLayout.Fp8Block"/> columns.</summary>
    Fp8,

    /// <summary>FP4 e2m1 with a power-of-two scale per output row and <see cref="PanelLayout.Fp4Block"/> columns.</summary>
    Fp4,
}

/// <summary>From a checkpoint's element formats.</summary>
internal static class WeightFormats
{
    /// <summary>How values of a type are packed.</summary>
    public static WeightFormat Of(DType type) => type switch
    {
        DType.F32 => WeightFormat.F32,
        DType.Bf16 => WeightFormat.Bf16,
        DType.Fp8E4M3 => WeightFormat.Fp8,
        DType.Fp4E2M1Pair => WeightFormat.Fp4,
        _ => throw new ArgumentException($"A weight matrix cannot be {type}.", nameof(type)),
    };
}

/// <summary>The numbers of the packed layout.</summary>
public static class PanelLayout
{
    /// <summary>Output rows in a panel.</summary>
    public const int Rows = 32;

    /// <summary>Columns that share an FP8 scale.</summary>
    public const int Fp8Block = 128;

    /// <summary>Columns that share an FP4 scale.</summary>
    public const int Fp4Block = 32;

    /// <summary>Columns whose codes lie together in front of their scales.</summary>
    internal const int Group = 128;

    /// <summary>Bytes of the smallest piece of codes: one cache line holds this many bytes of 32 rows.</summary>
    internal const int Line = 64;

    /// <summary>FP8 columns in a line.</summary>
    internal const int Fp8LineColumns = 2;

    /// <summary>FP4 columns in a line.</summary>
    internal const int Fp4LineColumns = 4;

    /// <summary>Bytes of the codes of <paramref name="columns"/> ≤ <see cref="Group"/> columns; their scales follow.</summary>
    internal static int CodeBytes(WeightFormat format, int columns) =>
        format == WeightFormat.Fp8 ? Lines(columns, Fp8LineColumns) : Lines(columns, Fp4LineColumns);

    /// <summary>Bytes of a group of <paramref name="columns"/> ≤ <see cref="Group"/> columns, codes and scales, in whole lines.</summary>
    internal static int GroupBytes(WeightFormat format, int columns) =>
        CodeBytes(format, columns) + Lines((columns + BlockOf(format) - 1) / BlockOf(format), Line / Rows);

    private static int BlockOf(WeightFormat format) => format == WeightFormat.Fp8 ? Fp8Block : Fp4Block;

    private static int Lines(int count, int perLine) => (count + perLine - 1) / perLine * Line;
}

/// <summary>
/// A stack of equal matrices W (N, K) in the one packed layout: panels of 32 output rows, and within a panel K in sequence, so that a
/// product streams through memory once. Block formats lie in groups of 128 columns: lines of codes, then 32 scale bytes for each block of
/// columns, filled up to a line. Owns nothing.
/// </summary>
/// <remarks>
/// F32: for each column 32 singles. BF16: for each column a line of sixteen 32-bit words, row i below row i + 16.
/// FP8: a line holds columns k and k + 1; quarter q of it first column k, then k + 1, and of each the bytes of rows 4q, 4q + 16, 4q + 1, …
/// FP4: a line holds four columns; word i of sixteen has column k + c in byte c, row i in the low and row i + 16 in the high nibble.
/// Rows beyond N and columns beyond K are zero. Matrices of a stack begin on a page.
/// </remarks>
public sealed record WeightMatrix(Storage Storage, WeightFormat Format, int Count, int Rows, int Columns)
{
    private const int Page = 4096;

    /// <summary>Where the first matrix begins in the storage.</summary>
    public long Offset { get; init; }

    /// <summary>Panels of one matrix.</summary>
    public int Panels => (Rows + PanelLayout.Rows - 1) / PanelLayout.Rows;

    /// <summary>Bytes of one panel.</summary>
    public int PanelBytes => BytesOfPanel(Format, Columns);

    /// <summary>Bytes from one matrix of the stack to the next.</summary>
    public long MatrixBytes => BytesOfMatrix(Format, Rows, Columns);

    /// <summary>Bytes that a product with one matrix reads: its panels, without what fills up the last page.</summary>
    public long ReadBytes => BytesRead(Format, Rows, Columns);

    /// <summary>The same before there is a matrix.</summary>
    public static long BytesRead(WeightFormat format, int rows, int columns) =>
        (long)((rows + PanelLayout.Rows - 1) / PanelLayout.Rows) * BytesOfPanel(format, columns);

    /// <summary>Bytes of a stack, for whoever allocates it.</summary>
    public static long BytesOfStack(WeightFormat format, int count, int rows, int columns) =>
        count * BytesOfMatrix(format, rows, columns);

    /// <summary>Panel <paramref name="panel"/> of matrix <paramref name="matrix"/>, in host memory.</summary>
    internal Span<byte> Panel(int matrix, int panel) =>
        ((HostStorage)Storage).Span(Offset + (matrix * MatrixBytes) + ((long)panel * PanelBytes), PanelBytes);

    /// <summary>Says that a matrix in host memory will be read soon, where its pages may be on the disk.</summary>
    internal void WillNeed(int matrix) => ((HostStorage)Storage).WillNeed(Offset + (matrix * MatrixBytes), MatrixBytes);

    private static long BytesOfMatrix(WeightFormat format, int rows, int columns) => (BytesRead(format, rows, columns) + Page - 1) / Page * Page;

    private static int BytesOfPanel(WeightFormat format, int columns) => format switch
    {
        WeightFormat.F32 => checked(columns * PanelLayout.Rows * 4),
        WeightFormat.Bf16 => checked(columns * PanelLayout.Rows * 2),
        _ => checked((columns / PanelLayout.Group * PanelLayout.GroupBytes(format, PanelLayout.Group))
            + PanelLayout.GroupBytes(format, columns % PanelLayout.Group)),
    };
}

/// <summary>
/// A matrix as a checkpoint stores it: values (N, K), or (N, K/2) pairs for FP4, and for block formats the scales, one per 128 × 128
/// values for FP8, one per 1 × 32 for FP4.
/// </summary>
/// <param name="Values">the values; <see cref="Tensor.Rows"/> may be more than this matrix's</param>
/// <param name="Scales">the scales, or none</param>
/// <param name="FirstRow">this matrix's first row within <paramref name="Values"/></param>
/// <param name="Rows">N</param>
public readonly record struct RawMatrix(Tensor Values, Tensor Scales, int FirstRow, int Rows)
{
    /// <summary>All rows of <paramref name="values"/>.</summary>
    public RawMatrix(Tensor values, Tensor scales) : this(values, scales, 0, values.Rows)
    {
    }

    /// <summary>K.</summary>
    public int Columns => Values.Type == DType.Fp4E2M1Pair ? Values.Columns * 2 : Values.Columns;
}
