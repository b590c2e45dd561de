using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Train.Model;

/// <summary>Writes and reads the weights as a checkpoint that the engine loads: all numbers in singles, under the official names.</summary>
internal static class ModelFolder
{
    /// <exception cref="CheckpointException">the folder holds another checkpoint, or the disk is full</exception>
    public static void Save(Parameters p, string folder)
    {
        List<TensorToWrite> tensors = [.. p.Expected.Select(weight =>
            new TensorToWrite(weight.Name, weight.Role == WeightRole.Ids ? DType.I64 : DType.F32, weight.StoredShape(DType.F32)))];
        using CheckpointWriter writer = CheckpointWriter.Create(folder, tensors);
        foreach (ExpectedWeight weight in p.Expected)
        {
            writer.Write(weight.Name, weight.Role == WeightRole.Ids
                ? MemoryMarshal.AsBytes(Array.ConvertAll(p.Table(weight.Key.Layer), id => (long)id).AsSpan())
                : MemoryMarshal.AsBytes(p[weight.Key.Part, weight.Key.Layer, weight.Key.Expert].Value.Span));
        }
        writer.Complete();
    }
}
