using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Train.Model;

/// <summary>Writes and reads the weights as a checkpoint that the engine loads: all numbers in singles, under the official names.</summary>
internal static class ModelFolder
{
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
