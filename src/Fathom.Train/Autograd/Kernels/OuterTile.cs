using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>
/// The sibling of the engine's tile for weight gradients: acc[n, 0…31] += Σ_r y[r, n] · x[r, 0…31]. It walks down the rows of both, so that
/// neither has to be transposed. Each output is one chain of fused multiply-adds in the order of r.
/// </summary>
internal static class OuterTile
{
    public const int Width = 32;

    /// <summary>Rows of the accumulators that are summed together.</summary>
    public const int Rows = 8;

    /// <param name="y">(rows, ≥ count), row stride <paramref name="yStride"/></param>
    /// <param name="yStride">elements from one row of y to the next</param>
    /// <param name="x">(rows, ≥ 32), row stride <paramref name="xStride"/></param>
    /// <param name="xStride">elements from one row of x to the next</param>
    /// <param name="rows">number of products</param>
    /// <param name="acc">(count, 32)</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate(ReadOnlySpan<float> y, int yStride, ReadOnlySpan<float> x, int xStride, int rows, Span<float> acc)
    {
        int count = acc.Length / Width;
        Debug.Assert(rows == 0 || (y.Length >= ((rows - 1) * yStride) + count && x.Length >= ((rows - 1) * xStride) + Width));
        ref float y0 = ref MemoryMarshal.GetReference(y);
        ref float x0 = ref MemoryMarshal.GetReference(x);
        ref float a0 = ref MemoryMarshal.GetReference(acc);
        int n = 0;
        for (; n + Rows <= count; n += Rows)
        {
            Eight(ref Unsafe.Add(ref y0, n), yStride, ref x0, xStride, rows, ref Unsafe.Add(ref a0, n * Width));
        }
        for (; n + 2 <= count; n += 2)
        {
            Two(ref Unsafe.Add(ref y0, n), yStride, ref x0, xStride, rows, ref Unsafe.Add(ref a0, n * Width));
        }
        if (n < count)
        {
            One(ref Unsafe.Add(ref y0, n), yStride, ref x0, xStride, rows, ref Unsafe.Add(ref a0, n * Width));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Eight(ref float y, int yStride, ref float x, int xStride, int rows, ref float acc)
    {
        Vector512<float> a0 = Load(ref acc, 0), b0 = Load(ref acc, 16), a1 = Load(ref acc, 32), b1 = Load(ref acc, 48);
        Vector512<float> a2 = Load(ref acc, 64), b2 = Load(ref acc, 80), a3 = Load(ref acc, 96), b3 = Load(ref acc, 112);
        Vector512<float> a4 = Load(ref acc, 128), b4 = Load(ref acc, 144), a5 = Load(ref acc, 160), b5 = Load(ref acc, 176);
        Vector512<float> a6 = Load(ref acc, 192), b6 = Load(ref acc, 208), a7 = Load(ref acc, 224), b7 = Load(ref acc, 240);
        for (nint r = 0; r < rows; r++)
        {
            Vector512<float> xa = Load(ref x, 0), xb = Load(ref x, 16);
            Vector512<float> v = Vector512.Create(y);
            (a0, b0) = (Fma(v, xa, a0), Fma(v, xb, b0));
            v = Vector512.Create(Unsafe.Add(ref y, 1));
            (a1, b1) = (Fma(v, xa, a1), Fma(v, xb, b1));
            v = Vector512.Create(Unsafe.Add(ref y, 2));
            (a2, b2) = (Fma(v, xa, a2), Fma(v, xb, b2));
            v = Vector512.Create(Unsafe.Add(ref y, 3));
            (a3, b3) = (Fma(v, xa, a3), Fma(v, xb, b3));
            v = Vector512.Create(Unsafe.Add(ref y, 4));
            (a4, b4) = (Fma(v, xa, a4), Fma(v, xb, b4));
            v = Vector512.Create(Unsafe.Add(ref y, 5));
            (a5, b5) = (Fma(v, xa, a5), Fma(v, xb, b5));
            v = Vector512.Create(Unsafe.Add(ref y, 6));
            (a6, b6) = (Fma(v, xa, a6), Fma(v, xb, b6));
            v = Vector512.Create(Unsafe.Add(ref y, 7));
            (a7, b7) = (Fma(v, xa, a7), Fma(v, xb, b7));
            y = ref Unsafe.Add(ref y, yStride);
            x = ref Unsafe.Add(ref x, xStride);
        }
        Store(ref acc, 0, a0, b0);
        Store(ref acc, 32, a1, b1);
        Store(ref acc, 64, a2, b2);
        Store(ref acc, 96, a3, b3);
        Store(ref acc, 128, a4, b4);
        Store(ref acc, 160, a5, b5);
        Store(ref acc, 192, a6, b6);
        Store(ref acc, 224, a7, b7);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two(ref float y, int yStride, ref float x, int xStride, int rows, ref float acc)
    {
        Vector512<float> a0 = Load(ref acc, 0), b0 = Load(ref acc, 16), a1 = Load(ref acc, 32), b1 = Load(ref acc, 48);
        for (nint r = 0; r < rows; r++)
        {
            Vector512<float> xa = Load(ref x, 0), xb = Load(ref x, 16);
            Vector512<float> v = Vector512.Create(y);
            (a0, b0) = (Fma(v, xa, a0), Fma(v, xb, b0));
            v = Vector512.Create(Unsafe.Add(ref y, 1));
            (a1, b1) = (Fma(v, xa, a1), Fma(v, xb, b1));
            y = ref Unsafe.Add(ref y, yStride);
            x = ref Unsafe.Add(ref x, xStride);
        }
        Store(ref acc, 0, a0, b0);
        Store(ref acc, 32, a1, b1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(ref float y, int yStride, ref float x, int xStride, int rows, ref float acc)
    {
        Vector512<float> a = Load(ref acc, 0), b = Load(ref acc, 16);
        for (nint r = 0; r < rows; r++)
        {
            Vector512<float> v = Vector512.Create(y);
            (a, b) = (Fma(v, Load(ref x, 0), a), Fma(v, Load(ref x, 16), b));
            y = ref Unsafe.Add(ref y, yStride);
            x = ref Unsafe.Add(ref x, xStride);
        }
        Store(ref acc, 0, a, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(ref float source, nuint index) => Vector512.LoadUnsafe(ref source, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fma(Vector512<float> x, Vector512<float> y, Vector512<float> z) => Vector512.FusedMultiplyAdd(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref float target, nuint index, Vector512<float> low, Vector512<float> high)
    {
        low.StoreUnsafe(ref target, index);
        high.StoreUnsafe(ref target, index + 16);
    }
}
