using System.Globalization;
using System.Text.Json;

namespace Fathom.Checkpoints;

/// <summary>
/// Writes a checkpoint into a folder: one file, or numbered shards with an index where it would be larger than a shard may be. Tensors may
/// come in any order and in pieces. Files get their names only when all of them are complete, the index last. Owns the open files; one thread.
/// </summary>
public sealed class CheckpointWriter : IDisposable
{
    private readonly Dictionary<string, SafetensorsWriter> _owners = new(StringComparer.Ordinal);
    private readonly List<SafetensorsWriter> _writers = [];
    private readonly SortedDictionary<string, string> _shards = new(StringComparer.Ordinal);
    private readonly string _folder;
    private readonly long _bytes;

    private CheckpointWriter(string folder, long bytes)
    {
        _folder = folder;
        _bytes = bytes;
    }

    /// <summary>Begins a checkpoint; the folder is made if need be.</summary>
    /// <param name="folder">where to; a single file there is replaced, other checkpoints' files are refused</param>
    /// <param name="tensors">everything that will be written, kept in this order across shards</param>
    /// <param name="shardBytesMax">data of a shard at most; a larger tensor gets a shard of its own</param>
    /// <param name="metadata">free-form strings for every header</param>
    /// <exception cref="CheckpointException">a name repeats, a shape is impossible, or the files can't be made</exception>
    public static CheckpointWriter Create(string folder, IReadOnlyList<TensorToWrite> tensors, long shardBytesMax = long.MaxValue,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shardBytesMax);
        long bytes = TensorToWrite.TotalBytes(tensors);
        List<List<TensorToWrite>> shards = Split(tensors, shardBytesMax);
        SafetensorsWriter.Guard(folder, () => Directory.CreateDirectory(folder));
        CheckFree(folder, single: shards.Count == 1);
        var writer = new CheckpointWriter(folder, bytes);
        try
        {
            for (int i = 0; i < shards.Count; i++)
            {
                string name = shards.Count == 1 ? Checkpoint.SingleFileName
                    : string.Create(CultureInfo.InvariantCulture, $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors");
                writer.Add(name, shards[i], metadata);
            }
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Appends to a tensor's data.</summary>
    /// <exception cref="CheckpointException">the tensor wasn't announced, gets more bytes than its shape holds, or the disk is full</exception>
    public void Write(string name, ReadOnlySpan<byte> bytes)
    {
        if (!_owners.TryGetValue(name, out SafetensorsWriter? owner))
        {
            throw new CheckpointException(
                $"{name}: expected one of the {_owners.Count} tensors announced for {_folder}, found another. " +
                "Announce it when creating the checkpoint.");
        }
        owner.Write(name, bytes);
    }

    /// <summary>Checks that all data came, makes it durable and gives the files their names, the index last.</summary>
    /// <exception cref="CheckpointException">a tensor is incomplete, or a file can't be renamed</exception>
    public void Complete()
    {
        foreach (SafetensorsWriter writer in _writers)
        {
            writer.Seal();
        }
        if (_writers.Count == 1)
        {
            _writers[0].Publish();
            return;
        }
        try
        {
            _writers.ForEach(writer => writer.Publish());
            WriteIndex();
        }
        catch
        {
            // The folder held no shards before, so these are ours; without the last of them they would look like a checkpoint.
            _writers.ForEach(writer => writer.Unpublish());
            throw;
        }
    }

    /// <summary>Ends the checkpoint; files that weren't completed are removed.</summary>
    public void Dispose()
    {
        foreach (SafetensorsWriter writer in _writers)
        {
            writer.Dispose();
        }
    }

    private static List<List<TensorToWrite>> Split(IReadOnlyList<TensorToWrite> tensors, long shardBytesMax)
    {
        var shards = new List<List<TensorToWrite>> { new() };
        long bytes = 0;
        foreach (TensorToWrite tensor in tensors)
        {
            if (shards[^1].Count > 0 && tensor.ByteCount > shardBytesMax - bytes)
            {
                shards.Add([]);
                bytes = 0;
            }
            shards[^1].Add(tensor);
            bytes += tensor.ByteCount;
        }
        return shards;
    }

    // Files of another save beside ours would make the folder ambiguous, and removing them is not ours to decide.
    private static void CheckFree(string folder, bool single)
    {
        string? other = Directory.EnumerateFiles(folder).Select(Path.GetFileName).FirstOrDefault(name =>
            name == ShardIndex.FileName
            || (name == Checkpoint.SingleFileName && !single)
            || (name!.StartsWith("model-", StringComparison.Ordinal) && name.EndsWith(".safetensors", StringComparison.Ordinal)));
        if (other is not null)
        {
            throw new CheckpointException(
                $"{folder}: expected a folder without another checkpoint, found {other}. Choose another folder, or remove the old checkpoint.");
        }
    }

    private void Add(string file, List<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        SafetensorsWriter writer = SafetensorsWriter.Create(Path.Combine(_folder, file), tensors, metadata);
        _writers.Add(writer);
        foreach (TensorToWrite tensor in tensors)
        {
            if (!_owners.TryAdd(tensor.Name, writer))
            {
                throw new CheckpointException($"{tensor.Name}: expected names to be unique, found this one twice. Check what is being saved.");
            }
            _shards.Add(tensor.Name, file);
        }
    }

    private void WriteIndex()
    {
        string path = Path.Combine(_folder, ShardIndex.FileName);
        string partial = path + ".partial";
        SafetensorsWriter.Guard(path, () =>
        {
            using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
                {
                    json.WriteStartObject();
                    json.WriteStartObject("metadata");
                    json.WriteNumber("total_size", _bytes);
                    json.WriteEndObject();
                    json.WriteStartObject("weight_map");
                    foreach ((string name, string file) in _shards)
                    {
                        json.WriteString(name, file);
                    }
                    json.WriteEndObject();
                    json.WriteEndObject();
                }
                stream.Flush(flushToDisk: true);
            }
            File.Move(partial, path, overwrite: true);
            return true;
        });
    }
}
