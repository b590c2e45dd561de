using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// p[m, j] = (x_m · y_j) · scale of two sets of rows, four by four in registers. Each product has one accumulator of 16 lanes, whatever
/// stands beside it, so its bits depend on its two rows alone.
/// </summary>
internal static class RowProducts
{
    /// <summary>Rows of y that are computed together; room is needed for a multiple of it.</summary>
    public const int Step = 4;

    private const int Lanes = 16;

    /// <param name="x">(m, d)</param>
    /// <param name="d">elements of a row</param>
    /// <param name="y">(n, d), row stride <paramref name="yStride"/>, n a multiple of <see cref="Step"/></param>
    /// <param name="yStride">elements from one row of y to the next</param>
    /// <param name="n">rows of y</param>
    /// <param name="scale">factor on the products</param>
    /// <param name="products">(m, n), row stride <paramref name="stride"/>; overwritten</param>
    /// <param name="stride">elements from one row of products to the next</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(ReadOnlySpan<float> x, int d, ReadOnlySpan<float> y, int yStride, int n, float scale, Span<float> products, int stride)
    {
        int m = x.Length / d;
        Debug.Assert(n % Step == 0 && (n == 0 || (y.Length >= ((n - 1) * yStride) + d && products.Length >= ((m - 1) * stride) + n)));
        ref float x0 = ref MemoryMarshal.GetReference(x), y0 = ref MemoryMarshal.GetReference(y), p0 = ref MemoryMarshal.GetReference(products);
        for (int j = 0; j < n; j += Step)
        {
            ref float rows = ref Unsafe.Add(ref y0, j * yStride);
            int i = 0;
            for (; i + 4 <= m; i += 4)
            {
                Four(ref Unsafe.Add(ref x0, i * d), d, ref rows, yStride, scale, ref Unsafe.Add(ref p0, (i * stride) + j), stride);
            }
            for (; i < m; i++)
            {
                One(ref Unsafe.Add(ref x0, i * d), d, ref rows, yStride, scale, ref Unsafe.Add(ref p0, (i * stride) + j));
            }
        }
    }

