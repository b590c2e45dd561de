using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// One query position: every head attends to the same rows, which are keys and values at once. With s_j = (q · kv_j) · scale and
/// μ = max(s, sink): o = Σ_j e^{s_j − μ} kv_j / (Σ_j e^{s_j − μ} + e^{sink − μ}).
/// </summary>
/// <remarks>The rows come in two pieces, window then compressed, so that neither has to be copied behind the other.</remarks>
internal static class SparseAttention
{
    private const int Lanes = 16;

    /// <param name="queries">(heads, c)</param>
    /// <param name="window">(n₁, c)</param>
    /// <param name="compressed">(n₂, c)</param>
    /// <param name="sinks">(heads)</param>
    /// <param name="scale">factor on the products</param>
    /// <param name="scores">scratch, (n₁ + n₂)</param>
    /// <param name="outputs">(heads, c); overwritten</param>
    public static void Run(
        ReadOnlySpan<float> queries, ReadOnlySpan<float> window, ReadOnlySpan<float> compressed, ReadOnlySpan<float> sinks,
        float scale, Span<float> scores, Span<float> outputs)
    {
        int c = queries.Length / sinks.Length, inWindow = window.Length / c;
        scores = scores[..(inWindow + (compressed.Length / c))];
        for (int head = 0; head < sinks.Length; head++)
        {
            ReadOnlySpan<float> query = queries.Slice(head * c, c);
            Span<float> output = outputs.Slice(head * c, c);
            Score(query, window, scale, scores[..inWindow]);
            Score(query, compressed, scale, scores[inWindow..]);
            float inverse = 1 / Exponentials(scores, sinks[head]);
            output.Clear();
            AddValues(scores[..inWindow], window, output);
            AddValues(scores[inWindow..], compressed, output);
            Rows.Scale(output, inverse, output);
        }
    }

    private static void Score(ReadOnlySpan<float> query, ReadOnlySpan<float> rows, float scale, Span<float> scores)
    {
        for (int j = 0; j < scores.Length; j++)
        {
            scores[j] = Rows.Dot(query, rows.Slice(j * query.Length, query.Length)) * scale;
        }
    }

    // Scores become e^{s − μ}; returns the denominator.
    private static float Exponentials(Span<float> scores, float sink)
    {
        float max = sink;
        foreach (float score in scores)
        {
            max = MathF.Max(max, score);
        }
        Vector512<float> sums = default;
        int j = 0;
        for (; j + Lanes <= scores.Length; j += Lanes)
        {
            Vector512<float> weight = Vector512.Exp(Vector512.Create<float>(scores[j..]) - Vector512.Create(max));
            weight.CopyTo(scores[j..]);
            sums += weight;
        }
        float sum = Vector512.Sum(sums);
        for (; j < scores.Length; j++)
        {
            scores[j] = MathF.Exp(scores[j] - max);
            sum += scores[j];
        }
        return sum + MathF.Exp(sink - max);
    }

    private static void AddValues(ReadOnlySpan<float> weights, ReadOnlySpan<float> rows, Span<float> output)
    {
        int c = output.Length, u = 0;
        for (; u + (4 * Lanes) <= c; u += 4 * Lanes)
        {
            Vector512<float> s0 = Vector512.Create<float>(output[u..]), s1 = Vector512.Create<float>(output[(u + 16)..]);
            Vector512<float> s2 = Vector512.Create<float>(output[(u + 32)..]), s3 = Vector512.Create<float>(output[(u + 48)..]);
            for (int j = 0; j < weights.Length; j++)
            {
                ReadOnlySpan<float> row = rows.Slice((j * c) + u, 4 * Lanes);
                Vector512<float> weight = Vector512.Create(weights[j]);
                s0 = Vector512.FusedMultiplyAdd(weight, Vector512.Create(row), s0);
                s1 = Vector512.FusedMultiplyAdd(weight, Vector512.Create(row[16..]), s1);
                s2 = Vector512.FusedMultiplyAdd(weight, Vector512.Create(row[32..]), s2);
                s3 = Vector512.FusedMultiplyAdd(weight, Vector512.Create(row[48..]), s3);
            }
            s0.CopyTo(output[u..]);
            s1.CopyTo(output[(u + 16)..]);
            s2.CopyTo(output[(u + 32)..]);
            s3.CopyTo(output[(u + 48)..]);
        }
        if (u < c)
        {
            for (int j = 0; j < weights.Length; j++)
            {
                Rows.AddScaled(rows.Slice((j * c) + u, c - u), weights[j], output[u..]);
            }
        }
    }
}
