using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    /// <summary>One row: the two chains of a panel are faster than memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneBf16(ReadOnlySpan<byte> panel, ReadOnlySpan<float> x, Span<float> sums)
    {
        ref byte line = ref MemoryMarshal.GetReference(panel[..(x.Length * PanelLayout.Line)]);
        ref float factor = ref MemoryMarshal.GetReference(x);
        Vector512<float> low = default, high = default;
        for (int k = 0; k < x.Length; k++)
        {
            Prefetch(ref line);
            (Vector512<float> w0, Vector512<float> w1) = Halves(Vector512.LoadUnsafe(ref line).AsUInt32());
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref factor, k));
            low = Vector512.FusedMultiplyAdd(v, w0, low);
            high = Vector512.FusedMultiplyAdd(v, w1, high);
            line = ref Unsafe.Add(ref line, PanelLayout.Line);
        }
        low.CopyTo(sums);
        high.CopyTo(sums[16..]);
    }

    private static void WidenBf16(ReadOnlySpan<byte> codes, Span<float> w)
    {
        ref byte source = ref MemoryMarshal.GetReference(codes);
        ref float target = ref MemoryMarshal.GetReference(w[..(codes.Length / 2)]);
        for (nuint i = 0; i < (nuint)codes.Length; i += PanelLayout.Line)
        {
            (Vector512<float> low, Vector512<float> high) = Halves(Vector512.LoadUnsafe(ref source, i).AsUInt32());
            low.StoreUnsafe(ref target, i / 2);
            high.StoreUnsafe(ref target, (i / 2) + 16);
        }
    }

    // A bfloat16 is the upper half of a single: row i in the lower half of a word, row i + 16 in the upper.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Low, Vector512<float> High) Halves(Vector512<uint> pairs) =>
        ((pairs << 16).AsSingle(), (pairs & Vector512.Create(0xFFFF0000u)).AsSingle());
}
