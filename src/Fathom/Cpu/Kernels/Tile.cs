using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// The one family of microkernels: acc[t, 0…31] += Σ_k x[t, k] · w[k, 0…31]. Each output is one chain of fused multiply-adds in the order
/// of k, whatever the number of rows, so cutting T or K into pieces never changes a bit.
/// </summary>
internal static class Tile
{
    /// <summary>Columns of a tile.</summary>
    public const int Width = 32;

    /// <summary>Columns that <see cref="FetchNext"/> brings: a line of the cache.</summary>
    public const int Fetched = 16;

    private const int RowsMost = 6;

    /// <summary>Adds <paramref name="k"/> products to every row of the accumulators.</summary>
    /// <param name="w">(k, ≥ 32), row stride <paramref name="wStride"/></param>
    /// <param name="wStride">elements from one k to the next</param>
    /// <param name="k">number of products</param>
    /// <param name="x">(rows, ≥ k), row stride <paramref name="xStride"/></param>
    /// <param name="xStride">elements from one row of x to the next</param>
    /// <param name="acc">(rows, 32)</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate(ReadOnlySpan<float> w, int wStride, int k, ReadOnlySpan<float> x, int xStride, Span<float> acc)
    {
        int rows = acc.Length / Width;
        Debug.Assert(k == 0 || (w.Length >= ((k - 1) * wStride) + Width && (rows == 0 || x.Length >= ((rows - 1) * xStride) + k)));
        ref float w0 = ref MemoryMarshal.GetReference(w);
        ref float x0 = ref MemoryMarshal.GetReference(x);
        ref float a0 = ref MemoryMarshal.GetReference(acc);
        int t = 0;
        for (; t + 6 <= rows; t += 6)
        {
            Six(ref w0, wStride, k, ref Unsafe.Add(ref x0, t * xStride), xStride, ref Unsafe.Add(ref a0, t * Width));
        }
        for (; t + 4 <= rows; t += 4)
        {
            Four(ref w0, wStride, k, ref Unsafe.Add(ref x0, t * xStride), xStride, ref Unsafe.Add(ref a0, t * Width));
        }
        for (; t + 2 <= rows; t += 2)
        {
            Two(ref w0, wStride, k, ref Unsafe.Add(ref x0, t * xStride), xStride, ref Unsafe.Add(ref a0, t * Width));
        }
        if (t < rows)
        {
            One(ref w0, wStride, k, ref Unsafe.Add(ref x0, t * xStride), ref Unsafe.Add(ref a0, t * Width));
        }
    }

