using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Fathom.Tensors;

/// <summary>
/// A contiguous, row-major view of a <see cref="Storage"/>, rank 1 to 3. Owns nothing: the storage must outlive it.
/// A missing dimension is 1 on the left, so (T, d) is also (1, T, d).
/// </summary>
public readonly struct Tensor
{
    /// <summary>A view of shape (planes, rows, columns) that begins <paramref name="offset"/> bytes into the storage.</summary>
    public Tensor(Storage storage, long offset, DType type, int planes, int rows, int columns)
    {
        Debug.Assert(offset >= 0 && planes >= 0 && rows >= 0 && columns >= 0);
        Debug.Assert(offset + ((long)planes * rows * columns * type.Size()) <= storage.Bytes);
        Storage = storage;
        Offset = offset;
        Type = type;
        Planes = planes;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>Where the elements live; null only in <c>default</c>.</summary>
    public Storage? Storage { get; }

    /// <summary>First byte within the storage.</summary>
    public long Offset { get; }

    /// <summary>Element format.</summary>
    public DType Type { get; }

    /// <summary>Size of the first of three dimensions.</summary>
    public int Planes { get; }

    /// <summary>Size of the second of three dimensions.</summary>
    public int Rows { get; }

    /// <summary>Size of the last dimension, whose elements are adjacent.</summary>
    public int Columns { get; }

    /// <summary>Number of elements.</summary>
    public long Count => (long)Planes * Rows * Columns;

    /// <summary>Whether this is <c>default</c>: absent by design.</summary>
    public bool IsNone => Storage is null;

    /// <summary>The same elements under another shape with as many elements.</summary>
    public Tensor Shaped(int rows, int columns)
    {
        Debug.Assert((long)rows * columns == Count);
        return new Tensor(Storage!, Offset, Type, 1, rows, columns);
    }

    /// <summary>Rows <paramref name="first"/> … of a (T, d) view.</summary>
    public Tensor Slice(int first, int count)
    {
        Debug.Assert(Planes == 1 && first >= 0 && count >= 0 && first + count <= Rows);
        return new Tensor(Storage!, Offset + ((long)first * Columns * Type.Size()), Type, 1, count, Columns);
    }

    /// <summary>Row <paramref name="index"/> of a (T, d) view, as (1, d).</summary>
    public Tensor Row(int index) => Slice(index, 1);

    /// <summary>"F32 (4, 16)".</summary>
    public override string ToString() =>
        Planes > 1 ? $"{Type} ({Planes}, {Rows}, {Columns})" : $"{Type} ({Rows}, {Columns})";

    /// <summary>The elements in host memory. Only for storages of this process and at most 2³¹ elements.</summary>
    internal Span<T> Span<T>() where T : unmanaged
    {
        if (Count == 0)
        {
            return default;
        }
        var host = (HostStorage)Storage!;
        return MemoryMarshal.Cast<byte, T>(host.Span(Offset, checked((int)(Count * Type.Size()))));
    }
}
