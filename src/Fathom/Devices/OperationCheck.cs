using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;
using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>Checks the operands of one operation; what it finds wrong it throws as an <see cref="InvalidOperationException"/> of one sentence.</summary>
/// <param name="device">where the operands are</param>
/// <param name="operation">its name</param>
internal readonly struct OperationCheck(Device device, string operation)
{
    /// <summary>Type and shape (1, rows, columns), in memory that is still there.</summary>
    public void Is(string operand, in Tensor x, DType type, int rows, int columns)
    {
        Alive(operand, x);
        if (x.Type != type || x.Planes != 1 || x.Rows != rows || x.Columns != columns)
        {
            Fail(operand, $"{type} ({rows}, {columns})", x.ToString());
        }
    }

    /// <summary>Singles of <paramref name="columns"/> columns and any number of rows.</summary>
    public void Rows(string operand, in Tensor x, int columns) => Is(operand, x, DType.F32, x.Rows, columns);

    /// <summary>A view of memory that has not been given back.</summary>
    public void Alive(string operand, in Tensor x)
    {
        if (x.IsNone)
        {
            Fail(operand, "a tensor", "none");
        }
        Alive(operand, x.Storage);
    }

    /// <summary>A stack of matrices.</summary>
    public void Is(string operand, WeightMatrix w, int count, int rows, int columns)
    {
        Alive(operand, w.Storage);
        if (w.Count != count || w.Rows != rows || w.Columns != columns)
        {
            Fail(operand, $"{count} × ({rows}, {columns})", $"{w.Count} × ({w.Rows}, {w.Columns})");
        }
    }

    /// <summary>No byte in common.</summary>
    public void Apart(string operand, in Tensor x, string otherName, in Tensor other)
    {
        if (Overlap(x, other))
        {
            Fail(operand, "memory of its own", $"memory of {otherName}");
        }
    }

    /// <summary>The same bytes, or none in common.</summary>
    public void SameOrApart(string operand, in Tensor x, string otherName, in Tensor other)
    {
        if (x.Offset != other.Offset)
        {
            Apart(operand, x, otherName, other);
        }
    }

    /// <summary>No NaN and no infinity.</summary>
    public void Finite(string operand, in Tensor x)
    {
        float[] values = Download<float>(x);
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                Fail(operand, "finite values", $"{values[i]} in row {i / x.Columns}, column {i % x.Columns}");
            }
        }
    }

    /// <summary>32-bit integers from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public void InRange(string operand, in Tensor x, int least, int most)
    {
        int[] values = Download<int>(x);
        for (int i = 0; i < values.Length; i++)
        {
            if (values[i] < least || values[i] > most)
            {
                Fail(operand, $"numbers from {least} to {most}", $"{values[i]} in row {i / x.Columns}");
            }
        }
    }

    /// <summary>
    /// Every row ascends strictly and ends in −1s. Where <paramref name="exact"/>, as many as are visible and fit; a row never names what its
    /// query doesn't see.
    /// </summary>
    public void Selects(string operand, in Tensor selection, int ratio, int firstPosition, bool exact)
    {
        int[] values = Download<int>(selection);
        for (int t = 0; t < selection.Rows; t++)
        {
            ReadOnlySpan<int> row = values.AsSpan(t * selection.Columns, selection.Columns);
            int visible = (firstPosition + t + 1) / ratio, count = row.IndexOf(-1) is var end && end < 0 ? row.Length : end;
            for (int i = 0; i < row.Length; i++)
            {
                bool holds = i >= count ? row[i] == -1 : row[i] < visible && row[i] > (i == 0 ? -1 : row[i - 1]);
                if (!holds)
                {
                    Fail(operand, $"rows below {visible}, ascending, then −1", $"{row[i]} in row {t}, column {i}");
                }
            }
            if (exact && count != Math.Min(visible, row.Length))
            {
                Fail(operand, $"{Math.Min(visible, row.Length)} chosen", $"{count} in row {t}");
            }
        }
    }

    /// <summary>Blocks that hold the first <paramref name="count"/> rows.</summary>
    public void Holds(string operand, in RowBlocks blocks, int count, int dim)
    {
        if (count == 0)
        {
            return;
        }
        if (blocks.Format.Dim != dim || blocks.RowsPerBlock < 1)
        {
            Fail(operand, $"rows of {dim}", $"{blocks.RowsPerBlock} rows of {blocks.Format.Dim} to a block");
        }
        int needed = ((count - 1) / blocks.RowsPerBlock) + 1;
        if (blocks.Blocks.Count < needed)
        {
            Fail(operand, $"blocks for {count} rows, {blocks.RowsPerBlock} to a block", $"{blocks.Blocks.Count} blocks");
        }
        for (int i = 0; i < needed; i++)
        {
            Alive(operand, blocks.Blocks[i]);
            long end = blocks.Offset + ((long)blocks.RowsPerBlock * blocks.Format.Bytes);
            if (end > blocks.Blocks[i].Bytes)
            {
                Fail(operand, $"blocks of at least {end} bytes", $"{blocks.Blocks[i].Bytes} bytes");
            }
        }
    }

    /// <summary>A number of at least <paramref name="least"/>.</summary>
    public void AtLeast<T>(string operand, T value, T least) where T : INumber<T>
    {
        if (!(value >= least))
        {
            Fail(operand, $"at least {least}", $"{value}");
        }
    }

    /// <summary>A whole multiple.</summary>
    public void Multiple(string operand, int value, int of)
    {
        if (of < 1 || value % of != 0)
        {
            Fail(operand, $"a multiple of {of}", $"{value}");
        }
    }

    /// <summary>Throws.</summary>
    [DoesNotReturn]
    public void Fail(string operand, string expected, string found) =>
        throw new InvalidOperationException($"{operation}, {operand}: expected {expected}, found {found}.");

    private void Alive(string operand, Storage? storage)
    {
        if (storage is { IsDisposed: true })
        {
            Fail(operand, "live memory", $"{storage.Bytes} bytes that were given back");
        }
    }

    private static bool Overlap(in Tensor x, in Tensor y) =>
        !x.IsNone && ReferenceEquals(x.Storage, y.Storage) && x.Count > 0 && y.Count > 0
        && x.Offset < y.Offset + (y.Count * y.Type.Size()) && y.Offset < x.Offset + (x.Count * x.Type.Size());

    private T[] Download<T>(in Tensor x) where T : unmanaged
    {
        var values = new T[x.Count];
        device.Download(x, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
