using System.Runtime.InteropServices;

namespace Fathom.Tensors;

/// <summary>What the system is asked for when memory of its own size of page is wanted.</summary>
internal enum PageKind
{
    /// <summary>Pages of the usual size, 4 KB here.</summary>
    Small,

    /// <summary>Pages of 2 MB where the system has them: fewer look-ups of addresses, and the processor fetches ahead further.</summary>
    Huge,
}

/// <summary>Memory in pages of one kind, written once so that it is really there. Disposed by whoever made it.</summary>
internal sealed unsafe class PageMemory : IDisposable
{
    private float* _pointer;

    private PageMemory(float* pointer, long bytes, bool isHonoured)
    {
        _pointer = pointer;
        Bytes = bytes;
        IsHonoured = isHonoured;
    }

    /// <summary>Size.</summary>
    public long Bytes { get; }

    /// <summary>Whether the system took the advice; elsewhere than on Linux nobody is asked.</summary>
    public bool IsHonoured { get; }

    /// <summary>All of it.</summary>
    public Span<float> Floats => new(_pointer, checked((int)(Bytes / sizeof(float))));

    /// <summary>Memory filled with ones.</summary>
    /// <param name="bytes">a multiple of 2 MB, below 8 GB</param>
    /// <param name="kind">of pages</param>
    public static PageMemory Allocate(long bytes, PageKind kind)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes % MemoryAdvice.LargePageBytes, 0, nameof(bytes));
        void* pointer = NativeMemory.AlignedAlloc((nuint)bytes, MemoryAdvice.LargePageBytes);
        bool honoured = MemoryAdvice.LargePages(pointer, (nuint)bytes, wanted: kind == PageKind.Huge);
        var memory = new PageMemory((float*)pointer, bytes, honoured);
        memory.Floats.Fill(1);                                                            // pages that were never written are not memory
        return memory;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
    }
}
