using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>
/// Floating-point operations, two for each multiplication with its addition: in products of rows with matrices of weights, by the weights' format;
/// in index scores; in attention scores and weighted sums of values. Nothing else is counted: no norm, rotation, activation or softmax, no mixing of
/// streams or of compressed windows, no sum over index heads or experts, no choice.
/// </summary>
/// <param name="F32">in products with weights of single precision</param>
/// <param name="Bf16">in products with bfloat16 weights</param>
/// <param name="Fp8">in products with FP8 weights</param>
/// <param name="Fp4">in products with FP4 weights</param>
/// <param name="Index">in index scores, of queries that have to choose: where no more keys are visible than are chosen, none is scored</param>
/// <param name="Attention">in q · k and in p · v, over window and compressed rows</param>
public readonly record struct FlopCount(long F32, long Bf16, long Fp8, long Fp4, long Index, long Attention)
{
    /// <summary>In products with weights of every format.</summary>
    public long Linear => F32 + Bf16 + Fp8 + Fp4;

    /// <summary>All, each counted as one.</summary>
    public long Raw => Linear + Index + Attention;

    /// <summary>Both together.</summary>
    public static FlopCount operator +(in FlopCount a, in FlopCount b) => a.Plus(b);

    /// <summary>This and another together.</summary>
    public FlopCount Plus(in FlopCount other) => new(
        F32 + other.F32, Bf16 + other.Bf16, Fp8 + other.Fp8, Fp4 + other.Fp4, Index + other.Index, Attention + other.Attention);

    /// <summary>Of <paramref name="products"/> multiplications with weights of a format, each with its addition.</summary>
    public static FlopCount OfWeights(WeightFormat format, long products) => format switch
    {
        WeightFormat.F32 => new FlopCount { F32 = 2 * products },
        WeightFormat.Bf16 => new FlopCount { Bf16 = 2 * products },
        WeightFormat.Fp8 => new FlopCount { Fp8 = 2 * products },
        _ => new FlopCount { Fp4 = 2 * products },
    };
}
