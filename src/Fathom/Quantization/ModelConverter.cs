using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Quantization;

/// <summary>
/// From a model's folder in any format and spelling that the engine reads to one in another format, with the tensor names and config of the
/// released models. Tensors are streamed; a weight that has its format already keeps its bytes. Stateless; may be called from any thread.
/// </summary>
public static class ModelConverter
{
    /// <summary>Name of the config in every model's folder.</summary>
    internal const string ConfigName = "config.json";

    // As large as the shards of the released models, roughly.
    private const long ShardBytes = 5_000_000_000;

    // What a model needs beside weights and config; other files may describe the formats of the input.
    internal static readonly string[] Companions = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "LICENSE"];

    /// <summary>Converts a model. The output appears under its name only when it is complete and was read back.</summary>
    /// <param name="input">a model's folder</param> <param name="output">a folder that doesn't exist yet or is empty</param>
    /// <param name="format">what to convert to</param> <param name="progress">told after every weight, or null</param>
    /// <param name="cancellation">stops behind the current weight; nothing is left then</param>
    /// <exception cref="ModelConfigException">the config is missing or wrong</exception>
    /// <exception cref="CheckpointException">
    /// the input is damaged or contradicts its config, the output exists, a value cannot be represented, or the disk is full
    /// </exception>
    public static ConversionReport Convert(
        string input, string output, ModelFormat format, Action<ConversionProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(input);
        ArgumentException.ThrowIfNullOrEmpty(output);
        if (!Directory.Exists(input))
        {
            throw new CheckpointException($"{input}: expected a model's folder, found {(File.Exists(input) ? "a file" : "nothing")}. Give the folder that holds config.json.");
        }
        if (PackedCheckpoint.IsAt(input))
        {
            throw new CheckpointException($"{input}: expected a model that is not packed, found {PackedCheckpoint.IndexName}. Give the folder that it was made from.");
        }
        ConfigFile config = ConfigReader.Read(input);
        using Checkpoint checkpoint = Checkpoint.Open(input);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, config.Config);
        using NewFolder folder = NewFolder.Create(output);
        ConversionReport report = Tensors(checkpoint, reader, folder.Path, format, progress, cancellation);
        WriteConfig(input, config, reader, folder, format);
        foreach (string file in Companions.Select(name => Path.Combine(input, name)).Where(File.Exists))
        {
            folder.Copy(file);
        }
        Verify(folder.Path);
        cancellation.ThrowIfCancellationRequested();
        folder.Complete();
        return report;
    }

    private static ConversionReport Tensors(
        Checkpoint checkpoint, CheckpointReader reader, string folder, ModelFormat format, Action<ConversionProgress>? progress, CancellationToken cancellation)
    {
        List<TensorToWrite> tensors = [.. reader.Weights.SelectMany(weight => WeightConverter.Tensors(weight, format.TypeOf(weight)))];
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };
        using CheckpointWriter writer = CheckpointWriter.Create(folder, tensors, ShardBytes, metadata);
        var converter = new WeightConverter(writer);
        var parts = new PartErrors();
        for (int i = 0; i < reader.Weights.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            ExpectedWeight weight = reader.Weights[i];
            DType type = format.TypeOf(weight);
            parts.Add(weight, type, converter.Convert(weight, reader.Read(weight), type));
            progress?.Invoke(new ConversionProgress(i + 1, reader.Weights.Count));
        }
        writer.Complete();
        var leftOut = new HashSet<string>(reader.UnknownNames, StringComparer.Ordinal);
        return new ConversionReport
        {
            BytesBefore = checkpoint.Names.Where(name => !leftOut.Contains(name)).Sum(name => checkpoint.Stored(name).Bytes),
            BytesAfter = tensors.Sum(tensor => tensor.ByteCount),
            Formats = [.. tensors.GroupBy(tensor => PartErrors.FormatName(tensor.DType))
                .Select(group => new FormatBytes(group.Key, group.Sum(tensor => tensor.ByteCount))).OrderByDescending(of => of.Bytes)],
            Parts = parts.Sum(),
            LeftOut = reader.UnknownNames,
        };
    }

    private static void WriteConfig(string input, ConfigFile config, CheckpointReader reader, NewFolder folder, ModelFormat format) =>
        folder.Write(ConfigName, ConvertedConfig.Write(
            config,
            File.ReadAllBytes(Path.Combine(input, ConfigName)),
            format,
            hasMtp: reader.Weights.Any(weight => weight.Key.Layer >= config.Config.LayerCount),
            hasFp4: reader.Weights.Any(weight => format.TypeOf(weight) == DType.Fp4E2M1Pair)));

    // Every tensor that the written config asks for is there in a shape and format that the engine reads.
    private static void Verify(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        CheckpointReader.Open(checkpoint, ConfigReader.Read(folder).Config);
    }
}
