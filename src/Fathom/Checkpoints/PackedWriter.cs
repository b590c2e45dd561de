using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>
/// Packs a model into a folder, a file at a time: each is written aside, made durable, read back for its checksum, named and noted in
/// packed.json, so that packing which was stopped goes on behind the last whole file. One matrix is in memory at a time.
/// </summary>
internal sealed class PackedWriter
{
    private readonly Device _device;
    private readonly ModelConfig _config;
    private readonly List<ExpectedWeight> _weights;
    private readonly Func<ExpectedWeight, StoredWeight> _read;

    /// <param name="device">one whose packed matrices are in this process's memory</param> <param name="config">the model's shape</param>
    /// <param name="weights">what there is; MTP blocks may be missing</param> <param name="read">a weight as stored</param>
    public PackedWriter(Device device, ModelConfig config, IEnumerable<ExpectedWeight> weights, Func<ExpectedWeight, StoredWeight> read)
    {
        _device = device;
        _config = config;
        _weights = [.. weights];
        _read = read;
    }

    /// <summary>Writes what the folder does not have yet.</summary>
    /// <param name="folder">exists</param> <param name="source">fingerprint of what is packed; files of another are written anew</param>
    /// <param name="progress">told the files done and all files, or null</param> <param name="cancellation">stops between matrices; whole files stay</param>
    /// <returns>bytes of all files</returns>
    /// <exception cref="CheckpointException">a value is no number, or the disk is full</exception>
    public long Write(string folder, string source, Action<int, int>? progress, CancellationToken cancellation)
    {
        List<PackedFile> files = Finished(folder, source);
        int layers = _weights.Max(weight => weight.Key.Layer) + 1;
        for (int file = files.Count; file <= layers; file++)
        {
            progress?.Invoke(file, layers + 1);
            string name = $"packed-{file:D5}.safetensors";
            WriteFile(Path.Combine(folder, name), [.. _weights.Where(weight => weight.Key.Layer == file - 1)], cancellation);
            string path = Path.Combine(folder, name);
            files.Add(new PackedFile(name, new FileInfo(path).Length, PackedCheckpoint.Checksum(path)));
            new PackedIndex(PackedIndex.CurrentLayout, source, files).Write(folder);
        }
        progress?.Invoke(layers + 1, layers + 1);
        return files.Sum(file => file.Bytes);
    }

    // Whole files of the same source; their checksums are compared when the model is opened.
    private static List<PackedFile> Finished(string folder, string source)
    {
        if (!PackedCheckpoint.IsAt(folder))
        {
            return [];
        }
        PackedIndex index = PackedIndex.Read(folder);
        bool isSame = index.Source == source && index.Files.TrueForAll(file =>
        {
            var info = new FileInfo(Path.Combine(folder, file.Name));
            return info.Exists && info.Length == file.Bytes;
        });
        return isSame ? index.Files : [];
    }

    private void WriteFile(string path, List<ExpectedWeight> weights, CancellationToken cancellation)
    {
        var tensors = new List<TensorToWrite>();
        var formats = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (ExpectedWeight weight in weights)
        {
            if (WeightPlacements.Of(weight.Key.Part) == WeightPlacement.Numbers)
            {
                DType type = _read(weight).Values.Type;
                tensors.Add(new TensorToWrite(weight.Name, type, weight.StoredShape(type)));
            }
            else if (weight.Key.Expert <= 0)
            {
                (int count, _) = PackedCheckpoint.StackOf(_config, weight.Key.Part, weight.Key.Layer);
                bool isGrouped = WeightPlacements.Of(weight.Key.Part) == WeightPlacement.Groups;
                WeightFormat format = WeightFormats.Of(_read(weight).Values.Type);
                string name = WeightNames.StackName(weight.Key.Part, weight.Key.Layer, _config.LayerCount);
                tensors.Add(new TensorToWrite(name, DType.U8, [WeightMatrix.BytesOfStack(format, count, isGrouped ? weight.Rows / count : weight.Rows, weight.Columns)]));
                formats.Add(name, format.ToString());
            }
        }
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors, formats, SafetensorsWriter.PageAlignment);
        foreach (ExpectedWeight weight in weights)
        {
            cancellation.ThrowIfCancellationRequested();
            Write(writer, weight);
        }
        writer.Complete();
    }

    private void Write(SafetensorsWriter writer, ExpectedWeight weight)
    {
        StoredWeight stored = _read(weight);
        FiniteValues.Check(weight, stored);
        (WeightPart part, int layer) = (weight.Key.Part, weight.Key.Layer);
        if (WeightPlacements.Of(part) == WeightPlacement.Numbers)
        {
            Write(writer, weight.Name, (HostStorage)stored.Values.Storage!, stored.Values.Offset, stored.Values.Count * stored.Values.Type.Size());
            return;
        }
        int groups = WeightPlacements.Of(part) == WeightPlacement.Groups ? _config.OutputGroups : 1, rows = weight.Rows / groups;
        for (int group = 0; group < groups; group++)
        {
            WeightMatrix packed = _device.Pack([new RawMatrix(stored.Values, stored.Scales, group * rows, rows)]);
            using Storage storage = packed.Storage;
            Write(writer, WeightNames.StackName(part, layer, _config.LayerCount), (HostStorage)storage, 0, packed.MatrixBytes);
        }
    }

    private static void Write(SafetensorsWriter writer, string name, HostStorage storage, long offset, long bytes)
    {
        const int Piece = 1 << 26;
        for (long done = 0; done < bytes; done += Piece)
        {
            writer.Write(name, storage.Span(offset + done, (int)Math.Min(Piece, bytes - done)));
        }
    }
}
