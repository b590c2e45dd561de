using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>The element formats that safetensors knows: their names in a header, their sizes, and what we read them as.</summary>
internal static class ElementFormat
{
    /// <summary>Names of the formats a tensor can be read in.</summary>
    public const string Readable = "F32, BF16, F8_E4M3, F8_E8M0, I8 (packed FP4 with a scale beside it), I32, I64, U8";

    /// <summary>Bytes of one element, or 0 for a name that safetensors doesn't define.</summary>
    public static int Size(string name) => name switch
    {
        "BOOL" or "U8" or "I8" or "F8_E4M3" or "F8_E5M2" or "F8_E8M0" => 1,
        "BF16" or "F16" or "I16" or "U16" => 2,
        "F32" or "I32" or "U32" => 4,
        "F64" or "I64" or "U64" => 8,
        _ => 0,
    };

    /// <summary>What a tensor of this format is in memory; null where we don't read it.</summary>
    /// <param name="name">name in the header</param>
    /// <param name="hasScale">whether a scale stands beside the tensor, which makes bytes packed FP4</param>
    public static DType? Read(string name, bool hasScale) => name switch
    {
        "F32" => DType.F32,
        "BF16" => DType.Bf16,
        "F8_E4M3" => DType.Fp8E4M3,
        "F8_E8M0" => DType.Ue8m0,
        "I32" => DType.I32,
        "I64" => DType.I64,
        "U8" => DType.U8,
        "I8" when hasScale => DType.Fp4E2M1Pair,
        _ => null,
    };

    /// <summary>The name under which a tensor is written.</summary>
    public static string Name(DType type) => type switch
    {
        DType.F32 => "F32",
        DType.Bf16 => "BF16",
        DType.Fp8E4M3 => "F8_E4M3",
        DType.Ue8m0 => "F8_E8M0",
        DType.Fp4E2M1Pair => "I8",
        DType.I32 => "I32",
        DType.I64 => "I64",
        DType.U8 => "U8",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no safetensors name"),
    };
}
