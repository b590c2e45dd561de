using System.Runtime.InteropServices;

namespace Fathom.Tensors;

/// <summary>Pages of 2 MB, which Linux gives to memory that asks for them: a stream then needs a thousandth of the address translations.</summary>
internal static unsafe partial class LargePages
{
    /// <summary>The large page of x86-64 and of most arm64 systems.</summary>
    public const int Bytes = 2 << 20;

    // From Linux's header of memory management.
    private const int AdviceHugePage = 14;
    private const int AdviceNoHugePage = 15;

    /// <summary>Asks for large pages or for usual ones; returns whether the system took the advice. Elsewhere than on Linux nobody is asked.</summary>
    /// <param name="pointer">begins a page</param> <param name="bytes">size</param> <param name="wanted">large pages, not usual ones</param>
    public static bool Advise(void* pointer, nuint bytes, bool wanted) =>
        OperatingSystem.IsLinux() && Advise(pointer, bytes, wanted ? AdviceHugePage : AdviceNoHugePage) == 0;

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
