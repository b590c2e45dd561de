using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>Elementary arithmetic on one row of singles. Sums have four interleaved accumulators, so their order depends on the length alone.</summary>
internal static class Rows
{
    /// <summary>Σ x · y.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        Debug.Assert(x.Length == y.Length);
        ref float a = ref MemoryMarshal.GetReference(x), b = ref MemoryMarshal.GetReference(y);
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        nuint i = 0, length = (nuint)x.Length;
        for (; i + 64 <= length; i += 64)
        {
            s0 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref a, i), Vector512.LoadUnsafe(ref b, i), s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref a, i + 16), Vector512.LoadUnsafe(ref b, i + 16), s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref a, i + 32), Vector512.LoadUnsafe(ref b, i + 32), s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref a, i + 48), Vector512.LoadUnsafe(ref b, i + 48), s3);
        }
        for (; i + 16 <= length; i += 16)
        {
            s0 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref a, i), Vector512.LoadUnsafe(ref b, i), s0);
        }
        float sum = Vector512.Sum((s0 + s1) + (s2 + s3));
        for (; i < length; i++)
        {
            sum = MathF.FusedMultiplyAdd(Unsafe.Add(ref a, i), Unsafe.Add(ref b, i), sum);
        }
        return sum;
    }

    /// <summary>y = x · scale. y may be x.</summary>
    public static void Scale(ReadOnlySpan<float> x, float scale, Span<float> y)
    {
        int i = 0;
        for (; i + 16 <= x.Length; i += 16)
        {
            (Vector512.Create(x[i..]) * scale).CopyTo(y[i..]);
        }
        for (; i < x.Length; i++)
        {
            y[i] = x[i] * scale;
        }
    }

    /// <summary>y = x · scale · w. y may be x.</summary>
    public static void ScaleAndMultiply(ReadOnlySpan<float> x, float scale, ReadOnlySpan<float> w, Span<float> y)
    {
        int i = 0;
        for (; i + 16 <= x.Length; i += 16)
        {
            (Vector512.Create(x[i..]) * scale * Vector512.Create(w[i..])).CopyTo(y[i..]);
        }
        for (; i < x.Length; i++)
        {
            y[i] = x[i] * scale * w[i];
        }
    }

    /// <summary>y += x · scale, fused.</summary>
    public static void AddScaled(ReadOnlySpan<float> x, float scale, Span<float> y)
    {
        Vector512<float> factor = Vector512.Create(scale);
        int i = 0;
        for (; i + 16 <= x.Length; i += 16)
        {
            Vector512.FusedMultiplyAdd(Vector512.Create(x[i..]), factor, Vector512.Create<float>(y[i..])).CopyTo(y[i..]);
        }
        for (; i < x.Length; i++)
        {
            y[i] = MathF.FusedMultiplyAdd(x[i], scale, y[i]);
        }
    }

    /// <summary>y += x.</summary>
    public static void Add(ReadOnlySpan<float> x, Span<float> y)
    {
        int i = 0;
        for (; i + 16 <= x.Length; i += 16)
        {
            (Vector512.Create<float>(y[i..]) + Vector512.Create(x[i..])).CopyTo(y[i..]);
        }
        for (; i < x.Length; i++)
        {
            y[i] += x[i];
        }
    }

    /// <summary>1 / (1 + e^−x).</summary>
    public static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));
}
