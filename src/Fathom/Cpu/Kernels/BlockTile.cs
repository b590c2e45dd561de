using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// Microkernels for weights whose blocks of columns have a scale per output: acc[t, n] += scale[b, n] · Σ_{k in b} x[t, k] · w[k, n], block
/// after block, the sum one chain of fused multiply-adds in the order of k from 0 on, the product with the scale fused into the addition.
/// </summary>
internal static class BlockTile
{
    private const int Width = Tile.Width;

    /// <summary>Adds the products of <paramref name="columns"/> columns to every row of the accumulators.</summary>
    /// <param name="w">(columns, 32), without their scales</param>
    /// <param name="scales">(⌈columns / block⌉, 32)</param>
    /// <param name="block">columns that share a scale</param>
    /// <param name="columns">number of products</param>
    /// <param name="x">(rows, ≥ columns), row stride <paramref name="xStride"/></param>
    /// <param name="xStride">elements from one row of x to the next</param>
    /// <param name="acc">(rows, 32)</param>
    public static void Accumulate(
        ReadOnlySpan<float> w, ReadOnlySpan<float> scales, int block, int columns, ReadOnlySpan<float> x, int xStride, Span<float> acc)
    {
        int rows = acc.Length / Width;
        Debug.Assert(w.Length >= columns * Width && scales.Length >= (columns + block - 1) / block * Width);
        Debug.Assert(rows == 0 || x.Length >= ((rows - 1) * xStride) + columns);
        ref float w0 = ref MemoryMarshal.GetReference(w), scale = ref MemoryMarshal.GetReference(scales);
        ref float x0 = ref MemoryMarshal.GetReference(x), a0 = ref MemoryMarshal.GetReference(acc);
        int t = 0;
        for (; t + 6 <= rows; t += 6)
        {
            Six(ref w0, ref scale, block, columns, ref Unsafe.Add(ref x0, t * xStride), xStride, ref Unsafe.Add(ref a0, t * Width));
        }
        for (; t < rows; t += 4)
        {
            Four(ref w0, ref scale, block, columns, ref Unsafe.Add(ref x0, t * xStride), xStride, acc.Slice(t * Width, Math.Min(4, rows - t) * Width));
        }
    }

    // Twelve chains cover the latency of the multiply-add; the sums over blocks have the registers that are left.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Six(ref float w, ref float scale, int block, int columns, ref float x, int xStride, ref float acc)
    {
        Vector512<float> s0 = Load(ref acc, 0), t0 = Load(ref acc, 16), s1 = Load(ref acc, 32), t1 = Load(ref acc, 48);
        Vector512<float> s2 = Load(ref acc, 64), t2 = Load(ref acc, 80), s3 = Load(ref acc, 96), t3 = Load(ref acc, 112);
        Vector512<float> s4 = Load(ref acc, 128), t4 = Load(ref acc, 144), s5 = Load(ref acc, 160), t5 = Load(ref acc, 176);
        for (; columns > 0; columns -= block)
        {
            ref float x1 = ref Unsafe.Add(ref x, xStride);
            ref float x2 = ref Unsafe.Add(ref x1, xStride);
            ref float x3 = ref Unsafe.Add(ref x2, xStride);
            ref float x4 = ref Unsafe.Add(ref x3, xStride);
            ref float x5 = ref Unsafe.Add(ref x4, xStride);
            Vector512<float> a0 = default, b0 = default, a1 = default, b1 = default, a2 = default, b2 = default;
            Vector512<float> a3 = default, b3 = default, a4 = default, b4 = default, a5 = default, b5 = default;
            nint count = Math.Min(block, columns);
            for (nint i = 0, end; i < count;)
            {
                Tile.FetchNext(ref Unsafe.Add(ref x, i), xStride);
                for (end = Math.Min(i + Tile.Fetched, count); i < end; i++)
                {
                    Vector512<float> wa = Load(ref w, 0), wb = Load(ref w, 16);
                    w = ref Unsafe.Add(ref w, Width);
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
            Vector512<float> low = Load(ref scale, 0), high = Load(ref scale, 16);
            (s0, t0) = (Fma(a0, low, s0), Fma(b0, high, t0));
            (s1, t1) = (Fma(a1, low, s1), Fma(b1, high, t1));
            (s2, t2) = (Fma(a2, low, s2), Fma(b2, high, t2));
            (s3, t3) = (Fma(a3, low, s3), Fma(b3, high, t3));
            (s4, t4) = (Fma(a4, low, s4), Fma(b4, high, t4));
            (s5, t5) = (Fma(a5, low, s5), Fma(b5, high, t5));
            scale = ref Unsafe.Add(ref scale, Width);
            x = ref Unsafe.Add(ref x, block);
        }
        Store(ref acc, 0, s0, t0);
        Store(ref acc, 32, s1, t1);
        Store(ref acc, 64, s2, t2);
        Store(ref acc, 96, s3, t3);
        Store(ref acc, 128, s4, t4);
        Store(ref acc, 160, s5, t5);
    }

    // One to four rows, all as fast as two: four chains or eight wait for the multiply-add alike. Places of rows that are not there are those of the last.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(ref float w, ref float scale, int block, int columns, ref float x, int xStride, Span<float> acc)
    {
        int last = (acc.Length / Width) - 1;
        nint row1 = Math.Min(1, last), row2 = Math.Min(2, last), row3 = Math.Min(3, last);
        ref float sums = ref MemoryMarshal.GetReference(acc);
        for (; columns > 0; columns -= block)
        {
            ref float x1 = ref Unsafe.Add(ref x, row1 * xStride), x2 = ref Unsafe.Add(ref x, row2 * xStride), x3 = ref Unsafe.Add(ref x, row3 * xStride);
            Vector512<float> a0 = default, b0 = default, a1 = default, b1 = default, a2 = default, b2 = default, a3 = default, b3 = default;
            nint count = Math.Min(block, columns);
            for (nint i = 0; i < count; i++)
            {
                Vector512<float> wa = Load(ref w, 0), wb = Load(ref w, 16);
                w = ref Unsafe.Add(ref w, Width);
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
            Vector512<float> low = Load(ref scale, 0), high = Load(ref scale, 16);
            Fold(ref sums, a0, b0, low, high);
            if (last >= 1)
            {
                Fold(ref Unsafe.Add(ref sums, Width), a1, b1, low, high);
            }
            if (last >= 2)
            {
                Fold(ref Unsafe.Add(ref sums, 2 * Width), a2, b2, low, high);
            }
            if (last >= 3)
            {
                Fold(ref Unsafe.Add(ref sums, 3 * Width), a3, b3, low, high);
            }
            scale = ref Unsafe.Add(ref scale, Width);
            x = ref Unsafe.Add(ref x, block);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fold(ref float acc, Vector512<float> low, Vector512<float> high, Vector512<float> scaleLow, Vector512<float> scaleHigh)
    {
        Fma(low, scaleLow, Load(ref acc, 0)).StoreUnsafe(ref acc);
        Fma(high, scaleHigh, Load(ref acc, 16)).StoreUnsafe(ref acc, 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref float target, nuint index, Vector512<float> low, Vector512<float> high)
    {
        low.StoreUnsafe(ref target, index);
        high.StoreUnsafe(ref target, index + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(ref float source, nuint index) => Vector512.LoadUnsafe(ref source, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fma(Vector512<float> x, Vector512<float> y, Vector512<float> z) => Vector512.FusedMultiplyAdd(x, y, z);
}
