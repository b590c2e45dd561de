using System.IO.Hashing;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>
/// A model whose matrices lie in the files as the processor reads them: mapped, they are used where they are, and a model may be larger than
/// memory. A safetensors file for the model's own weights and one for each layer; stacks of matrices are bytes, whose format is in the
/// header. Owns the mappings. May be read from any thread, disposed by one.
/// </summary>
public sealed class PackedCheckpoint : IDisposable
{
    /// <summary>The file that makes a folder a packed checkpoint.</summary>
    public const string IndexName = "packed.json";

    private readonly string _folder;
    private readonly ModelConfig _config;
    private readonly PackedIndex _index;
    private readonly List<Safetensors> _files = [];
    private readonly Dictionary<WeightKey, ExpectedWeight> _expected;

    private PackedCheckpoint(string folder, ModelConfig config, PackedIndex index)
    {
        _folder = folder;
        _config = config;
        _index = index;
        Weights = [.. ExpectedWeights.Of(config, withMtp: index.Files.Count > config.LayerCount + 1)];
        _expected = Weights.ToDictionary(weight => weight.Key);
    }

    /// <summary>Every weight, in the order in which a token meets them.</summary>
    public IReadOnlyList<ExpectedWeight> Weights { get; }

    /// <summary>Bytes of all files.</summary>
    public long Bytes => _index.Files.Sum(file => file.Bytes);

    /// <summary>Whether the files are more than memory can be expected to keep, so that weights are read from the disk while the model runs.</summary>
    public bool IsLargerThanMemory => IsLarger(Bytes);

    /// <summary>Whether a folder is a packed checkpoint.</summary>
    public static bool IsAt(string folder) => File.Exists(Path.Combine(folder, IndexName));

