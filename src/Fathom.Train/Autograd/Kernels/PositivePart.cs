using System.Runtime.Intrinsics;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>Sums of weighted positive parts, as the lightning indexer scores.</summary>
internal static class PositivePart
{
    private const int Lanes = 16;

    /// <summary>y += weight · max(0, x).</summary>
    public static void AddScaled(ReadOnlySpan<float> x, float weight, Span<float> y)
    {
        int i = 0;
        for (; i + Lanes <= x.Length; i += Lanes)
        {
            Vector512<float> positive = Vector512.Max(Vector512.Create(x[i..]), Vector512<float>.Zero);
            Vector512.FusedMultiplyAdd(positive, Vector512.Create(weight), Vector512.Create<float>(y[i..])).CopyTo(y[i..]);
        }
        for (; i < x.Length; i++)
        {
            y[i] = MathF.FusedMultiplyAdd(MathF.Max(0, x[i]), weight, y[i]);
        }
    }

    /// <summary>x becomes its gradient, weight · dy where it is positive, else 0; returns ⟨dy, max(0, x)⟩.</summary>
    public static float Backward(Span<float> x, ReadOnlySpan<float> dy, float weight)
    {
        Vector512<float> sums = default;
        int i = 0;
        for (; i + Lanes <= x.Length; i += Lanes)
        {
            Vector512<float> value = Vector512.Create<float>(x[i..]);
            Vector512<float> d = Vector512.Create(dy[i..]) & Vector512.GreaterThan(value, Vector512<float>.Zero);
            sums = Vector512.FusedMultiplyAdd(d, value, sums);
            (d * weight).CopyTo(x[i..]);
        }
        float sum = Vector512.Sum(sums);
        for (; i < x.Length; i++)
        {
            float d = x[i] > 0 ? dy[i] : 0;
            sum += d * x[i];
            x[i] = d * weight;
        }
        return sum;
    }
}
