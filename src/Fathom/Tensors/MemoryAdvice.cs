using System.Runtime.InteropServices;

namespace Fathom.Tensors;

/// <summary>What Linux is told about memory; all of it hints, and elsewhere nobody is told.</summary>
internal static unsafe partial class MemoryAdvice
{
    /// <summary>The large page of x86-64 and of most arm64 systems.</summary>
    public const int LargePageBytes = 2 << 20;

    // From Linux's header of memory management.
    private const int AdviceWillNeed = 3;
    private const int AdviceHugePage = 14;
    private const int AdviceNoHugePage = 15;

    /// <summary>
    /// Asks for pages of 2 MB or for usual ones; returns whether the system took the advice. With large ones a stream needs a thousandth of
    /// the address translations.
    /// </summary>
    /// <param name="pointer">begins a page</param> <param name="bytes">size</param> <param name="wanted">large pages, not usual ones</param>
    public static bool LargePages(void* pointer, nuint bytes, bool wanted) =>
        OperatingSystem.IsLinux() && Advise(pointer, bytes, wanted ? AdviceHugePage : AdviceNoHugePage) == 0;

    /// <summary>Asks for pages of 2 MB wherever a whole one lies within memory that need not begin a page.</summary>
    /// <param name="address">first byte</param> <param name="bytes">size</param>
    public static void LargePagesWithin(nint address, long bytes)
    {
        nint first = (address + LargePageBytes - 1) / LargePageBytes * LargePageBytes, end = (nint)(address + bytes) / LargePageBytes * LargePageBytes;
        if (end > first)
        {
            LargePages((void*)first, (nuint)(end - first), wanted: true);
        }
    }

    /// <summary>Begins to read pages of a mapped file ahead of use.</summary>
    /// <param name="pointer">begins a page</param> <param name="bytes">size</param>
    public static void WillNeed(void* pointer, nuint bytes)
    {
        if (OperatingSystem.IsLinux())
        {
            _ = Advise(pointer, bytes, AdviceWillNeed);                                   // a hint: a page that was not read ahead is read when it is touched
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
