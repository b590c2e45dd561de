using System.Runtime.CompilerServices;
using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

/// <summary>
/// The rows that a few consecutive queries attend to, as one sequence: the stretch of the window that any of them sees, then compressed rows.
/// Several queries share compressed rows only where all see the same from the first on; a selection belongs to one query.
/// </summary>
internal readonly ref struct ContextRows
{
    private readonly ContextOperand _context;
    private readonly ReadOnlySpan<int> _selection;
    private readonly int _firstQuery;
    private readonly int _firstRow;
    private readonly int _windowLength;

    /// <summary>The rows of queries <paramref name="first"/> … of <paramref name="queries"/>.</summary>
    public ContextRows(scoped in ContextOperand context, int queries, int first, int count)
    {
        _context = context;
        _firstQuery = first;
        _windowLength = context.Window.Rows - queries + 1;
        _firstRow = first + _windowLength - Math.Min(_windowLength, context.FirstPosition + first + 1);
        WindowRows = first + count - 1 + _windowLength - _firstRow;
        CompressedRows = context.Visible(context.FirstPosition + first + count - 1);
        if (!context.Selection.IsNone)
        {
            ReadOnlySpan<int> selection = context.Selection.Row(first).Span<int>();
            int end = selection.IndexOf(-1);
            _selection = end < 0 ? selection : selection[..end];
            CompressedRows = _selection.Length;
        }
    }

    /// <summary>Rows of the window.</summary>
    public int WindowRows { get; }

    /// <summary>Compressed rows behind them.</summary>
    public int CompressedRows { get; }

    /// <summary>All.</summary>
    public int Count => WindowRows + CompressedRows;

    /// <summary>Which window rows the <paramref name="query"/>-th of these queries sees.</summary>
    public (int First, int End) Window(int query)
    {
        int t = _firstQuery + query, end = t + _windowLength - _firstRow;
        return (end - Math.Min(_windowLength, _context.FirstPosition + t + 1), end);
    }

    /// <summary>Which of all rows are the compressed ones it sees.</summary>
    public (int First, int End) Compressed(int query) =>
        (WindowRows, _context.Selection.IsNone ? WindowRows + _context.Visible(_context.FirstPosition + _firstQuery + query) : Count);

    /// <summary>Rows <paramref name="first"/> … as singles, or some columns of them.</summary>
    /// <param name="first">first row</param>
    /// <param name="count">number of rows</param>
    /// <param name="firstColumn">first column, a multiple of 32, of 16 where rows are not FP4</param>
    /// <param name="columns">number of columns</param>
    /// <param name="rows">(count, columns), row stride <paramref name="stride"/>; overwritten</param>
    /// <param name="stride">elements from one row to the next</param>
    public void Load(int first, int count, int firstColumn, int columns, Span<float> rows, int stride)
    {
        int inWindow = Math.Clamp(WindowRows - first, 0, count);
        for (int i = 0; i < inWindow; i++)
        {
            _context.Window.Row(_firstRow + first + i).Span<float>().Slice(firstColumn, columns).CopyTo(rows[(i * stride)..]);
        }
        if (inWindow < count)
        {
            Decode(Math.Max(0, first - WindowRows), count - inWindow, firstColumn, columns, rows[(inWindow * stride)..], stride);
        }
    }

    private void Decode(int first, int count, int firstColumn, int columns, Span<float> rows, int stride)
    {
        RowBlocks blocks = _context.Compressed;
        RowFormat format = blocks.Format;
        if (_selection.IsEmpty)
        {
            for (int i = 0, run; i < count; i += run)
            {
                CacheRow.DecodeRows(blocks.Run(first + i, count - i, out run), format, firstColumn, columns, rows[(i * stride)..], stride);
            }
            return;
        }
        DecodeChosen(_selection.Slice(first, count), firstColumn, columns, rows, stride);
    }

    // Chosen rows lie anywhere, so the processor cannot fetch ahead by itself: some are on their way while those before them are brought together and decoded.
    private unsafe void DecodeChosen(ReadOnlySpan<int> chosen, int firstColumn, int columns, Span<float> rows, int stride)
    {
        const int Together = 8;
        RowBlocks blocks = _context.Compressed;
        RowFormat format = blocks.Format;
        int bytes = format.Bytes, blockBegin = 0, inBlock = 0, decoded = 0;
        byte** places = stackalloc byte*[2 * Together];
        Span<byte> near = stackalloc byte[Together * bytes];
        byte* block = null;
        for (int i = 0; decoded < chosen.Length; i++)
        {
            if (i < chosen.Length)
            {
                if ((uint)(chosen[i] - blockBegin) >= (uint)inBlock)
                {
                    blockBegin = chosen[i] / blocks.RowsPerBlock * blocks.RowsPerBlock;
                    block = (byte*)Unsafe.AsPointer(ref blocks.Run(blockBegin, blocks.RowsPerBlock, out inBlock)[0]);    // no object of the runtime's: it stays
                }
                places[i % (2 * Together)] = block + ((long)(chosen[i] - blockBegin) * bytes);
                CacheRow.Fetch(places[i % (2 * Together)], bytes);
            }
            if (i + 1 - decoded == 2 * Together)
            {
                int count = Math.Min(Together, chosen.Length - decoded);
                for (int j = 0; j < count; j++)
                {
                    new ReadOnlySpan<byte>(places[(decoded + j) % (2 * Together)], bytes).CopyTo(near[(j * bytes)..]);
                }
                CacheRow.DecodeRows(near[..(count * bytes)], format, firstColumn, columns, rows[(decoded * stride)..], stride);
                decoded += count;
            }
        }
    }
}
