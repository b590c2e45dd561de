using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Quantization;
using Fathom.Tensors;
using Fathom.Train.Autograd;

namespace Fathom.Train.Model;

/// <summary>Writes and reads the weights as a checkpoint that the engine loads: all numbers in singles, under the official names.</summary>
internal static class ModelFolder
{
    /// <summary>Reads every weight, widened or decoded to singles, which is exact.</summary>
    /// <param name="p">filled</param> <param name="folder">a model folder of the same shape</param> <param name="quantized">whether FP8 and FP4 are taken</param>
    /// <exception cref="CheckpointException">a tensor is missing, quantised where that is not taken, or none of the config's</exception>
    public static void Load(Parameters p, string folder, bool quantized)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, p.Config);
        if (reader.UnknownNames.Count > 0)
        {
            throw new CheckpointException(
                $"{folder}: expected only tensors that config.json accounts for, found {reader.UnknownNames.Count} more, the first {reader.UnknownNames[0]}.");
        }
        foreach (ExpectedWeight weight in p.Expected)
        {
            StoredWeight stored = reader.Read(weight);
            if (!quantized && !stored.Scales.IsNone)
            {
                throw new CheckpointException(
                    $"{weight.Name}: expected F32 or BF16, found {stored.Values.Type} in {folder}. Convert it first: fathom quantize IN OUT --format f32.");
            }
            if (weight.Role == WeightRole.Ids)
            {
                ReadIds(stored.Values, p.Table(weight.Key.Layer));
                continue;
            }
            Parameter parameter = p[weight.Key.Part, weight.Key.Layer, weight.Key.Expert];
            for (int first = 0; first < weight.Rows; first += WeightRows.Most)
            {
                int count = Math.Min(WeightRows.Most, weight.Rows - first);
                WeightRows.Read(stored, first, count, weight.Columns, parameter.Value.Span.Slice(first * weight.Columns, count * weight.Columns));
            }
        }
    }

    private static void ReadIds(in Tensor ids, int[] table)
    {
        if (ids.Type == DType.I32)
        {
            ids.Span<int>().CopyTo(table);
            return;
        }
        Array.ConvertAll(ids.Span<long>().ToArray(), id => (int)id).CopyTo(table, 0);
    }

    /// <param name="p">which weights</param> <param name="folder">where to</param>
    /// <param name="numbers">what to write in place of the values of <see cref="Parameters.Numbers"/>, or null</param>
    /// <exception cref="CheckpointException">the folder holds another checkpoint, or the disk is full</exception>
    public static void Save(Parameters p, string folder, IReadOnlyList<Memory<float>>? numbers = null)
    {
        List<TensorToWrite> tensors = [.. p.Expected.Select(weight =>
            new TensorToWrite(weight.Name, weight.Role == WeightRole.Ids ? DType.I64 : DType.F32, weight.StoredShape(DType.F32)))];
        using CheckpointWriter writer = CheckpointWriter.Create(folder, tensors);
        foreach (ExpectedWeight weight in p.Expected.Where(weight => weight.Role == WeightRole.Ids))
        {
            writer.Write(weight.Name, MemoryMarshal.AsBytes(Array.ConvertAll(p.Table(weight.Key.Layer), id => (long)id).AsSpan()));
        }
        for (int i = 0; i < p.Numbers.Count; i++)
        {
            writer.Write(p.Numbers[i].Name, MemoryMarshal.AsBytes((numbers is null ? p.Numbers[i].Value : numbers[i]).Span));
        }
        writer.Complete();
    }
}
