using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>
/// The engine's tile with its sums where they belong, in 32 columns of a wider matrix: y[t, 0…31] (+)= Σ_k x[t, k] · w[k, 0…31]. In training
/// K is small, and clearing and copying accumulators would take a tenth of the time.
/// </summary>
internal static class StridedTile
{
    public const int Width = 32;

    /// <param name="w">(k, ≥ 32)</param> <param name="shape">k, and the elements from one k to the next in w</param>
    /// <param name="x">(rows, ≥ k), row stride <paramref name="xStride"/></param> <param name="xStride">elements from one row of x to the next</param>
    /// <param name="y">(rows, ≥ 32), row stride <paramref name="yStride"/></param> <param name="yStride">elements from one row of y to the next</param>
    /// <param name="size">rows, and whether to add to y or to overwrite it</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(
        ReadOnlySpan<float> w, (int K, int Stride) shape, ReadOnlySpan<float> x, int xStride, Span<float> y, int yStride, (int Rows, bool Add) size)
    {
        int rows = size.Rows, k = shape.K;
        Debug.Assert(k == 0 || w.Length >= ((k - 1) * shape.Stride) + Width);
        Debug.Assert(rows == 0 || (x.Length >= ((rows - 1) * xStride) + k && y.Length >= ((rows - 1) * yStride) + Width));
        ref float w0 = ref MemoryMarshal.GetReference(w);
        ref float x0 = ref MemoryMarshal.GetReference(x);
        ref float y0 = ref MemoryMarshal.GetReference(y);
        int t = 0;
        for (; t + 6 <= rows; t += 6)
        {
            Six(ref w0, shape, ref Unsafe.Add(ref x0, t * xStride), xStride, ref Unsafe.Add(ref y0, t * yStride), yStride, size.Add);
        }
        for (; t < rows; t++)
        {
            One(ref w0, shape, ref Unsafe.Add(ref x0, t * xStride), ref Unsafe.Add(ref y0, t * yStride), size.Add);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Six(ref float w, (int K, int Stride) shape, ref float x, int xStride, ref float y, int yStride, bool add)
    {
        ref float x1 = ref Unsafe.Add(ref x, xStride);
        ref float x2 = ref Unsafe.Add(ref x1, xStride);
        ref float x3 = ref Unsafe.Add(ref x2, xStride);
        ref float x4 = ref Unsafe.Add(ref x3, xStride);
        ref float x5 = ref Unsafe.Add(ref x4, xStride);
        Vector512<float> a0 = default, b0 = default, a1 = default, b1 = default, a2 = default, b2 = default;
        Vector512<float> a3 = default, b3 = default, a4 = default, b4 = default, a5 = default, b5 = default;
        for (nint i = 0; i < shape.K; i++)
        {
            Vector512<float> wa = Load(ref w, 0), wb = Load(ref w, 16);
            w = ref Unsafe.Add(ref w, shape.Stride);
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref x, i));
            a0 = Fma(v, wa, a0);
            b0 = Fma(v, wb, b0);
            v = Vector512.Create(Unsafe.Add(ref x1, i));
            a1 = Fma(v, wa, a1);
            b1 = Fma(v, wb, b1);
            v = Vector512.Create(Unsafe.Add(ref x2, i));
            a2 = Fma(v, wa, a2);
            b2 = Fma(v, wb, b2);
            v = Vector512.Create(Unsafe.Add(ref x3, i));
            a3 = Fma(v, wa, a3);
            b3 = Fma(v, wb, b3);
            v = Vector512.Create(Unsafe.Add(ref x4, i));
            a4 = Fma(v, wa, a4);
            b4 = Fma(v, wb, b4);
            v = Vector512.Create(Unsafe.Add(ref x5, i));
            a5 = Fma(v, wa, a5);
            b5 = Fma(v, wb, b5);
        }
        Store(ref y, a0, b0, add);
        Store(ref Unsafe.Add(ref y, yStride), a1, b1, add);
        Store(ref Unsafe.Add(ref y, 2 * yStride), a2, b2, add);
        Store(ref Unsafe.Add(ref y, 3 * yStride), a3, b3, add);
        Store(ref Unsafe.Add(ref y, 4 * yStride), a4, b4, add);
        Store(ref Unsafe.Add(ref y, 5 * yStride), a5, b5, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(ref float w, (int K, int Stride) shape, ref float x, ref float y, bool add)
    {
        Vector512<float> a = default, b = default;
        for (nint i = 0; i < shape.K; i++)
        {
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref x, i));
            a = Fma(v, Load(ref w, 0), a);
            b = Fma(v, Load(ref w, 16), b);
            w = ref Unsafe.Add(ref w, shape.Stride);
        }
        Store(ref y, a, b, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(ref float source, nuint index) => Vector512.LoadUnsafe(ref source, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fma(Vector512<float> x, Vector512<float> y, Vector512<float> z) => Vector512.FusedMultiplyAdd(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref float target, Vector512<float> low, Vector512<float> high, bool add)
    {
        if (add)
        {
            low += Load(ref target, 0);
            high += Load(ref target, 16);
        }
        low.StoreUnsafe(ref target, 0);
        high.StoreUnsafe(ref target, 16);
    }
}
