namespace Fathom.Cache;

/// <summary>Takes pieces from bytes, one behind the other.</summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Bytes not taken yet.</summary>
    public readonly int Left => _bytes.Length;

    /// <summary>The next piece.</summary>
    public ReadOnlySpan<byte> Take(long count)
    {
        ReadOnlySpan<byte> piece = _bytes[..checked((int)count)];
        _bytes = _bytes[piece.Length..];
        return piece;
    }
}

/// <summary>Gives pieces of an array to write to, one behind the other.</summary>
internal sealed class ByteWriter(int length)
{
    private int _end;

    /// <summary>The array.</summary>
    public byte[] Bytes { get; } = GC.AllocateUninitializedArray<byte>(length);

    /// <summary>Its length.</summary>
    public int Length => Bytes.Length;

    /// <summary>The next piece, to be written.</summary>
    public Span<byte> Next(long count)
    {
        Span<byte> piece = Bytes.AsSpan(_end, checked((int)count));
        _end += piece.Length;
        return piece;
    }
}
