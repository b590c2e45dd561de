using System.Diagnostics;
using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Formats;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Quantization;

/// <summary>
/// Up to 128 rows of a weight, encoded as a checkpoint stores them and decoded. The converter and quantisation-aware training share it, so
/// what a model was trained with is what is stored. Rows begin at a multiple of 128, where FP8's scale blocks begin. Stateless.
/// </summary>
internal static partial class WeightRows
{
    /// <summary>Rows of a call at most: one row of FP8's scale blocks.</summary>
    public const int Most = ExpectedWeight.Fp8Block;

    /// <summary>Bytes of the values of some rows.</summary>
    public static int ValueBytes(DType type, int rows, int columns) =>
        type == DType.Fp4E2M1Pair ? checked(rows * columns / 2) : checked(rows * columns * type.Size());

    /// <summary>Number of scales of some rows; one byte each.</summary>
    public static int ScaleCount(DType type, int rows, int columns) => type switch
    {
        DType.Fp8E4M3 => (columns + ExpectedWeight.Fp8Block - 1) / ExpectedWeight.Fp8Block,
        DType.Fp4E2M1Pair => rows * (columns / ExpectedWeight.Fp4Block),
        _ => 0,
    };

    /// <summary>Rounds finite values to a format.</summary>
    /// <param name="x">(rows, columns)</param> <param name="columns">of a row</param> <param name="type">F32, BF16, FP8 or FP4</param>
    /// <param name="values">as many as <see cref="ValueBytes"/>; overwritten</param>
    /// <param name="scales">as many as <see cref="ScaleCount"/>; overwritten</param>
    public static void Encode(ReadOnlySpan<float> x, int columns, DType type, Span<byte> values, Span<byte> scales)
    {
        Debug.Assert(x.Length <= Most * columns);
        switch (type)
        {
            case DType.Fp8E4M3:
                EncodeFp8(x, columns, values, scales);
                break;
            case DType.Fp4E2M1Pair:
                EncodeFp4(x, values, scales);
                break;
            case DType.Bf16:
                Span<ushort> codes = MemoryMarshal.Cast<byte, ushort>(values);
                for (int i = 0; i < x.Length; i++)
                {
                    codes[i] = Bf16.FromSingle(x[i]);
                }
                break;
            default:
                MemoryMarshal.AsBytes(x).CopyTo(values);
                break;
        }
    }

    /// <summary>The exact values of some rows of a weight in a checkpoint.</summary>
    /// <param name="source">F32, BF16, FP8 or FP4</param> <param name="first">a multiple of 128</param> <param name="count">at most 128</param>
    /// <param name="columns">of a row</param> <param name="x">(count, columns); overwritten</param>
    public static void Read(in StoredWeight source, int first, int count, int columns, Span<float> x)
    {
        DType type = source.Values.Type;
        Tensor scales = type switch
        {
            DType.Fp8E4M3 => source.Scales.Row(first / ExpectedWeight.Fp8Block),
            DType.Fp4E2M1Pair => source.Scales.Slice(first, count),
            _ => default,
        };
        Decode(source.Values.Slice(first, count).Span<byte>(), scales.IsNone ? default : scales.Span<byte>(), columns, type, x);
    }

    /// <summary>The exact values.</summary>
    /// <param name="values">of the rows</param> <param name="scales">of the rows</param> <param name="columns">of a row</param>
    /// <param name="type">F32, BF16, FP8 or FP4</param> <param name="x">(rows, columns); overwritten</param>
    public static void Decode(ReadOnlySpan<byte> values, ReadOnlySpan<byte> scales, int columns, DType type, Span<float> x)
    {
        Debug.Assert(x.Length <= Most * columns);
        switch (type)
        {
            case DType.Fp8E4M3:
                DecodeFp8(values, scales, columns, x);
                break;
            case DType.Fp4E2M1Pair:
                DecodeFp4(values, scales, x);
                break;
            case DType.Bf16:
                ReadOnlySpan<ushort> codes = MemoryMarshal.Cast<byte, ushort>(values);
                for (int i = 0; i < x.Length; i++)
                {
                    x[i] = Bf16.ToSingle(codes[i]);
                }
                break;
            default:
                MemoryMarshal.Cast<byte, float>(values).CopyTo(x);
                break;
        }
    }
}
