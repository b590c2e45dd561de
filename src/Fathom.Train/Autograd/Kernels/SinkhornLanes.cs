using System.Runtime.Intrinsics;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>
/// Sinkhorn's iteration and its backward pass on the n × n matrices of sixteen tokens at once, a token to a lane. Backward replays the
/// forward from the logits, which costs less than keeping every round.
/// </summary>
internal static class SinkhornLanes
{
    /// <summary>Tokens at once.</summary>
    public const int Tokens = 16;

    /// <summary>Vectors of scratch that <see cref="Backward"/> needs.</summary>
    public static int HistoryVectors(int n, int iterations) => ((2 * iterations) - 1) * ((n * n) + n) + (n * n);

    /// <summary>Row softmax plus ε, then columns; then rows and columns by turns, each divided by its sum plus ε.</summary>
    /// <param name="c">(n, n), first index the source stream; logits, in place</param>
    public static void Forward(Span<Vector512<float>> c, int n, int iterations, float epsilon)
    {
        Span<Vector512<float>> sums = stackalloc Vector512<float>[n];
        Softmax(c, n);
        for (int i = 0; i < c.Length; i++)
        {
            c[i] += Vector512.Create(epsilon);
        }
        for (int stage = 0; stage < (2 * iterations) - 1; stage++)
        {
            Divide(c, n, byColumns: stage % 2 == 0, epsilon, sums);
        }
    }

    /// <param name="c">(n, n) logits; overwritten</param>
    /// <param name="gradient">of the result; overwritten with that of the logits</param>
    /// <param name="history">scratch</param>
    public static void Backward(
        Span<Vector512<float>> c, Span<Vector512<float>> gradient, Span<Vector512<float>> history, int n, int iterations, float epsilon)
    {
        int stages = (2 * iterations) - 1, stride = (n * n) + n;
        Span<Vector512<float>> softmax = history.Slice(stages * stride, n * n);
        Softmax(c, n);
        c.CopyTo(softmax);
        for (int i = 0; i < c.Length; i++)
        {
            c[i] += Vector512.Create(epsilon);
        }
        for (int stage = 0; stage < stages; stage++)
        {
            Span<Vector512<float>> kept = history.Slice(stage * stride, stride);
            c.CopyTo(kept);
            Divide(c, n, byColumns: stage % 2 == 0, epsilon, kept[(n * n)..]);
        }
        for (int stage = stages - 1; stage >= 0; stage--)
        {
            Span<Vector512<float>> kept = history.Slice(stage * stride, stride);
            DivideBackward(gradient, kept[..(n * n)], kept[(n * n)..], n, byColumns: stage % 2 == 0);
        }
        SoftmaxBackward(gradient, softmax, n);
    }

    private static void Softmax(Span<Vector512<float>> c, int n)
    {
        for (int j = 0; j < n; j++)
        {
            Span<Vector512<float>> row = c.Slice(j * n, n);
            Vector512<float> most = row[0], sum = default;
            for (int k = 1; k < n; k++)
            {
                most = Vector512.Max(most, row[k]);
            }
            for (int k = 0; k < n; k++)
            {
                row[k] = Vector512.Exp(row[k] - most);
                sum += row[k];
            }
            for (int k = 0; k < n; k++)
            {
                row[k] /= sum;
            }
        }
    }

    // dZ = P ⊙ (G − Σ_row P ⊙ G), with P the softmax without ε.
    private static void SoftmaxBackward(Span<Vector512<float>> gradient, ReadOnlySpan<Vector512<float>> softmax, int n)
    {
        for (int j = 0; j < n; j++)
        {
            Vector512<float> along = default;
            for (int k = 0; k < n; k++)
            {
                along += gradient[(j * n) + k] * softmax[(j * n) + k];
            }
            for (int k = 0; k < n; k++)
            {
                gradient[(j * n) + k] = softmax[(j * n) + k] * (gradient[(j * n) + k] - along);
            }
        }
    }

    private static void Divide(Span<Vector512<float>> c, int n, bool byColumns, float epsilon, Span<Vector512<float>> sums)
    {
        (int line, int step) = byColumns ? (1, n) : (n, 1);
        for (int j = 0; j < n; j++)
        {
            Vector512<float> sum = c[j * line];
            for (int k = 1; k < n; k++)
            {
                sum += c[(j * line) + (k * step)];
            }
            sums[j] = sum + Vector512.Create(epsilon);
            Vector512<float> inverse = Vector512<float>.One / sums[j];
            for (int k = 0; k < n; k++)
            {
                c[(j * line) + (k * step)] *= inverse;
            }
        }
    }

    // G ← (G − Σ(G ⊙ A) / s) / s … of A / s, whose gradient is G / s − (Σ G ⊙ A) / s².
    private static void DivideBackward(
        Span<Vector512<float>> gradient, ReadOnlySpan<Vector512<float>> a, ReadOnlySpan<Vector512<float>> sums, int n, bool byColumns)
    {
        (int line, int step) = byColumns ? (1, n) : (n, 1);
        for (int j = 0; j < n; j++)
        {
            Vector512<float> along = default, inverse = Vector512<float>.One / sums[j];
            for (int k = 0; k < n; k++)
            {
                along += gradient[(j * line) + (k * step)] * a[(j * line) + (k * step)];
            }
            along *= inverse;
            for (int k = 0; k < n; k++)
            {
                int place = (j * line) + (k * step);
                gradient[place] = (gradient[place] - along) * inverse;
            }
        }
    }
}
