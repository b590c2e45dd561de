using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    private const int ScaleBytes = PanelLayout.Rows;

    /// <summary>One block: 32 scale bytes, then 32 codes per column. columns ≤ 128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int WidenFp8(ReadOnlySpan<byte> panel, int columns, Span<float> w)
    {
        int bytes = ScaleBytes + (columns * 32);
        ref byte source = ref MemoryMarshal.GetReference(panel[..bytes]);
        ref float target = ref MemoryMarshal.GetReference(w[..(columns * 32)]);
        Vector512<float> scaleLow = Widening.Ue8m0(Vector128.LoadUnsafe(ref source)), scaleHigh = Widening.Ue8m0(Vector128.LoadUnsafe(ref source, 16));
        for (nuint k = 0; k < (nuint)columns; k++)
        {
            (Widening.E4M3(Vector128.LoadUnsafe(ref source, ScaleBytes + (k * 32))) * scaleLow).StoreUnsafe(ref target, k * 32);
            (Widening.E4M3(Vector128.LoadUnsafe(ref source, ScaleBytes + (k * 32) + 16)) * scaleHigh).StoreUnsafe(ref target, (k * 32) + 16);
        }
        return bytes;
    }
}
