using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    /// <summary>A 32-bit word holds row i in its lower and row i + 16 in its upper half: a bfloat16 is the upper half of a single.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int WidenBf16(ReadOnlySpan<byte> panel, int columns, Span<float> w)
    {
        ref uint source = ref MemoryMarshal.GetReference(MemoryMarshal.Cast<byte, uint>(panel[..(columns * 64)]));
        ref float target = ref MemoryMarshal.GetReference(w[..(columns * 32)]);
        Vector512<uint> upper = Vector512.Create(0xFFFF0000u);
        for (nuint k = 0; k < (nuint)columns; k++)
        {
            Vector512<uint> pair = Vector512.LoadUnsafe(ref source, k * 16);
            (pair << 16).AsSingle().StoreUnsafe(ref target, k * 32);
            (pair & upper).AsSingle().StoreUnsafe(ref target, (k * 32) + 16);
        }
        return columns * 64;
    }
}
