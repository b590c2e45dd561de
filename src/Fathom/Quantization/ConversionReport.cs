using Fathom.Model;

namespace Fathom.Quantization;

/// <summary>How far a conversion is.</summary>
/// <param name="Done">weights written</param> <param name="Total">weights in all</param>
public readonly record struct ConversionProgress(int Done, int Total);

/// <summary>What a conversion did to all weights of one part that got one format: "every layer's attn.wq_a.weight".</summary>
/// <param name="Part">which weights</param>
/// <param name="Format">what they are stored in now, as safetensors calls it; packed FP4 by that name</param>
/// <param name="Weights">how many tensors</param>
/// <param name="RmsError">√(Σ (after − before)² ∕ Σ before²) over all of them</param>
/// <param name="WorstError">the largest |after − before|, as a share of the largest value of its tensor</param>
/// <param name="WorstWeight">the tensor that has it</param>
public sealed record ConvertedPart(
    WeightPart Part, string Format, int Weights, double RmsError, double WorstError, string WorstWeight);

/// <summary>Bytes of a checkpoint in one number format.</summary>
/// <param name="Format">as safetensors calls it; packed FP4 by that name</param> <param name="Bytes">of values, or of scales for F8_E8M0</param>
public sealed record FormatBytes(string Format, long Bytes);

/// <summary>What a conversion did.</summary>
public sealed record ConversionReport
{
    /// <summary>Bytes of the weights before.</summary>
    public required long BytesBefore { get; init; }

    /// <summary>Bytes of the weights after.</summary>
    public required long BytesAfter { get; init; }

    /// <summary>Bytes after by number format, most first.</summary>
    public required IReadOnlyList<FormatBytes> Formats { get; init; }

    /// <summary>Errors by part of the model, in the order in which a token meets them.</summary>
    public required IReadOnlyList<ConvertedPart> Parts { get; init; }

    /// <summary>Tensors of the input that belong to no weight of the architecture and were left out, sorted; show them.</summary>
    public required IReadOnlyList<string> LeftOut { get; init; }
}
