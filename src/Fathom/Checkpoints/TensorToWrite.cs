using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">unique within the checkpoint</param> <param name="DType">element format; packed FP4 is written as I8</param>
/// <param name="Shape">dimensions as they go into the header</param>
public sealed record TensorToWrite(string Name, DType DType, IReadOnlyList<long> Shape)
{
    /// <summary>Size of the data.</summary>
    /// <exception cref="CheckpointException">a dimension is negative or the size exceeds 63 bits</exception>
    public long ByteCount
    {
        get
        {
            Int128 bytes = DType.Size();
            foreach (long dimension in Shape)
            {
                bytes = dimension >= 0 ? bytes * dimension : -1;
                if (bytes < 0 || bytes > long.MaxValue)
                {
                    throw new CheckpointException(
                        $"{Name}: expected a shape of 0 to {long.MaxValue} bytes, found ({string.Join(", ", Shape)}). Check what is being saved.");
                }
            }
            return (long)bytes;
        }
    }

    /// <summary>Size of the data of several tensors, small enough for a header and its offsets to be added.</summary>
    internal static long TotalBytes(IEnumerable<TensorToWrite> tensors)
    {
        const long Most = long.MaxValue / 2;
        Int128 bytes = 0;
        foreach (TensorToWrite tensor in tensors)
        {
            bytes += tensor.ByteCount;
        }
        return bytes <= Most ? (long)bytes : throw new CheckpointException($"A checkpoint of {bytes} bytes was announced, expected at most {Most}. " +
        "Check what is being saved.");
    }
}
