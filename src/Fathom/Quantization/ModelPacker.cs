using System.IO.Hashing;
using System.Text;
using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Quantization;

/// <summary>
/// From a model's folder to a packed one, whose files are mapped instead of loaded (<see cref="PackedCheckpoint"/>): the same numbers in the
/// order in which the processor reads them. Stateless; one thread.
/// </summary>
public static class ModelPacker
{
    private const string Partial = ".partial";

    /// <summary>Packs a model. The output appears under its name only when it is complete; what was stopped goes on when called again.</summary>
    /// <param name="input">a model's folder, not packed</param> <param name="output">a folder that doesn't exist yet or is empty</param>
    /// <param name="device">one whose packed matrices are in this process's memory</param>
    /// <param name="progress">told the files done and all files, or null</param>
    /// <param name="cancellation">stops behind the current weight; whole files stay in a folder beside the output</param>
    /// <returns>bytes of the packed files</returns>
    /// <exception cref="ModelConfigException">the config is missing or wrong</exception>
    /// <exception cref="CheckpointException">the input is damaged, packed already or contradicts its config, the output exists, or the disk is full</exception>
    public static long Pack(string input, string output, Device device, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(input);
        ArgumentException.ThrowIfNullOrEmpty(output);
        ArgumentNullException.ThrowIfNull(device);
        if (PackedCheckpoint.IsAt(input))
        {
            throw new CheckpointException($"{input}: expected a model that is not packed, found {PackedCheckpoint.IndexName}. Give the folder that it was made from.");
        }
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output)), partial = target + Partial;
        NewFolder.CheckFree(output);
        ConfigFile config = ConfigReader.Read(input);
        using Checkpoint checkpoint = Checkpoint.Open(input);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, config.Config);
        SafetensorsWriter.Guard(output, () => Directory.CreateDirectory(partial));
        var writer = new PackedWriter(device, config.Config, reader.Weights, reader.Read);
        long bytes = writer.Write(partial, Fingerprint(input, checkpoint), progress, cancellation);
        SafetensorsWriter.Guard(output, () =>
        {
            foreach (string file in ModelConverter.Companions.Prepend(ModelConverter.ConfigName).Select(name => Path.Combine(input, name)).Where(File.Exists))
            {
                File.Copy(file, Path.Combine(partial, Path.GetFileName(file)), overwrite: true);
            }
            if (Directory.Exists(target))
            {
                Directory.Delete(target);                                                 // fails unless it is empty
            }
            Directory.Move(partial, target);
            return true;
        });
        return bytes;
    }

    // Names, sizes and times of the tensors' files, and the config: enough to tell whether what was begun is the same model.
    private static string Fingerprint(string input, Checkpoint checkpoint)
    {
        var hash = new XxHash128();
        hash.Append(File.ReadAllBytes(Path.Combine(input, ModelConverter.ConfigName)));
        foreach (Safetensors file in checkpoint.Files)
        {
            var info = new FileInfo(file.Path);
            hash.Append(Encoding.UTF8.GetBytes($"{info.Name} {info.Length} {info.LastWriteTimeUtc.Ticks}"));
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
