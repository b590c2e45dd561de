using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    /// <summary>Two panels and one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StreamsBf16(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<float> x, Span<float> sumsA, Span<float> sumsB)
    {
        ref byte a = ref MemoryMarshal.GetReference(first), b = ref MemoryMarshal.GetReference(second);
        ref float factor = ref MemoryMarshal.GetReference(x);
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default;
        for (nint k = 0; k < x.Length; k++)
        {
            Prefetch(ref a);
            Prefetch(ref b);
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref factor, k));
            (Vector512<float> low, Vector512<float> high) = Halves(Vector512.LoadUnsafe(ref a).AsUInt32());
            a0 = Vector512.FusedMultiplyAdd(v, low, a0);
            a1 = Vector512.FusedMultiplyAdd(v, high, a1);
            (low, high) = Halves(Vector512.LoadUnsafe(ref b).AsUInt32());
            b0 = Vector512.FusedMultiplyAdd(v, low, b0);
            b1 = Vector512.FusedMultiplyAdd(v, high, b1);
            a = ref Unsafe.Add(ref a, PanelLayout.Line);
            b = ref Unsafe.Add(ref b, PanelLayout.Line);
        }
        a0.CopyTo(sumsA);
        a1.CopyTo(sumsA[16..]);
        b0.CopyTo(sumsB);
        b1.CopyTo(sumsB[16..]);
    }

    /// <summary>One panel and four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static FourRows FewBf16(ref byte line, int columns, ref float x0, ref float x1, ref float x2, ref float x3)
    {
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        for (nint k = 0; k < columns; k++)
        {
            Prefetch(ref line);
            (Vector512<float> low, Vector512<float> high) = Halves(Vector512.LoadUnsafe(ref line).AsUInt32());
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref x0, k));
            a0 = Vector512.FusedMultiplyAdd(v, low, a0);
            a1 = Vector512.FusedMultiplyAdd(v, high, a1);
            v = Vector512.Create(Unsafe.Add(ref x1, k));
            b0 = Vector512.FusedMultiplyAdd(v, low, b0);
            b1 = Vector512.FusedMultiplyAdd(v, high, b1);
            v = Vector512.Create(Unsafe.Add(ref x2, k));
            c0 = Vector512.FusedMultiplyAdd(v, low, c0);
            c1 = Vector512.FusedMultiplyAdd(v, high, c1);
            v = Vector512.Create(Unsafe.Add(ref x3, k));
            d0 = Vector512.FusedMultiplyAdd(v, low, d0);
            d1 = Vector512.FusedMultiplyAdd(v, high, d1);
            line = ref Unsafe.Add(ref line, PanelLayout.Line);
        }
        var sums = default(FourRows);
        (sums[0], sums[1], sums[2], sums[3]) = (a0, a1, b0, b1);
        (sums[4], sums[5], sums[6], sums[7]) = (c0, c1, d0, d1);
        return sums;
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
