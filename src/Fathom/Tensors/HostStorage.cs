using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Fathom.Tensors;

/// <summary>Memory of this process: allocated, or a region of a mapped file that someone else keeps open.</summary>
public sealed unsafe class HostStorage : Storage
{
    // Linux promises more memory than there is and ends the process when it is touched, so what cannot fit is refused before.
    private static readonly long s_machineBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    private readonly bool _owned;
    private readonly IDisposable? _keeper;

    private HostStorage(byte* pointer, long bytes, MemoryPurpose purpose, bool owned, IDisposable? keeper) : base(bytes, purpose)
    {
        Pointer = pointer;
        _owned = owned;
        _keeper = keeper;
    }

    /// <summary>Whether its pages come from a file that memory may not hold as a whole, so that it pays to ask for them ahead.</summary>
    internal bool IsPaged { get; init; }

    /// <summary>The first byte.</summary>
    internal byte* Pointer { get; private set; }

    /// <summary>Zeroed memory aligned to a cache line, to a page from one page on, and from two large pages on to one of them.</summary>
    /// <param name="bytes">size, at least 0</param>
    /// <param name="purpose">what it is counted under</param>
    /// <exception cref="InsufficientMemoryException">more than the machine has</exception>
    public static HostStorage Allocate(long bytes, MemoryPurpose purpose)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > s_machineBytes)
        {
            throw new InsufficientMemoryException(
                $"expected at most {s_machineBytes} bytes, this machine's memory, found a need of {bytes} for {purpose.ToString().ToLowerInvariant()}.");
        }
        bool large = bytes >= 2 * MemoryAdvice.LargePageBytes;
        nuint alignment = large ? MemoryAdvice.LargePageBytes : bytes >= Environment.SystemPageSize ? (nuint)Environment.SystemPageSize : 64;
        byte* pointer = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), alignment);
        if (large)
        {
            // A hint: without such pages the memory is as good and a few per cent slower, so the answer does not matter.
            MemoryAdvice.LargePages(pointer, (nuint)bytes, wanted: true);
        }
        NativeMemory.Clear(pointer, (nuint)bytes);
        return new HostStorage(pointer, bytes, purpose, owned: true, keeper: null);
    }

    /// <summary>A view of foreign memory that <paramref name="keeper"/> keeps alive and that disposing this disposes.</summary>
    internal static HostStorage Borrow(byte* pointer, long bytes, MemoryPurpose purpose, IDisposable? keeper, bool isPaged = false) =>
        new(pointer, bytes, purpose, owned: false, keeper) { IsPaged = isPaged };

    /// <summary>Bytes <paramref name="offset"/> … <paramref name="offset"/> + <paramref name="count"/>.</summary>
    internal Span<byte> Span(long offset, int count)
    {
        Debug.Assert(!IsDisposed && offset >= 0 && count >= 0 && offset + count <= Bytes);
        return new Span<byte>(Pointer + offset, count);
    }

    /// <summary>Begins to read pages from the disk, where they are not in memory; does not wait.</summary>
    /// <param name="offset">of the first byte</param> <param name="bytes">how many</param>
    internal void WillNeed(long offset, long bytes)
    {
        if (IsPaged)
        {
            MemoryAdvice.WillNeed(Pointer + offset, (nuint)bytes);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_owned)
        {
            NativeMemory.AlignedFree(Pointer);
        }
        Pointer = null;
        _keeper?.Dispose();
    }
}
