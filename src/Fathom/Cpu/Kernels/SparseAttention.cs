using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// Every head of a query attends to the same rows, which are keys and values at once. With s_j = (q · kv_j) · scale and
/// μ = max(s, sink): o = Σ_j e^{s_j − μ} kv_j / (Σ_j e^{s_j − μ} + e^{sink − μ}).
/// </summary>
/// <remarks>
/// The scores s come from <see cref="RowProducts"/>. All are kept until μ is known, so rows may come in blocks of any size: each output is
/// one chain of fused multiply-adds over the rows in their order, window before compressed, however queries, heads and rows are cut.
/// </remarks>
internal static class SparseAttention
{
    private const int Lanes = 16;

    /// <summary>Scores become e^{s − μ}; returns 1 / (their sum + e^{sink − μ}).</summary>
    /// <param name="window">(n₁): scores of window rows, in place; 15 more elements must exist and are left as they are</param>
    /// <param name="compressed">(n₂): likewise</param>
    /// <param name="inWindow">n₁</param>
    /// <param name="inCompressed">n₂</param>
    /// <param name="sink">the head's sink</param>
    public static float Weights(Span<float> window, int inWindow, Span<float> compressed, int inCompressed, float sink)
    {
        // A maximum has no rounding, so its order is free; that of the sum is by place within either piece.
        float max = MathF.Max(sink, MathF.Max(Max(window[..inWindow]), Max(compressed[..inCompressed])));
        Vector512<float> sums = Exponentials(window, inWindow, max, default);
        sums = Exponentials(compressed, inCompressed, max, sums);
        return 1 / (Vector512.Sum(sums) + MathF.Exp(sink - max));
    }

    /// <summary>o += Σ_j p_j kv_j for columns in tiles of 32; the last may be half a tile behind a whole one.</summary>
    /// <param name="weights">p, (m, n), row stride <paramref name="weightStride"/></param>
    /// <param name="weightStride">elements from one row of p to the next</param>
    /// <param name="rows">kv, (n, c), row stride <paramref name="rowStride"/></param>
    /// <param name="rowStride">elements from one row of kv to the next</param>
    /// <param name="n">rows</param>
    /// <param name="sums">o, (⌈c / 32⌉, m, 32), tile stride <paramref name="sumStride"/></param>
    /// <param name="sumStride">elements from one tile of o to the next</param>
    /// <param name="m">queries times heads</param>
    /// <param name="c">columns, a multiple of 32, or 16 more than a multiple that is not 0</param>
    public static void AddValues(
        ReadOnlySpan<float> weights, int weightStride, ReadOnlySpan<float> rows, int rowStride, int n, Span<float> sums, int sumStride, int m, int c)
    {
        int tiles = c / Tile.Width, alone = c % Tile.Width == 0 ? tiles : tiles - 1;
        for (int u = 0; u < alone; u++)
        {
            Tile.Accumulate(rows[(u * Tile.Width)..], rowStride, n, weights, weightStride, sums.Slice(u * sumStride, m * Tile.Width));
        }
        if (alone < tiles)
        {
            Tile.AccumulateWithHalf(
                rows[(alone * Tile.Width)..], rowStride, n, weights, weightStride, sums.Slice(alone * sumStride, m * Tile.Width),
                sums.Slice(tiles * sumStride, m * Tile.Width));
        }
    }

    private static float Max(ReadOnlySpan<float> scores)
    {
        Vector512<float> max = Vector512.Create(float.NegativeInfinity);
        int j = 0;
        for (; j + Lanes <= scores.Length; j += Lanes)
        {
            max = Vector512.Max(max, Vector512.Create(scores[j..]));
        }
        Vector256<float> eight = Vector256.Max(max.GetLower(), max.GetUpper());
        Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        float most = MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
        for (; j < scores.Length; j++)
        {
            most = MathF.Max(most, scores[j]);
        }
        return most;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static Vector512<float> Exponentials(Span<float> scores, int count, float max, Vector512<float> sums)
    {
        Vector512<float> shift = Vector512.Create(max);
        int j = 0;
        for (; j + Lanes <= count; j += Lanes)
        {
            Vector512<float> weight = Vector512.Exp(Vector512.Create<float>(scores[j..]) - shift);
            weight.CopyTo(scores[j..]);
            sums += weight;
        }
        if (j < count)
        {
            Vector512<float> last = Vector512.Create<float>(scores[j..]);
            Vector512<float> mine = Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count - j)).AsSingle();
            Vector512<float> weight = Vector512.Exp(Vector512.ConditionalSelect(mine, last, shift) - shift);
            Vector512.ConditionalSelect(mine, weight, last).CopyTo(scores[j..]);
            sums += weight & mine;
        }
        return sums;
    }
}
