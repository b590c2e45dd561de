using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tensors;

namespace Fathom.Cli;

/// <summary>A model's folder opened for looking: its config and the headers of its tensors, checked against each other; no weights.</summary>
internal sealed class ModelFiles : IDisposable
{
    private readonly IDisposable _opened;
    private readonly IReadOnlyList<ExpectedWeight> _weights;
    private readonly (NumberFormat Projections, NumberFormat Experts) _formats;

    private ModelFiles(ConfigFile configFile, Checkpoint checkpoint, CheckpointReader reader)
    {
        ConfigFile = configFile;
        _opened = checkpoint;
        _weights = reader.Weights;
        _formats = (Format(reader, WeightRole.Linear), Format(reader, WeightRole.Expert));
        Spelling = reader.Spelling.ToString().ToLowerInvariant();
        UnusedNames = reader.UnknownNames;
        UnusedBytes = UnusedNames.Sum(name => checkpoint.Stored(name).Bytes);
        BytesByFormat = Bytes(checkpoint, UnusedNames);
    }

    private ModelFiles(ConfigFile configFile, PackedCheckpoint packed)
    {
        ConfigFile = configFile;
        _opened = packed;
        _weights = packed.Weights;
        _formats = (Format(packed, WeightPart.KeyValue), Format(packed, WeightPart.ExpertGate));
        Spelling = "packed";
        UnusedNames = [];
        BytesByFormat = [("packed", packed.Bytes)];
    }

    public ConfigFile ConfigFile { get; }

    public ModelConfig Config => ConfigFile.Config;

    /// <summary>How the tensors are named: official, transformers, or packed.</summary>
    public string Spelling { get; }

    /// <summary>Tensors that the model doesn't use.</summary>
    public IReadOnlyList<string> UnusedNames { get; }

    /// <summary>Whether the checkpoint holds MTP blocks: a config may count some that the checkpoint dropped.</summary>
    public bool HasMtp => _weights.Any(weight => weight.Key.Layer >= Config.LayerCount);

    /// <summary>The tensors of the config in the formats that the checkpoint has for projections and routed experts.</summary>
    public TensorInventory Inventory => TensorInventory.For(Config, _formats.Projections, _formats.Experts);

    /// <summary>Bytes of the tensors that the model uses.</summary>
    public long WeightsBytes => BytesByFormat.Sum(format => format.Bytes);

    /// <summary>Bytes of the tensors that the model doesn't use.</summary>
    public long UnusedBytes { get; }

    /// <summary>Bytes of the tensors that the model uses, in each number format as safetensors calls it, packed FP4 by that name; most bytes first.</summary>
    public IReadOnlyList<(string Format, long Bytes)> BytesByFormat { get; }

    /// <summary>A model's name for people: that of its folder.</summary>
    public static string NameOf(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));

    /// <summary>The config of a folder, and on stderr the keys that the engine doesn't know.</summary>
    public static ConfigFile ReadConfig(string folder)
    {
        if (File.Exists(folder))
            throw new CheckpointException($"{folder}: expected a model's folder, found a file. Give the folder that holds config.json and the tensors.");
        ConfigFile file = ConfigReader.Read(Path.Combine(folder, "config.json"));
        if (file.UnknownKeys.Count > 0)
            Console.Error.WriteLine($"config.json has keys that this engine doesn't know and doesn't obey: {string.Join(", ", file.UnknownKeys)}.");
        return file;
    }

    /// <summary>Opens a folder and checks that every tensor the config asks for is there.</summary>
    /// <exception cref="ModelConfigException">the config is missing or wrong</exception>
    /// <exception cref="CheckpointException">the tensors are missing or contradict the config</exception>
    public static ModelFiles Open(string folder) => Open(folder, ReadConfig(folder));

    /// <summary>As the other, with a config that was already read.</summary>
    public static ModelFiles Open(string folder, ConfigFile configFile)
    {
        if (PackedCheckpoint.IsAt(folder))
            return new ModelFiles(configFile, PackedCheckpoint.Open(folder, configFile.Config));
        Checkpoint checkpoint = Checkpoint.Open(folder);
        try
        {
            CheckpointReader reader = CheckpointReader.Open(checkpoint, configFile.Config);
            return new ModelFiles(configFile, checkpoint, reader);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    public void Dispose() => _opened.Dispose();

    private static List<(string Format, long Bytes)> Bytes(Checkpoint checkpoint, IReadOnlyList<string> unusedNames)
    {
        var unused = new HashSet<string>(unusedNames, StringComparer.Ordinal);
        var formats = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (string name in checkpoint.Names.Where(name => !unused.Contains(name)))
        {
            (string format, long bytes) = checkpoint.Stored(name);
            string label = format == "I8" ? "FP4" : format;                     // the reader's check accepts I8 as nothing else
            formats[label] = formats.GetValueOrDefault(label) + bytes;
        }

        return [.. formats.OrderByDescending(pair => pair.Value).Select(pair => (pair.Key, pair.Value))];
    }

    private static NumberFormat Format(PackedCheckpoint packed, WeightPart part) => packed.Matrix(part, 0).Format switch
    {
        WeightFormat.F32 => NumberFormat.F32,
        WeightFormat.Bf16 => NumberFormat.Bf16,
        WeightFormat.Fp8 => NumberFormat.Fp8,
        _ => NumberFormat.Fp4,
    };

    private static NumberFormat Format(CheckpointReader reader, WeightRole role) => reader.Read(reader.Weights.First(weight => weight.Role == role)).Values.Type switch
    {
        DType.F32 => NumberFormat.F32,
        DType.Bf16 => NumberFormat.Bf16,
        DType.Fp8E4M3 => NumberFormat.Fp8,
        _ => NumberFormat.Fp4,
    };
}
