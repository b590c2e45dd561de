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
        for (; t + 2 <= rows; t += 2)
        {
            Two(ref w0, ref scale, block, columns, ref Unsafe.Add(ref x0, t * xStride), xStride, ref Unsafe.Add(ref a0, t * Width));
        }
        if (t < rows)
        {
            One(ref w0, ref scale, block, columns, ref Unsafe.Add(ref x0, t * xStride), ref Unsafe.Add(ref a0, t * Width));
        }
    }

    // Twelve chains cover the latency of the multiply-add; sums over blocks pass through the cache once in a block.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Six(ref float w, ref float scale, int block, int columns, ref float x, int xStride, ref float acc)
    {
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
            Fold(ref acc, a0, b0, low, high);
            Fold(ref Unsafe.Add(ref acc, Width), a1, b1, low, high);
            Fold(ref Unsafe.Add(ref acc, 2 * Width), a2, b2, low, high);
            Fold(ref Unsafe.Add(ref acc, 3 * Width), a3, b3, low, high);
            Fold(ref Unsafe.Add(ref acc, 4 * Width), a4, b4, low, high);
            Fold(ref Unsafe.Add(ref acc, 5 * Width), a5, b5, low, high);
            scale = ref Unsafe.Add(ref scale, Width);
            x = ref Unsafe.Add(ref x, block);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two(ref float w, ref float scale, int block, int columns, ref float x, int xStride, ref float acc)
    {
        for (; columns > 0; columns -= block)
        {
            ref float x1 = ref Unsafe.Add(ref x, xStride);
            Vector512<float> a0 = default, b0 = default, a1 = default, b1 = default;
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
            }
            Vector512<float> low = Load(ref scale, 0), high = Load(ref scale, 16);
            Fold(ref acc, a0, b0, low, high);
            Fold(ref Unsafe.Add(ref acc, Width), a1, b1, low, high);
            scale = ref Unsafe.Add(ref scale, Width);
            x = ref Unsafe.Add(ref x, block);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(ref float w, ref float scale, int block, int columns, ref float x, ref float acc)
    {
        for (; columns > 0; columns -= block)
        {
            Vector512<float> a = default, b = default;
            nint count = Math.Min(block, columns);
            for (nint i = 0; i < count; i++)
            {
                Vector512<float> v = Vector512.Create(Unsafe.Add(ref x, i));
                a = Fma(v, Load(ref w, 0), a);
                b = Fma(v, Load(ref w, 16), b);
                w = ref Unsafe.Add(ref w, Width);
            }
            Fold(ref acc, a, b, Load(ref scale, 0), Load(ref scale, 16));
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
    private static Vector512<float> Load(ref float source, nuint index) => Vector512.LoadUnsafe(ref source, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fma(Vector512<float> x, Vector512<float> y, Vector512<float> z) => Vector512.FusedMultiplyAdd(x, y, z);
}
