using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>
/// One safetensors file, mapped and checked: 8 bytes of header length, the header as JSON, the data. Owns the mapping;
/// entries are views of it. May be read from any thread, disposed by one.
/// </summary>
public sealed class Safetensors : IDisposable
{
    private const int PrefixBytes = 8;

    private readonly SafetensorsHeader _header;
    private readonly HostStorage _storage;
    private readonly long _dataOffset;

    private Safetensors(string path, SafetensorsHeader header, HostStorage storage, long dataOffset)
    {
        Path = path;
        _header = header;
        _storage = storage;
        _dataOffset = dataOffset;
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path { get; }

    /// <summary>Names of all tensors.</summary>
    public IEnumerable<string> Names => _header.Records.Keys;

    /// <summary>Number of tensors.</summary>
    public int Count => _header.Records.Count;

    /// <summary>The free-form strings that the writer left in the header.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Maps a file and checks its header completely; the data isn't read.</summary>
    /// <exception cref="CheckpointException">the file is missing, truncated, damaged or no safetensors file</exception>
    public static Safetensors Open(string path) => Open(path, isPaged: false);

    /// <summary>As the public method.</summary>
    /// <param name="path">the file</param> <param name="isPaged">whether memory may not hold all that is mapped</param>
    internal static Safetensors Open(string path, bool isPaged)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            int length = HeaderLength(file);
            SafetensorsHeader header = SafetensorsHeader.Parse(file.Bytes(PrefixBytes, length), file.Length - PrefixBytes - length, path);
            return new Safetensors(path, header, file.ToStorage(MemoryPurpose.Weights, isPaged), PrefixBytes + length);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether the file has a tensor of this name, in whatever format.</summary>
    public bool Contains(string name) => _header.Records.ContainsKey(name);

    /// <summary>The tensor of this name, if the file has it.</summary>
    /// <exception cref="CheckpointException">the tensor is there but in a format we don't read</exception>
    public bool TryGet(string name, [NotNullWhen(true)] out TensorEntry? entry) => TryGet(name, Contains, out entry);

    /// <summary>Closes the mapping; entries and their tensors must not be used afterwards.</summary>
    public void Dispose() => _storage.Dispose();

    /// <summary>Format name and bytes of a tensor that the file has.</summary>
    internal (string Format, long Bytes) Stored(string name)
    {
        TensorRecord record = _header.Records[name];
        return (record.Format, record.End - record.Begin);
    }

    /// <summary>As the public method, for a file that is one shard of several: the scale may be in another.</summary>
    internal bool TryGet(string name, Func<string, bool> containsScale, [NotNullWhen(true)] out TensorEntry? entry)
    {
        ObjectDisposedException.ThrowIf(_storage.IsDisposed, this);
        entry = null;
        if (!_header.Records.TryGetValue(name, out TensorRecord record))
        {
            return false;
        }
        // Bytes are packed FP4 only as a matrix, or a stack of them, with scales; I8 by itself would be another quantiser's.
        bool hasScale = record.Shape.Length >= 2 && ScaleNames(name).Any(containsScale);
        DType type = ElementFormat.Read(record.Format, hasScale) ?? throw new CheckpointException(
            $"{name}: expected one of {ElementFormat.Readable}, found {record.Format} ({string.Join(", ", record.Shape)}) in {Path}. " +
            "Convert the tensor to F32 or BF16.");
        entry = new TensorEntry(record, type, Path, _storage, _dataOffset + record.Begin);
        return true;
    }

    /// <summary>The names that the scale of a weight can have.</summary>
    private static IEnumerable<string> ScaleNames(string weight)
    {
        const string Suffix = ".weight";
        if (weight.EndsWith(Suffix, StringComparison.Ordinal))
        {
            yield return string.Concat(weight.AsSpan(0, weight.Length - Suffix.Length), ".scale");
        }
        yield return weight + "_scale_inv";
    }

    private static int HeaderLength(MappedFile file)
    {
        if (file.Length < PrefixBytes)
        {
            throw new CheckpointException(
                $"{file.Path}: expected at least {PrefixBytes} bytes, found {file.Length}. The file is empty or truncated; download it again.");
        }
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file.Bytes(0, PrefixBytes));
        if (length > SafetensorsHeader.LengthMax)
        {
            throw new CheckpointException(
                $"{file.Path}: expected a header of at most {SafetensorsHeader.LengthMax} bytes, found a length of {length}. Is this a safetensors file?");
        }
        if (length > (ulong)(file.Length - PrefixBytes))
        {
            throw new CheckpointException(
                $"{file.Path}: expected a header of {length} bytes, found {file.Length - PrefixBytes} bytes after its length. " +
                "The file is truncated; download it again.");
        }
        return (int)length;
    }
}
