using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>Refuses weights that are not numbers: one NaN would spread to every logit and show nowhere.</summary>
internal static class FiniteValues
{
    private const byte ScaleNaN = 0xFF;

    /// <summary>Values and scales of a weight.</summary>
    /// <exception cref="CheckpointException">as the other</exception>
    public static void Check(ExpectedWeight weight, StoredWeight stored)
    {
        Check(weight.Name, stored.Values);
        if (!stored.Scales.IsNone)
        {
            Check(weight.ScaleName, stored.Scales);
        }
    }

    /// <exception cref="CheckpointException">a value is infinite or NaN; the message names its row and column</exception>
    public static void Check(string name, in Tensor values)
    {
        for (int row = 0; row < values.Rows; row++)
        {
            int column = Find(values.Row(row));
            if (column >= 0)
            {
                throw new CheckpointException(
                    $"{name}: expected finite values, found one that is no number at row {row}, column {column}. The file is damaged; download it again.");
            }
        }
    }

    private static int Find(in Tensor row) => row.Type switch
    {
        DType.Ue8m0 => row.Span<byte>().IndexOf(ScaleNaN),
        DType.Fp8E4M3 => row.Span<byte>().IndexOfAny((byte)0x7F, (byte)0xFF),
        DType.Bf16 => FindBf16(row.Span<ushort>()),
        DType.F32 => FindSingle(row.Span<float>()),
        _ => -1,
    };

    private static int FindBf16(ReadOnlySpan<ushort> row)
    {
        for (int i = 0; i < row.Length; i++)
        {
            if ((row[i] & 0x7F80) == 0x7F80)
            {
                return i;
            }
        }
        return -1;
    }

    private static int FindSingle(ReadOnlySpan<float> row)
    {
        for (int i = 0; i < row.Length; i++)
        {
            if (!float.IsFinite(row[i]))
            {
                return i;
            }
        }
        return -1;
    }
}
