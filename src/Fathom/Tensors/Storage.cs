namespace Fathom.Tensors;

/// <summary>What a piece of memory is for; memory is counted by it.</summary>
public enum MemoryPurpose
{
    /// <summary>Weights, read-only after loading.</summary>
    Weights,

    /// <summary>What sequences remember.</summary>
    Cache,

    /// <summary>Activations and scratch.</summary>
    Activations,
}

/// <summary>Owns one contiguous piece of memory; tensors are views of it. Disposed by whoever made it, never by a view.</summary>
public abstract class Storage : IDisposable
{
    private static readonly long[] s_liveBytes = new long[Enum.GetValues<MemoryPurpose>().Length];

    /// <summary>Counts the bytes under their purpose until the storage is disposed.</summary>
    protected Storage(long bytes, MemoryPurpose purpose)
    {
        Bytes = bytes;
        Purpose = purpose;
        Interlocked.Add(ref s_liveBytes[(int)purpose], bytes);
    }

    /// <summary>Size in bytes.</summary>
    public long Bytes { get; }

    /// <summary>What the memory is for.</summary>
    public MemoryPurpose Purpose { get; }

    /// <summary>Whether the memory has been given back.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Bytes of all live storages of a purpose in this process. May be called from any thread.</summary>
    public static long LiveBytes(MemoryPurpose purpose) => Volatile.Read(ref s_liveBytes[(int)purpose]);

    /// <summary>Gives the memory back. A second call does nothing.</summary>
    public void Dispose()
    {
        if (!IsDisposed)
        {
            IsDisposed = true;
            Interlocked.Add(ref s_liveBytes[(int)Purpose], -Bytes);
            Dispose(disposing: true);
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the derived class holds.</summary>
    protected abstract void Dispose(bool disposing);
}
