using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>S_w = Σ_j ω_j · ReLU(q_j · k_w) for 32 keys at a time.</summary>
internal static partial class IndexerScores
{
    /// <param name="queries">q, (heads, d)</param>
    /// <param name="weights">ω, (heads)</param>
    /// <param name="keys">(d, 32): 32 keys, transposed</param>
    /// <param name="products">scratch, (heads, 32)</param>
    /// <param name="scores">(32); overwritten</param>
    public static void Run(
        ReadOnlySpan<float> queries, ReadOnlySpan<float> weights, ReadOnlySpan<float> keys, Span<float> products, Span<float> scores)
    {
        int d = queries.Length / weights.Length;
        products.Clear();
        Tile.Accumulate(keys, Tile.Width, d, queries, d, products);
        Weigh(products, weights, scores);
    }

    // The same chain over the heads for every format of keys.
    private static void Weigh(ReadOnlySpan<float> products, ReadOnlySpan<float> weights, Span<float> scores)
    {
        Vector512<float> low = default, high = default;
        for (int j = 0; j < weights.Length; j++)
        {
            Vector512<float> weight = Vector512.Create(weights[j]);
            low = Vector512.FusedMultiplyAdd(weight, Vector512.Max(Vector512.Create(products[(j * 32)..]), Vector512<float>.Zero), low);
            high = Vector512.FusedMultiplyAdd(weight, Vector512.Max(Vector512.Create(products[((j * 32) + 16)..]), Vector512<float>.Zero), high);
        }
        low.CopyTo(scores);
        high.CopyTo(scores[16..]);
    }
}
