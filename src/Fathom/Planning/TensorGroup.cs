using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Planning;

/// <summary>How a tensor's values are stored in a released checkpoint.</summary>
public enum NumberFormat
{
    /// <summary>4 bytes a value.</summary>
    F32,

    /// <summary>2 bytes a value.</summary>
    Bf16,

    /// <summary>1 byte a value and 1 scale byte for each block of 128 × 128.</summary>
    Fp8,

    /// <summary>Half a byte a value and 1 scale byte for each 32 values of a row.</summary>
    Fp4,

    /// <summary>8 bytes a value: tables of expert ids, not counted as parameters.</summary>
    I64,
}

/// <summary>One tensor of a checkpoint, or one tensor of every expert of a layer, with what it costs to keep and to use.</summary>
public sealed record TensorGroup
{
    /// <summary>Checkpoint name without its suffix; <c>*</c> stands for the number of an expert.</summary>
    public required string Name { get; init; }

    /// <summary>How the values are stored.</summary>
    public required NumberFormat Format { get; init; }

    /// <summary>Parameters; 0 for a table of ids.</summary>
    public required long Parameters { get; init; }

    /// <summary>Parameters that one token uses; an embedding counts whole, as in published figures.</summary>
    public required long ActiveParameters { get; init; }

    /// <summary>Bytes on disk, scales included.</summary>
    public required long Bytes { get; init; }

    /// <summary>Bytes that one token reads: of a table its one row, of the experts the chosen ones.</summary>
    public required long BytesRead { get; init; }

    /// <summary>Entries in the checkpoint's header: a scale tensor counts beside its weight.</summary>
    public required int TensorCount { get; init; }

    /// <summary>Main layer that the tensor belongs to, MTP blocks behind them; −1 outside of all layers.</summary>
    public required int Layer { get; init; }

    /// <summary>Whether a token is multiplied by it as by a matrix: no table, of which one row is read, and no norm, bias, scale or sink.</summary>
    public required bool IsMatrix { get; init; }

    /// <summary>Bytes that one token's products read in the engine's packed layout, in this format; 0 for what is no matrix.</summary>
    public required long PackedBytesRead { get; init; }

    /// <summary>Operations of one token's products with it.</summary>
    public FlopCount Flops => IsMatrix ? FlopCount.OfWeights(Packed(Format), ActiveParameters) : default;

    /// <summary>Parameters that one token uses over parameters.</summary>
    public double ActiveFraction => Parameters == 0 ? 0 : (double)ActiveParameters / Parameters;

    /// <summary>How the engine packs matrices of a format.</summary>
    internal static WeightFormat Packed(NumberFormat format) => format switch
    {
        NumberFormat.F32 => WeightFormat.F32,
        NumberFormat.Bf16 => WeightFormat.Bf16,
        NumberFormat.Fp8 => WeightFormat.Fp8,
        NumberFormat.Fp4 => WeightFormat.Fp4,
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "expected a format of weights"),
    };
}
