using System.Text.Json;
using System.Text.Json.Serialization;

namespace Fathom.Checkpoints;

/// <summary>One file of a packed checkpoint.</summary>
/// <param name="Name">within the folder</param> <param name="Bytes">its size</param> <param name="Checksum">XXH3 of 128 bits over all of it, in hexadecimal digits</param>
internal sealed record PackedFile(string Name, long Bytes, string Checksum);

/// <summary>packed.json: which files belong to a packed checkpoint, and what they were made from.</summary>
/// <param name="Layout">number of the layout; one that is unknown is refused</param> <param name="Source">fingerprint of what was packed</param>
/// <param name="Files">in the order of the layers, the model's own weights first</param>
internal sealed record PackedIndex(int Layout, string Source, List<PackedFile> Files)
{
    /// <summary>The layout of <see cref="Tensors.WeightMatrix"/>: a change of it takes a new number.</summary>
    public const int CurrentLayout = 1;

    /// <summary>Reads packed.json of a folder.</summary>
    /// <exception cref="CheckpointException">it is damaged, or of another layout</exception>
    public static PackedIndex Read(string folder)
    {
        string path = Path.Combine(folder, PackedCheckpoint.IndexName);
        try
        {
            PackedIndex? index = JsonSerializer.Deserialize(File.ReadAllBytes(path), PackedIndexJson.Default.PackedIndex);
            if (index is { Source: not null, Files: not null } && index.Files.TrueForAll(file => file is { Name: not null, Checksum: not null }))
            {
                return index.Layout == CurrentLayout ? index : throw new CheckpointException(
                    $"{path}: expected layout {CurrentLayout}, found {index.Layout}. Pack the model again with this version of fathom.");
            }
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"{path}: expected layout, source and files, found damage: {e.Message} Pack the model again.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: can't be read: {e.Message}", e);
        }
        throw new CheckpointException($"{path}: expected layout, source and files, found less. Pack the model again.");
    }

    /// <summary>Writes packed.json; the old one stays until the new one is complete.</summary>
    public void Write(string folder)
    {
        string path = Path.Combine(folder, PackedCheckpoint.IndexName);
        SafetensorsWriter.Guard(path, () =>
        {
            using (var stream = new FileStream(path + ".partial", FileMode.Create, FileAccess.Write, FileShare.None))
            {
                JsonSerializer.Serialize(stream, this, PackedIndexJson.Default.PackedIndex);
                stream.Flush(flushToDisk: true);
            }
            File.Move(path + ".partial", path, overwrite: true);
            return true;
        });
    }
}

/// <summary>Makes the index's code for JSON at compile time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PackedIndex))]
internal sealed partial class PackedIndexJson : JsonSerializerContext;
