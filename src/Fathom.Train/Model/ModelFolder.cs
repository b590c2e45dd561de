using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Train.Model;

/// <summary>Writes and reads the weights as a checkpoint that the engine loads: all numbers in singles, under the official names.</summary>
internal static class ModelFolder
{
    /// <summary>Reads every weight. BF16 is widened, which is exact.</summary>
    /// <param name="config">of the folder</param> <param name="folder">a model folder in singles or BF16</param>
    /// <exception cref="CheckpointException">a tensor is missing, quantised, or none of the config's</exception>
    public static Parameters Load(ModelConfig config, string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, config);
        if (reader.UnknownNames.Count > 0)
        {
            throw new CheckpointException(
                $"{folder}: expected only tensors that config.json accounts for, found {reader.UnknownNames.Count} more, the first {reader.UnknownNames[0]}.");
        }
        var p = new Parameters(config);
        foreach (ExpectedWeight weight in p.Expected)
        {
            Tensor values = reader.Read(weight).Values;
            switch (values.Type)
            {
                case DType.I64:
                    Array.ConvertAll(values.Span<long>().ToArray(), id => (int)id).CopyTo(p.Table(weight.Key.Layer), 0);
                    break;
                case DType.I32:
                    values.Span<int>().CopyTo(p.Table(weight.Key.Layer));
                    break;
                case DType.F32:
                    values.Span<float>().CopyTo(p[weight.Key.Part, weight.Key.Layer, weight.Key.Expert].Value.Span);
                    break;
                case DType.Bf16:
                    Array.ConvertAll(values.Span<ushort>().ToArray(), bits => BitConverter.Int32BitsToSingle(bits << 16))
                        .CopyTo(p[weight.Key.Part, weight.Key.Layer, weight.Key.Expert].Value);
                    break;
                default:
                    throw new CheckpointException($"{weight.Name}: expected F32 or BF16, found {values.Type} in {folder}. Quantised weights cannot be trained.");
            }
        }
        return p;
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
