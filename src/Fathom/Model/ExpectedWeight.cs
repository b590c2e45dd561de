using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>Which weight of a model: its part, the layer it belongs to and, among routed experts, which one.</summary>
/// <param name="Part">what it does</param>
/// <param name="Layer">main layers from 0, MTP blocks after them; −1 for the model's own</param>
/// <param name="Expert">−1 for everything but routed experts</param>
public readonly record struct WeightKey(WeightPart Part, int Layer = -1, int Expert = -1);

/// <summary>In which format a weight is released; any of them may also be stored as BF16 or F32, except ids.</summary>
public enum WeightRole
{
    /// <summary>A dense projection: E4M3 with a scale per 128 × 128 block.</summary>
    Linear,

    /// <summary>A routed expert's projection: packed E2M1 with a scale per 32 columns, or as <see cref="Linear"/>.</summary>
    Expert,

    /// <summary>BF16: embeddings, norms, router, compressor.</summary>
    Plain,

    /// <summary>F32: hyper-connections, sinks, biases.</summary>
    Exact,

    /// <summary>Expert ids: I64, or I32.</summary>
    Ids,
}

/// <summary>One weight that a model of a given config must have.</summary>
/// <param name="Key">which one</param>
/// <param name="Name">official name; of a quantised weight the values, whose scales are <see cref="ScaleName"/></param>
/// <param name="Role">how it may be stored</param>
/// <param name="Rows">outputs; 1 for a vector</param>
/// <param name="Columns">inputs, counted in elements also where two share a byte</param>
/// <param name="IsVector">whether the checkpoint has it with rank 1</param>
public sealed record ExpectedWeight(WeightKey Key, string Name, WeightRole Role, int Rows, int Columns, bool IsVector)
{
    /// <summary>Side of an FP8 weight's square scale block.</summary>
    public const int Fp8Block = PanelLayout.Fp8Block;

    /// <summary>Columns that share a scale in an FP4 weight.</summary>
    public const int Fp4Block = PanelLayout.Fp4Block;

    /// <summary>Number of elements.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>Whether it may be stored as values with scales beside them.</summary>
    public bool IsQuantizable => Role is WeightRole.Linear or WeightRole.Expert;

    /// <summary>Official name of the scales, if the weight is quantised.</summary>
    public string ScaleName => WeightNames.OfficialScale(Name);

    /// <summary>The format in which DeepSeek releases it.</summary>
    public DType ReleasedType => Role switch
    {
        WeightRole.Linear => DType.Fp8E4M3,
        WeightRole.Expert => DType.Fp4E2M1Pair,
        WeightRole.Plain => DType.Bf16,
        WeightRole.Exact => DType.F32,
        _ => DType.I64,
    };

    /// <summary>Dimensions of the stored values; packed FP4 counts bytes in the last.</summary>
    public long[] StoredShape(DType type)
    {
        long columns = type == DType.Fp4E2M1Pair ? Columns / 2 : Columns;
        return IsVector ? [columns] : [Rows, columns];
    }

    /// <summary>Dimensions of the scales beside values of a quantised type.</summary>
    public (int Rows, int Columns) ScaleShape(DType type) => type == DType.Fp4E2M1Pair
        ? (Rows, (Columns + Fp4Block - 1) / Fp4Block)
        : ((Rows + Fp8Block - 1) / Fp8Block, (Columns + Fp8Block - 1) / Fp8Block);
}
