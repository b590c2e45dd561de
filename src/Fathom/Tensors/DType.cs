namespace Fathom.Tensors;

/// <summary>The element formats a tensor can have in memory or in a checkpoint.</summary>
public enum DType
{
    /// <summary>IEEE single precision, 4 bytes.</summary>
    F32,

    /// <summary>bfloat16: the upper half of a single, 2 bytes.</summary>
    Bf16,

    /// <summary>FP8 e4m3fn: 1-4-3, bias 7, largest 448, no infinity, 1 byte.</summary>
    Fp8E4M3,

    /// <summary>Power-of-two scale, 2^(e − 127), 1 byte.</summary>
    Ue8m0,

    /// <summary>Two FP4 e2m1 values in a byte; the low nibble is the even column. Shapes count bytes.</summary>
    Fp4E2M1Pair,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>64-bit signed integer.</summary>
    I64,

    /// <summary>Plain bytes: encoded cache rows and packed weights.</summary>
    U8,
}

/// <summary>Sizes of <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element (for <see cref="DType.Fp4E2M1Pair"/>, of one pair).</summary>
    public static int Size(this DType type) => type switch
    {
        DType.F32 or DType.I32 => 4,
        DType.Bf16 => 2,
        DType.I64 => 8,
        _ => 1,
    };
}