    // Sixteen accumulators; eight loads serve sixteen multiply-adds.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(ref float x, int d, ref float y, int yStride, float scale, ref float p, int stride)
    {
        ref float x1 = ref Unsafe.Add(ref x, d), x2 = ref Unsafe.Add(ref x1, d), x3 = ref Unsafe.Add(ref x2, d);
        ref float y1 = ref Unsafe.Add(ref y, yStride), y2 = ref Unsafe.Add(ref y1, yStride), y3 = ref Unsafe.Add(ref y2, yStride);
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, e0 = default, e1 = default, e2 = default, e3 = default;
        nuint u = 0, whole = (nuint)(d / Lanes * Lanes);
        for (; u < whole; u += Lanes)
        {
            Vector512<float> r0 = Vector512.LoadUnsafe(ref y, u), r1 = Vector512.LoadUnsafe(ref y1, u);
            Vector512<float> r2 = Vector512.LoadUnsafe(ref y2, u), r3 = Vector512.LoadUnsafe(ref y3, u);
            Vector512<float> v = Vector512.LoadUnsafe(ref x, u);
            (a0, a1) = (Vector512.FusedMultiplyAdd(v, r0, a0), Vector512.FusedMultiplyAdd(v, r1, a1));
            (a2, a3) = (Vector512.FusedMultiplyAdd(v, r2, a2), Vector512.FusedMultiplyAdd(v, r3, a3));
            v = Vector512.LoadUnsafe(ref x1, u);
            (b0, b1) = (Vector512.FusedMultiplyAdd(v, r0, b0), Vector512.FusedMultiplyAdd(v, r1, b1));
            (b2, b3) = (Vector512.FusedMultiplyAdd(v, r2, b2), Vector512.FusedMultiplyAdd(v, r3, b3));
            v = Vector512.LoadUnsafe(ref x2, u);
            (c0, c1) = (Vector512.FusedMultiplyAdd(v, r0, c0), Vector512.FusedMultiplyAdd(v, r1, c1));
            (c2, c3) = (Vector512.FusedMultiplyAdd(v, r2, c2), Vector512.FusedMultiplyAdd(v, r3, c3));
            v = Vector512.LoadUnsafe(ref x3, u);
            (e0, e1) = (Vector512.FusedMultiplyAdd(v, r0, e0), Vector512.FusedMultiplyAdd(v, r1, e1));
            (e2, e3) = (Vector512.FusedMultiplyAdd(v, r2, e2), Vector512.FusedMultiplyAdd(v, r3, e3));
        }
        if (Avx512F.IsSupported && d % Lanes == 0)
        {
            Vector512<float> sums = LaneSums.OfQuarters(
                LaneSums.Quarters(a0, a1, a2, a3), LaneSums.Quarters(b0, b1, b2, b3), LaneSums.Quarters(c0, c1, c2, c3), LaneSums.Quarters(e0, e1, e2, e3));
            sums *= scale;
            sums.GetLower().GetLower().StoreUnsafe(ref p);
            sums.GetLower().GetUpper().StoreUnsafe(ref p, (nuint)stride);
            sums.GetUpper().GetLower().StoreUnsafe(ref p, (nuint)(2 * stride));
            sums.GetUpper().GetUpper().StoreUnsafe(ref p, (nuint)(3 * stride));
            return;
        }
        Finish(a0, a1, a2, a3, ref x, d, ref y, yStride, scale, ref p);
        Finish(b0, b1, b2, b3, ref x1, d, ref y, yStride, scale, ref Unsafe.Add(ref p, stride));
        Finish(c0, c1, c2, c3, ref x2, d, ref y, yStride, scale, ref Unsafe.Add(ref p, 2 * stride));
        Finish(e0, e1, e2, e3, ref x3, d, ref y, yStride, scale, ref Unsafe.Add(ref p, 3 * stride));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(ref float x, int d, ref float y, int yStride, float scale, ref float p)
    {
        ref float y1 = ref Unsafe.Add(ref y, yStride), y2 = ref Unsafe.Add(ref y1, yStride), y3 = ref Unsafe.Add(ref y2, yStride);
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
        nuint u = 0, whole = (nuint)(d / Lanes * Lanes);
        for (; u < whole; u += Lanes)
        {
            Vector512<float> v = Vector512.LoadUnsafe(ref x, u);
            a0 = Vector512.FusedMultiplyAdd(v, Vector512.LoadUnsafe(ref y, u), a0);
            a1 = Vector512.FusedMultiplyAdd(v, Vector512.LoadUnsafe(ref y1, u), a1);
            a2 = Vector512.FusedMultiplyAdd(v, Vector512.LoadUnsafe(ref y2, u), a2);
            a3 = Vector512.FusedMultiplyAdd(v, Vector512.LoadUnsafe(ref y3, u), a3);
        }
        Finish(a0, a1, a2, a3, ref x, d, ref y, yStride, scale, ref p);
    }

    // Lanes, then what a row has beyond a multiple of sixteen. Inlined, or the accumulators would live in memory to be handed over.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(
        Vector512<float> a0, Vector512<float> a1, Vector512<float> a2, Vector512<float> a3, ref float x, int d, ref float y, int yStride,
        float scale, ref float p)
    {
        Vector128<float> sums = LaneSums.Of(a0, a1, a2, a3);
        for (int u = d / Lanes * Lanes; u < d; u++)
        {
            ref float element = ref Unsafe.Add(ref y, u);
            Vector128<float> four = Vector128.Create(
                element, Unsafe.Add(ref element, yStride), Unsafe.Add(ref element, 2 * yStride), Unsafe.Add(ref element, 3 * yStride));
            sums = Vector128.FusedMultiplyAdd(Vector128.Create(Unsafe.Add(ref x, u)), four, sums);
        }
        (sums * scale).StoreUnsafe(ref p);
    }
}
