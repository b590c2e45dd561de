using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Quantization;

/// <summary>
/// Converts weights one after the other, a slab of rows at a time on all threads. A weight that already has its format is copied byte for byte.
/// One thread calls it.
/// </summary>
internal sealed class WeightConverter(CheckpointWriter writer)
{
    // Blocks of 128 rows at once: enough for every thread, and 117 MB of singles for the widest weight of the largest model.
    private const int SlabBlocks = 8;
    private const int SlabRows = SlabBlocks * WeightRows.Most;
    private const int CopyRows = 4096;

    private float[] _before = [];
    private float[] _after = [];
    private byte[] _values = [];

    /// <summary>The tensors of a weight in a format: its values, and its scales where it has any.</summary>
    public static IEnumerable<TensorToWrite> Tensors(ExpectedWeight weight, DType type)
    {
        yield return new TensorToWrite(weight.Name, type, weight.StoredShape(type));
        if (HasScales(type))
        {
            (int rows, int columns) = weight.ScaleShape(type);
            yield return new TensorToWrite(weight.ScaleName, DType.Ue8m0, [rows, columns]);
        }
    }

    /// <exception cref="CheckpointException">a value is no number, or the format cannot hold it; or the disk is full</exception>
    public RoundingError Convert(ExpectedWeight weight, StoredWeight source, DType type)
    {
        FiniteValues.Check(weight.Name, source.Values);
        if (!source.Scales.IsNone)
        {
            FiniteValues.Check(weight.ScaleName, source.Scales);
        }
        if (source.Values.Type == type)
        {
            Copy(weight.Name, source.Values);
            if (HasScales(type))
            {
                Copy(weight.ScaleName, source.Scales);
            }
            return RoundingError.None;
        }
        return weight.Role == WeightRole.Ids ? WidenIds(weight, source.Values) : Round(weight, source, type);
    }

    private static bool HasScales(DType type) => type is DType.Fp8E4M3 or DType.Fp4E2M1Pair;

    private void Copy(string name, in Tensor tensor)
    {
        for (int row = 0; row < tensor.Rows; row += CopyRows)
        {
            writer.Write(name, tensor.Slice(row, Math.Min(CopyRows, tensor.Rows - row)).Span<byte>());
        }
    }

    private RoundingError WidenIds(ExpectedWeight weight, in Tensor ids)
    {
        for (int row = 0; row < ids.Rows; row++)
        {
            long[] widened = Array.ConvertAll(ids.Row(row).Span<int>().ToArray(), id => (long)id);
            writer.Write(weight.Name, MemoryMarshal.AsBytes<long>(widened));
        }
        return RoundingError.None;
    }

    private RoundingError Round(ExpectedWeight weight, StoredWeight source, DType type)
    {
        RoundingError error = RoundingError.None;
        int columns = weight.Columns, scalesOfBlock = WeightRows.ScaleCount(type, WeightRows.Most, columns);
        byte[] scales = new byte[WeightRows.ScaleCount(type, 1, columns) == 0 ? 0 : Scales(weight, type)];
        for (int first = 0; first < weight.Rows; first += SlabRows)
        {
            int rows = Math.Min(SlabRows, weight.Rows - first), blocks = (rows + WeightRows.Most - 1) / WeightRows.Most;
            Reserve(checked(rows * columns), WeightRows.ValueBytes(type, rows, columns));
            var errors = new RoundingError[blocks];
            int firstRow = first;
            Parallel.For(0, blocks, block =>
            {
                int row = block * WeightRows.Most, count = Math.Min(WeightRows.Most, rows - row);
                Span<float> before = _before.AsSpan(row * columns, count * columns), after = _after.AsSpan(row * columns, count * columns);
                Span<byte> values = _values.AsSpan(WeightRows.ValueBytes(type, row, columns), WeightRows.ValueBytes(type, count, columns));
                Span<byte> own = scales.AsSpan(((firstRow / WeightRows.Most) + block) * scalesOfBlock, WeightRows.ScaleCount(type, count, columns));
                WeightRows.Read(source, firstRow + row, count, columns, before);
                WeightRows.Encode(before, columns, type, values, own);
                WeightRows.Decode(values, own, columns, type, after);
                errors[block] = RoundingError.Between(before, after);
            });
            error = errors.Aggregate(error, (sum, of) => sum.Plus(of));
            writer.Write(weight.Name, _values.AsSpan(0, WeightRows.ValueBytes(type, rows, columns)));
        }
        if (!error.IsFinite)
        {
            throw new CheckpointException(
                $"{weight.Name}: expected values that {type} can hold, found one of about {error.Amplitude:E2}. Convert to F32 instead, or correct the weight.");
        }
        if (scales.Length > 0)
        {
            writer.Write(weight.ScaleName, scales);
        }
        return error;
    }

    private static int Scales(ExpectedWeight weight, DType type)
    {
        (int rows, int columns) = weight.ScaleShape(type);
        return rows * columns;
    }

    private void Reserve(int floats, int bytes)
    {
        if (_before.Length < floats)
        {
            _before = new float[floats];
            _after = new float[floats];
        }
        if (_values.Length < bytes)
        {
            _values = new byte[bytes];
        }
    }
}