    /// <summary>The same for 48 columns: a tile and half of the next one.</summary>
    /// <param name="w">(k, ≥ 48), row stride <paramref name="wStride"/></param>
    /// <param name="wStride">elements from one k to the next</param>
    /// <param name="k">number of products</param>
    /// <param name="x">(rows, ≥ k), row stride <paramref name="xStride"/></param>
    /// <param name="xStride">elements from one row of x to the next</param>
    /// <param name="acc">(rows, 32)</param>
    /// <param name="half">(rows, 32), of which the first sixteen columns count</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AccumulateWithHalf(
        ReadOnlySpan<float> w, int wStride, int k, ReadOnlySpan<float> x, int xStride, Span<float> acc, Span<float> half)
    {
        int rows = acc.Length / Width;
        Debug.Assert(half.Length == acc.Length);
        Debug.Assert(k == 0 || (w.Length >= ((k - 1) * wStride) + (Width * 3 / 2) && (rows == 0 || x.Length >= ((rows - 1) * xStride) + k)));
        ref float w0 = ref MemoryMarshal.GetReference(w);
        ref float x0 = ref MemoryMarshal.GetReference(x);
        ref float a0 = ref MemoryMarshal.GetReference(acc), h0 = ref MemoryMarshal.GetReference(half);
        int t = 0;
        for (; t + 4 <= rows; t += 4)
        {
            FourWithHalf(
                ref w0, wStride, k, ref Unsafe.Add(ref x0, t * xStride), xStride, ref Unsafe.Add(ref a0, t * Width), ref Unsafe.Add(ref h0, t * Width));
        }
        for (; t < rows; t++)
        {
            OneWithHalf(ref w0, wStride, k, ref Unsafe.Add(ref x0, t * xStride), ref Unsafe.Add(ref a0, t * Width), ref Unsafe.Add(ref h0, t * Width));
        }
    }

    /// <summary>
    /// Brings a line of each of the six rows that come next. Of a long row only the columns of one block are read at a time, too few for the
    /// processor to fetch ahead by itself. A hint: an address beyond the end is harmless.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void FetchNext(ref float x, nint xStride)
    {
        if (Sse.IsSupported)
        {
            float* place = (float*)Unsafe.AsPointer(ref x);
            for (nint row = RowsMost; row < 2 * RowsMost; row++)
            {
                Sse.Prefetch0(place + (row * xStride));
            }
        }
    }

    // Twelve accumulators cover the latency of the multiply-add and leave registers for two weight vectors.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Six(ref float w, int wStride, int k, ref float x, int xStride, ref float acc)
    {
        ref float x1 = ref Unsafe.Add(ref x, xStride);
        ref float x2 = ref Unsafe.Add(ref x1, xStride);
        ref float x3 = ref Unsafe.Add(ref x2, xStride);
        ref float x4 = ref Unsafe.Add(ref x3, xStride);
        ref float x5 = ref Unsafe.Add(ref x4, xStride);
        Vector512<float> a0 = Load(ref acc, 0), b0 = Load(ref acc, 16), a1 = Load(ref acc, 32), b1 = Load(ref acc, 48);
        Vector512<float> a2 = Load(ref acc, 64), b2 = Load(ref acc, 80), a3 = Load(ref acc, 96), b3 = Load(ref acc, 112);
        Vector512<float> a4 = Load(ref acc, 128), b4 = Load(ref acc, 144), a5 = Load(ref acc, 160), b5 = Load(ref acc, 176);
        for (nint i = 0, end; i < k;)
        {
            FetchNext(ref Unsafe.Add(ref x, i), xStride);
            for (end = Math.Min(i + Fetched, k); i < end; i++)
            {
                Vector512<float> wa = Load(ref w, 0), wb = Load(ref w, 16);
                w = ref Unsafe.Add(ref w, wStride);
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
        }
        Store(ref acc, 0, a0, b0);
        Store(ref acc, 32, a1, b1);
        Store(ref acc, 64, a2, b2);
        Store(ref acc, 96, a3, b3);
        Store(ref acc, 128, a4, b4);
        Store(ref acc, 160, a5, b5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(ref float w, int wStride, int k, ref float x, int xStride, ref float acc)
    {
        ref float x1 = ref Unsafe.Add(ref x, xStride);
        ref float x2 = ref Unsafe.Add(ref x1, xStride);
        ref float x3 = ref Unsafe.Add(ref x2, xStride);
        Vector512<float> a0 = Load(ref acc, 0), b0 = Load(ref acc, 16), a1 = Load(ref acc, 32), b1 = Load(ref acc, 48);
        Vector512<float> a2 = Load(ref acc, 64), b2 = Load(ref acc, 80), a3 = Load(ref acc, 96), b3 = Load(ref acc, 112);
        for (nint i = 0; i < k; i++)
        {
            Vector512<float> wa = Load(ref w, 0), wb = Load(ref w, 16);
            w = ref Unsafe.Add(ref w, wStride);
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
        }
        Store(ref acc, 0, a0, b0);
        Store(ref acc, 32, a1, b1);
        Store(ref acc, 64, a2, b2);
        Store(ref acc, 96, a3, b3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two(ref float w, int wStride, int k, ref float x, int xStride, ref float acc)
    {
        ref float x1 = ref Unsafe.Add(ref x, xStride);
        Vector512<float> a0 = Load(ref acc, 0), b0 = Load(ref acc, 16), a1 = Load(ref acc, 32), b1 = Load(ref acc, 48);
        for (nint i = 0; i < k; i++)
        {
            Vector512<float> wa = Load(ref w, 0), wb = Load(ref w, 16);
            w = ref Unsafe.Add(ref w, wStride);
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref x, i));
            a0 = Fma(v, wa, a0);
            b0 = Fma(v, wb, b0);
            v = Vector512.Create(Unsafe.Add(ref x1, i));
            a1 = Fma(v, wa, a1);
            b1 = Fma(v, wb, b1);
        }
        Store(ref acc, 0, a0, b0);
        Store(ref acc, 32, a1, b1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(ref float w, int wStride, int k, ref float x, ref float acc)
    {
        Vector512<float> a = Load(ref acc, 0), b = Load(ref acc, 16);
        for (nint i = 0; i < k; i++)
        {
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref x, i));
            a = Fma(v, Load(ref w, 0), a);
            b = Fma(v, Load(ref w, 16), b);
            w = ref Unsafe.Add(ref w, wStride);
        }
        Store(ref acc, 0, a, b);
    }

    // Twelve accumulators again.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourWithHalf(ref float w, int wStride, int k, ref float x, int xStride, ref float acc, ref float half)
    {
        ref float x1 = ref Unsafe.Add(ref x, xStride);
        ref float x2 = ref Unsafe.Add(ref x1, xStride);
        ref float x3 = ref Unsafe.Add(ref x2, xStride);
        Vector512<float> a0 = Load(ref acc, 0), b0 = Load(ref acc, 16), a1 = Load(ref acc, 32), b1 = Load(ref acc, 48);
        Vector512<float> a2 = Load(ref acc, 64), b2 = Load(ref acc, 80), a3 = Load(ref acc, 96), b3 = Load(ref acc, 112);
        Vector512<float> c0 = Load(ref half, 0), c1 = Load(ref half, 32), c2 = Load(ref half, 64), c3 = Load(ref half, 96);
        for (nint i = 0; i < k; i++)
        {
            Vector512<float> wa = Load(ref w, 0), wb = Load(ref w, 16), wc = Load(ref w, 32);
            w = ref Unsafe.Add(ref w, wStride);
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref x, i));
            (a0, b0, c0) = (Fma(v, wa, a0), Fma(v, wb, b0), Fma(v, wc, c0));
            v = Vector512.Create(Unsafe.Add(ref x1, i));
            (a1, b1, c1) = (Fma(v, wa, a1), Fma(v, wb, b1), Fma(v, wc, c1));
            v = Vector512.Create(Unsafe.Add(ref x2, i));
            (a2, b2, c2) = (Fma(v, wa, a2), Fma(v, wb, b2), Fma(v, wc, c2));
            v = Vector512.Create(Unsafe.Add(ref x3, i));
            (a3, b3, c3) = (Fma(v, wa, a3), Fma(v, wb, b3), Fma(v, wc, c3));
        }
        Store(ref acc, 0, a0, b0);
        Store(ref acc, 32, a1, b1);
        Store(ref acc, 64, a2, b2);
        Store(ref acc, 96, a3, b3);
        c0.StoreUnsafe(ref half);
        c1.StoreUnsafe(ref half, 32);
        c2.StoreUnsafe(ref half, 64);
        c3.StoreUnsafe(ref half, 96);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneWithHalf(ref float w, int wStride, int k, ref float x, ref float acc, ref float half)
    {
        Vector512<float> a = Load(ref acc, 0), b = Load(ref acc, 16), c = Load(ref half, 0);
        for (nint i = 0; i < k; i++)
        {
            Vector512<float> v = Vector512.Create(Unsafe.Add(ref x, i));
            a = Fma(v, Load(ref w, 0), a);
            b = Fma(v, Load(ref w, 16), b);
            c = Fma(v, Load(ref w, 32), c);
            w = ref Unsafe.Add(ref w, wStride);
        }
        Store(ref acc, 0, a, b);
        c.StoreUnsafe(ref half);
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
