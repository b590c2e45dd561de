using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    /// <summary>Blocks of 32 columns: 32 scale bytes, then sixteen bytes per column, row i low and row i + 16 high. columns ≤ 128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int WidenFp4(ReadOnlySpan<byte> panel, int columns, Span<float> w)
    {
        int blocks = (columns + PanelLayout.Fp4Block - 1) / PanelLayout.Fp4Block;
        int bytes = (blocks * ScaleBytes) + (columns * 16);
        ref byte source = ref MemoryMarshal.GetReference(panel[..bytes]);
        ref float target = ref MemoryMarshal.GetReference(w[..(columns * 32)]);
        Vector512<float> values = Vector512.Create(0f, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6);
        Vector512<int> nibble = Vector512.Create(15);
        nuint offset = 0;
        for (nuint k = 0; k < (nuint)columns;)
        {
            Vector512<float> scaleLow = Widening.Ue8m0(Vector128.LoadUnsafe(ref source, offset));
            Vector512<float> scaleHigh = Widening.Ue8m0(Vector128.LoadUnsafe(ref source, offset + 16));
            offset += ScaleBytes;
            nuint end = Math.Min((nuint)columns, k + PanelLayout.Fp4Block);
            for (; k < end; k++, offset += 16)
            {
                Vector512<int> pair = Widening.Ints(Vector128.LoadUnsafe(ref source, offset));
                (Vector512.Shuffle(values, pair & nibble) * scaleLow).StoreUnsafe(ref target, k * 32);
                (Vector512.Shuffle(values, (pair >>> 4) & nibble) * scaleHigh).StoreUnsafe(ref target, (k * 32) + 16);
            }
        }
        return bytes;
    }
}
