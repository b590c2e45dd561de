using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>Manifold-constrained hyper-connections (mHC): n residual streams of width d around one sublayer.</summary>
internal static class HyperConnection
{
    /// <summary>From projected streams to the weights pre (n), post (n) and the doubly stochastic C (n, n).</summary>
    /// <param name="projected">fn · v, (2n + n²); overwritten with pre, post, C</param>
    /// <param name="inverseRoot">ρ of the flattened streams</param>
    /// <param name="scale">(3)</param>
    /// <param name="bias">(2n + n²)</param>
    /// <param name="n">streams</param>
    /// <param name="iterations">Sinkhorn rounds</param>
    /// <param name="epsilon">ε</param>
    public static void Split(
        Span<float> projected, float inverseRoot, ReadOnlySpan<float> scale, ReadOnlySpan<float> bias, int n, int iterations, float epsilon)
    {
        for (int i = 0; i < projected.Length; i++)
        {
            float factor = i < n ? scale[0] : i < 2 * n ? scale[1] : scale[2];
            projected[i] = (projected[i] * inverseRoot * factor) + bias[i];
        }
        for (int i = 0; i < n; i++)
        {
            projected[i] = Rows.Sigmoid(projected[i]) + epsilon;
            projected[n + i] = 2 * Rows.Sigmoid(projected[n + i]);
        }
        Sinkhorn(projected[(2 * n)..], n, iterations, epsilon);
    }

    /// <summary>
    /// Row softmax plus ε, then columns; then <paramref name="iterations"/> − 1 rounds of rows and columns, each divided by its sum plus ε.
    /// </summary>
    /// <param name="c">(n, n), first index the source stream; in place</param>
    public static void Sinkhorn(Span<float> c, int n, int iterations, float epsilon)
    {
        for (int j = 0; j < n; j++)
        {
            Softmax(c.Slice(j * n, n), epsilon);
        }
        if (n == Vector128<float>.Count)
        {
            NormalizeOfFour(c, iterations, epsilon);
            return;
        }
        NormalizeColumns(c, n, epsilon);
        for (int round = 1; round < iterations; round++)
        {
            NormalizeRows(c, n, epsilon);
            NormalizeColumns(c, n, epsilon);
        }
    }

    /// <summary>y = Σ_i w_i · X_i.</summary>
    /// <param name="streams">X, (n, d)</param>
    /// <param name="weights">(n)</param>
    /// <param name="y">(d); overwritten</param>
    public static void Mix(ReadOnlySpan<float> streams, ReadOnlySpan<float> weights, Span<float> y)
    {
        Rows.Scale(streams[..y.Length], weights[0], y);
        for (int i = 1; i < weights.Length; i++)
        {
            Rows.AddScaled(streams.Slice(i * y.Length, y.Length), weights[i], y);
        }
    }

    /// <summary>X'_k = post_k · f + Σ_j C[j, k] · X_j.</summary>
    /// <param name="streams">X, (n, d); in place</param>
    /// <param name="f">the sublayer's output, (d)</param>
    /// <param name="post">(n)</param>
    /// <param name="c">(n, n)</param>
    public static void Post(Span<float> streams, ReadOnlySpan<float> f, ReadOnlySpan<float> post, ReadOnlySpan<float> c)
    {
        int d = f.Length, n = post.Length;
        Span<Vector512<float>> x = stackalloc Vector512<float>[n];
        int i = 0;
        for (; i + 16 <= d; i += 16)
        {
            for (int j = 0; j < n; j++)
            {
                x[j] = Vector512.Create<float>(streams[((j * d) + i)..]);
            }
            Vector512<float> sublayer = Vector512.Create(f[i..]);
            for (int k = 0; k < n; k++)
            {
                Vector512<float> sum = sublayer * post[k];
                for (int j = 0; j < n; j++)
                {
                    sum = Vector512.FusedMultiplyAdd(Vector512.Create(c[(j * n) + k]), x[j], sum);
                }
                sum.CopyTo(streams[((k * d) + i)..]);
            }
        }
        Span<float> tail = stackalloc float[n];
        for (; i < d; i++)
        {
            for (int j = 0; j < n; j++)
            {
                tail[j] = streams[(j * d) + i];
            }
            for (int k = 0; k < n; k++)
            {
                float sum = f[i] * post[k];
                for (int j = 0; j < n; j++)
                {
                    sum = MathF.FusedMultiplyAdd(c[(j * n) + k], tail[j], sum);
                }
                streams[(k * d) + i] = sum;
            }
        }
    }

    /// <summary>The rounds for the four streams of every published model, a row of C in a register: the sums and quotients of the loops, bit for bit.</summary>
    private static void NormalizeOfFour(Span<float> c, int iterations, float epsilon)
    {
        Vector128<float> row0 = Vector128.Create<float>(c), row1 = Vector128.Create<float>(c[4..]);
        Vector128<float> row2 = Vector128.Create<float>(c[8..]), row3 = Vector128.Create<float>(c[12..]);
        Vector128<float> small = Vector128.Create(epsilon);
        for (int round = 0; round < iterations; round++)
        {
            if (round > 0)
            {
                row0 /= Sum(row0) + small;
                row1 /= Sum(row1) + small;
                row2 /= Sum(row2) + small;
                row3 /= Sum(row3) + small;
            }
            Vector128<float> columns = row0 + row1 + row2 + row3 + small;
            row0 /= columns;
            row1 /= columns;
            row2 /= columns;
            row3 /= columns;
        }
        row0.CopyTo(c);
        row1.CopyTo(c[4..]);
        row2.CopyTo(c[8..]);
        row3.CopyTo(c[12..]);
    }

    // The sum of the four, from the first on, in each of four places.
    private static Vector128<float> Sum(Vector128<float> row) =>
        Vector128.Shuffle(row, Vector128.Create(0)) + Vector128.Shuffle(row, Vector128.Create(1))
            + Vector128.Shuffle(row, Vector128.Create(2)) + Vector128.Shuffle(row, Vector128.Create(3));

    private static void Softmax(Span<float> row, float epsilon)
    {
        float max = float.NegativeInfinity, sum = 0;
        foreach (float value in row)
        {
            max = MathF.Max(max, value);
        }
        for (int k = 0; k < row.Length; k++)
        {
            row[k] = MathF.Exp(row[k] - max);
            sum += row[k];
        }
        for (int k = 0; k < row.Length; k++)
        {
            row[k] = (row[k] / sum) + epsilon;
        }
    }

    private static void NormalizeRows(Span<float> c, int n, float epsilon)
    {
        for (int j = 0; j < n; j++)
        {
            float sum = 0;
            for (int k = 0; k < n; k++)
            {
                sum += c[(j * n) + k];
            }
            for (int k = 0; k < n; k++)
            {
                c[(j * n) + k] /= sum + epsilon;
            }
        }
    }

    private static void NormalizeColumns(Span<float> c, int n, float epsilon)
    {
        for (int k = 0; k < n; k++)
        {
            float sum = 0;
            for (int j = 0; j < n; j++)
            {
                sum += c[(j * n) + k];
            }
            for (int j = 0; j < n; j++)
            {
                c[(j * n) + k] /= sum + epsilon;
            }
        }
    }
}