    /// <summary>Maps the files and checks their headers and sizes, not their contents: <see cref="Check"/>.</summary>
    /// <param name="folder">with packed.json</param> <param name="config">the model's shape</param>
    /// <exception cref="CheckpointException">a file is missing or damaged, or contradicts the config</exception>
    public static PackedCheckpoint Open(string folder, ModelConfig config)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(config);
        PackedIndex index = PackedIndex.Read(folder);
        if (index.Files.Count != config.LayerCount + 1 && index.Files.Count != config.LayerCount + config.MtpLayerCount + 1)
        {
            throw new CheckpointException(
                $"{folder}: expected {config.LayerCount + 1} files, one for each layer and one more, found {index.Files.Count} in {IndexName}. Does config.json belong to them?");
        }
        var packed = new PackedCheckpoint(folder, config, index);
        try
        {
            packed.Map();
            return packed;
        }
        catch
        {
            packed.Dispose();
            throw;
        }
    }

    /// <summary>Numbers that are no packed matrix: a vector, the embedding or ids.</summary>
    /// <exception cref="CheckpointException">missing, or of another shape</exception>
    public StoredWeight Read(ExpectedWeight weight)
    {
        ArgumentNullException.ThrowIfNull(weight);
        TensorEntry entry = Entry(weight.Key.Layer, weight.Name);
        return entry.Shape.SequenceEqual(weight.StoredShape(entry.DType))
            ? new StoredWeight(entry.View, default)
            : throw new CheckpointException(
                $"{entry.Name}: expected ({string.Join(", ", weight.StoredShape(entry.DType))}), found ({string.Join(", ", entry.Shape)}) in {entry.File}. Does config.json belong to this checkpoint?");
    }

    /// <summary>The packed matrices of a part: one, the output groups, or all routed experts of a layer; a view of the mapping.</summary>
    /// <exception cref="CheckpointException">missing, or of another size</exception>
    public WeightMatrix Matrix(WeightPart part, int layer)
    {
        string name = WeightNames.StackName(part, layer, _config.LayerCount);
        (int count, ExpectedWeight one) = Shape(part, layer);
        TensorEntry entry = Entry(layer, name);
        (Storage storage, long offset) = entry.Location;
        WeightFormat format = FormatOf(layer, name);
        var matrix = new WeightMatrix(storage, format, count, one.Rows / (WeightPlacements.Of(part) == WeightPlacement.Groups ? count : 1), one.Columns) { Offset = offset };
        return entry.ByteCount == count * matrix.MatrixBytes && offset % SafetensorsWriter.PageAlignment == 0 ? matrix : throw new CheckpointException(
            $"{name}: expected {count * matrix.MatrixBytes} bytes on a page, found {entry.ByteCount} from byte {offset} in {entry.File}. Does config.json belong to this checkpoint?");
    }

    /// <summary>Reads every file and compares its checksum. Afterwards as much of the model as memory holds is in memory.</summary>
    /// <param name="progress">told the files done and all files, or null</param> <param name="cancellation">stops between files</param>
    /// <exception cref="CheckpointException">a file is not what was written</exception>
    public void Check(Action<int, int>? progress, CancellationToken cancellation)
    {
        int done = 0;
        try
        {
            Parallel.ForEach(_index.Files, new ParallelOptions { CancellationToken = cancellation }, file =>
            {
                string path = Path.Combine(_folder, file.Name), found = Checksum(path);
                if (found != file.Checksum)
                {
                    throw new CheckpointException($"{path}: expected the checksum {file.Checksum}, found {found}. The file was damaged after it was written; pack the model again.");
                }
                progress?.Invoke(Interlocked.Increment(ref done), _index.Files.Count);
            });
        }
        catch (AggregateException e) when (e.InnerExceptions[0] is CheckpointException first)
        {
            throw new CheckpointException(first.Message, first);
        }
    }

    /// <summary>Closes the mappings; matrices must not be used afterwards.</summary>
    public void Dispose()
    {
        foreach (Safetensors file in _files)
        {
            file.Dispose();
        }
    }

    /// <summary>XXH3 of a file.</summary>
    internal static string Checksum(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 20, FileOptions.SequentialScan);
            var hash = new XxHash128();
            hash.Append(stream);
            return Convert.ToHexStringLower(hash.GetCurrentHash());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: can't be read: {e.Message}", e);
        }
    }

    /// <summary>How many matrices a part has in a layer, and the weight that has the shape of one; of output groups, of all.</summary>
    internal static (int Count, WeightKey One) StackOf(ModelConfig config, WeightPart part, int layer) => WeightPlacements.Of(part) switch
    {
        WeightPlacement.Experts => (config.ExpertCount, new WeightKey(part, layer, 0)),
        WeightPlacement.Groups => (config.OutputGroups, new WeightKey(part, layer)),
        _ => (1, new WeightKey(part, layer)),
    };

    private (int Count, ExpectedWeight One) Shape(WeightPart part, int layer)
    {
        (int count, WeightKey one) = StackOf(_config, part, layer);
        return (count, _expected[one]);
    }

    private void Map()
    {
        foreach (PackedFile file in _index.Files)
        {
            string path = Path.Combine(_folder, file.Name);
            Safetensors mapped = Safetensors.Open(path, IsLargerThanMemory);
            _files.Add(mapped);
            long bytes = new FileInfo(path).Length;
            if (bytes != file.Bytes)
            {
                throw new CheckpointException($"{path}: expected {file.Bytes} bytes, found {bytes}. The file is truncated or another; pack the model again.");
            }
        }
    }

    private TensorEntry Entry(int layer, string name) => _files[layer + 1].TryGet(name, out TensorEntry? entry) ? entry : throw new CheckpointException(
        $"{name}: expected in {_files[layer + 1].Path}, found {_files[layer + 1].Count} others. Does config.json belong to this checkpoint?");

    private WeightFormat FormatOf(int layer, string name)
    {
        string? format = _files[layer + 1].Metadata.GetValueOrDefault(name);
        return Enum.TryParse(format, out WeightFormat parsed) && Enum.IsDefined(parsed) ? parsed : throw new CheckpointException(
            $"{name}: expected one of {string.Join(", ", Enum.GetNames<WeightFormat>())} in the header of {_files[layer + 1].Path}, found {format ?? "nothing"}. Pack the model again.");
    }

    // A quarter is left for caches, activations and everybody else. The runtime knows the limit of a container.
    private static bool IsLarger(long bytes) => bytes > GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4 * 3;
}
