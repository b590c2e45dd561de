using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>
/// Writes one safetensors file without holding it in memory: names and shapes first, then each tensor's data in any order and in pieces.
/// The file appears under its name only when it is complete. Owns the open file; one thread.
/// </summary>
public sealed class SafetensorsWriter : IDisposable
{
    // The data begins at a multiple of this; wider elements come first, so every tensor is aligned to its element size.
    private const int HeaderAlignment = 64;
    private const int PrefixBytes = 8;

    /// <summary>Where tensors have to begin on pages.</summary>
    internal const int PageAlignment = 4096;

    private readonly Dictionary<string, Slot> _slots = new(StringComparer.Ordinal);
    private readonly string _path;
    private readonly string _partialPath;
    private readonly FileStream _stream;
    private State _state;

    private SafetensorsWriter(string path, string partialPath, FileStream stream)
    {
        _path = path;
        _partialPath = partialPath;
        _stream = stream;
    }

    private enum State
    {
        Open,
        Sealed,
        Published,
    }

    /// <summary>Begins a file: writes its header beside the final name, with ".partial" appended.</summary>
    /// <param name="path">the final name; an existing file is replaced on completion</param>
    /// <param name="tensors">everything that will be written</param> <param name="metadata">free-form strings for the header</param>
    /// <exception cref="CheckpointException">a name repeats, a shape is impossible, or the file can't be made</exception>
    public static SafetensorsWriter Create(string path, IReadOnlyList<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        Create(path, tensors, metadata, HeaderAlignment);

    /// <summary>As the public method; with <see cref="PageAlignment"/>, bytes come first and begin on pages as long as they fill them.</summary>
    internal static SafetensorsWriter Create(
        string path, IReadOnlyList<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata, int alignment)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        TensorToWrite[] order = [.. tensors
            .OrderByDescending(tensor => alignment == PageAlignment && tensor.DType == DType.U8).ThenByDescending(tensor => tensor.DType.Size())];
        byte[] header = Header(order, metadata, alignment);
        string partialPath = path + ".partial";
        return Guard(path, () =>
        {
            var stream = new FileStream(partialPath, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            var writer = new SafetensorsWriter(path, partialPath, stream);
            try
            {
                writer.Begin(order, header);
                return writer;
            }
            catch
            {
                writer.Dispose();
                throw;
            }
        });
    }

    /// <summary>Appends to a tensor's data.</summary>
    /// <exception cref="CheckpointException">the tensor wasn't announced, gets more bytes than its shape holds, or the disk is full</exception>
    public void Write(string name, ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_state != State.Open, this);
        if (!_slots.TryGetValue(name, out Slot? slot))
        {
            throw new CheckpointException(
                $"{name}: expected one of the {_slots.Count} tensors announced for {_path}, found another. Announce it when creating the file.");
        }
        if (bytes.Length > slot.End - slot.Next)
        {
            throw new CheckpointException(
                $"{name}: expected {slot.End - slot.Begin} bytes in {_path}, found {slot.Next - slot.Begin + bytes.Length}. Check shape and format.");
        }
        try
        {
            RandomAccess.Write(_stream.SafeFileHandle, bytes, slot.Next);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(_path, e);
        }
        slot.Next += bytes.Length;
    }

    /// <summary>Checks that all data came, makes it durable and gives the file its name.</summary>
    /// <exception cref="CheckpointException">a tensor is incomplete, or the file can't be renamed; nothing then has the final name</exception>
    public void Complete()
    {
        Seal();
        Publish();
    }

    /// <summary>Ends the file; one that wasn't completed is removed.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        if (_state != State.Published)
        {
            File.Delete(_partialPath);
        }
    }

    /// <summary>First half of <see cref="Complete"/>: the file is whole and on the disk, under its partial name.</summary>
    internal void Seal()
    {
        ObjectDisposedException.ThrowIf(_state != State.Open, this);
        foreach ((string name, Slot slot) in _slots)
        {
            if (slot.Next != slot.End)
            {
                throw new CheckpointException(
                    $"{name}: expected {slot.End - slot.Begin} bytes before completing {_path}, found {slot.Next - slot.Begin}. " +
                    "Write every tensor in full.");
            }
        }
        Guard(_path, () =>
        {
            _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            return true;
        });
        _state = State.Sealed;
    }

    /// <summary>Second half of <see cref="Complete"/>: the rename.</summary>
    internal void Publish()
    {
        Guard(_path, () =>
        {
            File.Move(_partialPath, _path, overwrite: true);
            return true;
        });
        _state = State.Published;
    }

    /// <summary>Takes the final name away again, where a later shard failed.</summary>
    internal void Unpublish()
    {
        if (_state == State.Published)
        {
            File.Delete(_path);
        }
    }

    /// <summary>Runs file operations and turns their failures into one that says what to do.</summary>
    internal static T Guard<T>(string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Unwritable(path, e);
        }
    }

    private static CheckpointException Unwritable(string path, Exception e) =>
        new($"{path}: can't be written: {e.Message} Check the folder, your rights and the free space; nothing was left half-written under this name.", e);

    private void Begin(TensorToWrite[] order, byte[] header)
    {
        long at = PrefixBytes + header.Length;
        foreach (TensorToWrite tensor in order)
        {
            _slots.Add(tensor.Name, new Slot { Begin = at, Next = at, End = at + tensor.ByteCount });
            at += tensor.ByteCount;
        }
        byte[] prefix = new byte[PrefixBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        RandomAccess.Write(_stream.SafeFileHandle, prefix, 0);
        RandomAccess.Write(_stream.SafeFileHandle, header, PrefixBytes);
    }

    private static byte[] Header(TensorToWrite[] order, IReadOnlyDictionary<string, string>? metadata, int alignment)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        WriteMetadata(json, metadata);
        var names = new HashSet<string>(StringComparer.Ordinal);
        long offset = 0;
        TensorToWrite.TotalBytes(order);
        foreach (TensorToWrite tensor in order)
        {
            if (!names.Add(tensor.Name) || tensor.Name == "__metadata__")
            {
                throw new CheckpointException(
                    $"{tensor.Name}: expected names to be unique and none to be __metadata__, found this one. Check what is being saved.");
            }
            json.WriteStartObject(tensor.Name);
            json.WriteString("dtype", ElementFormat.Name(tensor.DType));
            WriteNumbers(json, "shape", tensor.Shape);
            WriteNumbers(json, "data_offsets", [offset, offset + tensor.ByteCount]);
            json.WriteEndObject();
            offset += tensor.ByteCount;
        }
        json.WriteEndObject();
        json.Flush();
        int padded = (PrefixBytes + buffer.WrittenCount + alignment - 1) / alignment * alignment;
        byte[] header = new byte[padded - PrefixBytes];
        header.AsSpan().Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(header);
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is null)
        {
            return;
        }
        json.WriteStartObject("__metadata__");
        foreach ((string key, string value) in metadata)
        {
            json.WriteString(key, value);
        }
        json.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, IReadOnlyList<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
        {
            json.WriteNumberValue(number);
        }
        json.WriteEndArray();
    }

    private sealed class Slot
    {
        public required long Begin { get; init; }
        public required long End { get; init; }
        public required long Next { get; set; }
    }
}
