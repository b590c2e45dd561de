using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Quantization;

/// <summary>The number formats that a whole model can be written in.</summary>
public enum ModelFormat
{
    /// <summary>As DeepSeek releases: experts FP4 with a scale per 32, projections FP8 with a scale per 128 × 128, the rest BF16 or F32.</summary>
    Official,

    /// <summary>BF16, and F32 for what is released in F32.</summary>
    Bf16,

    /// <summary>F32 throughout.</summary>
    F32,
}

/// <summary>Which weight gets which format.</summary>
internal static class ModelFormats
{
    /// <summary>
    /// The format of a weight in a model of this format; ids are I64 in all of them. Experts whose inputs are no multiple of 32 cannot be
    /// packed FP4; they become FP8, as in the released base models.
    /// </summary>
    public static DType TypeOf(this ModelFormat format, ExpectedWeight weight) => (format, weight.Role) switch
    {
        (_, WeightRole.Ids) => DType.I64,
        (ModelFormat.F32, _) or (_, WeightRole.Exact) => DType.F32,
        (ModelFormat.Bf16, _) => DType.Bf16,
        (_, WeightRole.Expert) when weight.Columns % ExpectedWeight.Fp4Block != 0 => DType.Fp8E4M3,
        _ => weight.ReleasedType,
    };
}
