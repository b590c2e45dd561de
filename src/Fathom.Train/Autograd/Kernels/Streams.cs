using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>The residual streams of one token, (n, d), between two sublayers.</summary>
internal static class Streams
{
    private const int Lanes = 16;

    /// <summary>X'_k = post_k f + Σ_j C[j, k] X_j.</summary>
    public static void Post(ReadOnlySpan<float> x, ReadOnlySpan<float> f, ReadOnlySpan<float> post, ReadOnlySpan<float> c, Span<float> y)
    {
        int d = f.Length, n = post.Length, i = 0;
        Span<Vector512<float>> streams = stackalloc Vector512<float>[n];
        for (; i + Lanes <= d; i += Lanes)
        {
            for (int j = 0; j < n; j++)
            {
                streams[j] = Vector512.Create(x[((j * d) + i)..]);
            }
            Vector512<float> sublayer = Vector512.Create(f[i..]);
            for (int k = 0; k < n; k++)
            {
                Vector512<float> sum = sublayer * post[k];
                for (int j = 0; j < n; j++)
                {
                    sum = Vector512.FusedMultiplyAdd(Vector512.Create(c[(j * n) + k]), streams[j], sum);
                }
                sum.CopyTo(y[((k * d) + i)..]);
            }
        }
        for (; i < d; i++)
        {
            for (int k = 0; k < n; k++)
            {
                float sum = f[i] * post[k];
                for (int j = 0; j < n; j++)
                {
                    sum = MathF.FusedMultiplyAdd(c[(j * n) + k], x[(j * d) + i], sum);
                }
                y[(k * d) + i] = sum;
            }
        }
    }

    /// <summary>df = Σ_k post_k dy_k, dx_j += Σ_k C[j, k] dy_k; dpost_k = ⟨f, dy_k⟩ and dC[j, k] = ⟨x_j, dy_k⟩ are overwritten.</summary>
    public static void PostBackward(
        StreamsOperand x, ReadOnlySpan<float> f, Span<float> df, ReadOnlySpan<float> weights, ReadOnlySpan<float> dy, Span<float> dWeights)
    {
        int d = f.Length, n = weights.Length > 0 ? StreamCount(weights.Length) : 0, whole = d / Lanes * Lanes;
        ReadOnlySpan<float> post = weights.Slice(n, n), c = weights[(2 * n)..];
        Span<Vector512<float>> vectors = stackalloc Vector512<float>[(2 * n) + n + (n * n)];
        vectors.Clear();
        Span<Vector512<float>> g = vectors[..n], dPost = vectors.Slice(2 * n, n), dc = vectors[(3 * n)..];
        for (int i = 0; i < whole; i += Lanes)
        {
            Vector512<float> sublayer = Vector512.Create(f[i..]), back = Vector512.Create<float>(df[i..]);
            for (int k = 0; k < n; k++)
            {
                g[k] = Vector512.Create(dy[((k * d) + i)..]);
                back = Vector512.FusedMultiplyAdd(Vector512.Create(post[k]), g[k], back);
                dPost[k] = Vector512.FusedMultiplyAdd(sublayer, g[k], dPost[k]);
            }
            back.CopyTo(df[i..]);
            for (int j = 0; j < n; j++)
            {
                Vector512<float> stream = Vector512.Create(x.Value[((j * d) + i)..]), sum = Vector512.Create<float>(x.Gradient[((j * d) + i)..]);
                for (int k = 0; k < n; k++)
                {
                    sum = Vector512.FusedMultiplyAdd(Vector512.Create(c[(j * n) + k]), g[k], sum);
                    dc[(j * n) + k] = Vector512.FusedMultiplyAdd(stream, g[k], dc[(j * n) + k]);
                }
                sum.CopyTo(x.Gradient[((j * d) + i)..]);
            }
        }
        for (int k = 0; k < n; k++)
        {
            ReadOnlySpan<float> rest = dy.Slice((k * d) + whole, d - whole);
            dWeights[n + k] = Vector512.Sum(dPost[k]) + Rows.Dot(f[whole..], rest);
            Rows.AddScaled(rest, post[k], df[whole..]);
            for (int j = 0; j < n; j++)
            {
                dWeights[(2 * n) + (j * n) + k] = Vector512.Sum(dc[(j * n) + k]) + Rows.Dot(x.Value.Slice((j * d) + whole, d - whole), rest);
                Rows.AddScaled(rest, c[(j * n) + k], x.Gradient.Slice((j * d) + whole, d - whole));
            }
        }
    }

    /// <summary>n of 2n + n² mixing weights.</summary>
    public static int StreamCount(int weights) => (int)Math.Round(Math.Sqrt(weights + 1)) - 1;

    /// <summary>Sixteen tokens' numbers at one place of their rows, a token to a lane; absent tokens repeat the last.</summary>
    public static void Gather(ReadOnlySpan<float> rows, int stride, int tokens, int first, Span<Vector512<float>> lanes)
    {
        Span<float> to = MemoryMarshal.Cast<Vector512<float>, float>(lanes);
        for (int t = 0; t < Lanes; t++)
        {
            ReadOnlySpan<float> from = rows.Slice((Math.Min(t, tokens - 1) * stride) + first, lanes.Length);
            for (int i = 0; i < from.Length; i++)
            {
                to[(i * Lanes) + t] = from[i];
            }
        }
    }

    /// <summary>The way back.</summary>
    public static void Scatter(ReadOnlySpan<Vector512<float>> lanes, Span<float> rows, int stride, int tokens, int first)
    {
        ReadOnlySpan<float> from = MemoryMarshal.Cast<Vector512<float>, float>(lanes);
        for (int t = 0; t < tokens; t++)
        {
            Span<float> to = rows.Slice((t * stride) + first, lanes.Length);
            for (int i = 0; i < to.Length; i++)
            {
                to[i] = from[(i * Lanes) + t];
            }
        }
    }
}

/// <summary>One token's streams and their gradient.</summary>
internal readonly ref struct StreamsOperand(ReadOnlySpan<float> value, Span<float> gradient)
{
    public readonly ReadOnlySpan<float> Value = value;
    public readonly Span<float> Gradient = gradient;
}
