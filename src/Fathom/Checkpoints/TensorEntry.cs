using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>
/// One tensor of a checkpoint, a view of a mapped file. Valid until the checkpoint is disposed; may be read from any thread.
/// </summary>
public sealed class TensorEntry
{
    private readonly Storage _storage;
    private readonly long _offset;

    internal TensorEntry(TensorRecord record, DType type, string file, Storage storage, long offset)
    {
        Name = record.Name;
        DType = type;
        Format = record.Format;
        Shape = record.Shape;
        ByteCount = record.End - record.Begin;
        File = file;
        _storage = storage;
        _offset = offset;
    }

    /// <summary>Name as in the file.</summary>
    public string Name { get; }

    /// <summary>Element format.</summary>
    public DType DType { get; }

    /// <summary>The format's name in the file: "F8_E4M3".</summary>
    public string Format { get; }

    /// <summary>Dimensions as in the file, of any rank; for packed FP4 the last one counts bytes. Empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Size of the data.</summary>
    public long ByteCount { get; }

    /// <summary>The file that holds it.</summary>
    public string File { get; }

    /// <summary>
    /// The tensor as a view of rank 3 at most: leading dimensions of a higher rank are folded into planes, missing ones are 1.
    /// The data may be unaligned and larger than 2 GB.
    /// </summary>
    /// <exception cref="CheckpointException">a dimension exceeds 2³¹ − 1</exception>
    public Tensor View
    {
        get
        {
            ObjectDisposedException.ThrowIf(_storage.IsDisposed, this);
            long planes = 1;
            for (int i = 0; i < Shape.Count - 2; i++)
            {
                planes *= Shape[i];
            }
            long rows = Shape.Count >= 2 ? Shape[^2] : 1;
            long columns = Shape.Count >= 1 ? Shape[^1] : 1;
            if (Math.Max(planes, Math.Max(rows, columns)) > int.MaxValue)
            {
                throw new CheckpointException(
                    $"{Name}: expected dimensions up to {int.MaxValue}, found ({string.Join(", ", Shape)}) in {File}. Such a tensor belongs to no V4 model.");
            }
            return new Tensor(_storage, _offset, DType, (int)planes, (int)rows, (int)columns);
        }
    }

    /// <summary>Where the data lies, whatever its size.</summary>
    internal (Storage Storage, long Offset) Location => (_storage, _offset);

    /// <summary>The data as bytes.</summary>
    /// <exception cref="CheckpointException">the tensor exceeds 2 GB: use <see cref="View"/> and slices of it</exception>
    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            if (ByteCount > int.MaxValue)
            {
                throw new CheckpointException(
                    $"{Name}: expected at most {int.MaxValue} bytes to read at once, found {ByteCount} in {File}. Read it in slices.");
            }
            ObjectDisposedException.ThrowIf(_storage.IsDisposed, this);
            return ByteCount == 0 ? default : ((HostStorage)_storage).Span(_offset, (int)ByteCount);
        }
    }

    /// <summary>"layers.0.attn.wq_a.weight F8_E4M3 (128, 256)".</summary>
    public override string ToString() => $"{Name} {Format} ({string.Join(", ", Shape)})";
}
