using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tensors;

namespace Fathom.Cli;

/// <summary>A model's folder opened for looking: its config and the headers of its tensors, checked against each other; no weights.</summary>
internal sealed class ModelFiles : IDisposable
{
    private readonly Checkpoint _checkpoint;

    private ModelFiles(ConfigFile configFile, Checkpoint checkpoint, CheckpointReader reader)
    {
        ConfigFile = configFile;
        _checkpoint = checkpoint;
        Reader = reader;
    }

    public ConfigFile ConfigFile { get; }

    public ModelConfig Config => ConfigFile.Config;

    public CheckpointReader Reader { get; }

    /// <summary>Whether the checkpoint holds MTP blocks: a config may count some that the checkpoint dropped.</summary>
    public bool HasMtp => Reader.Weights.Any(weight => weight.Key.Layer >= Config.LayerCount);

    /// <summary>The tensors of the config in the formats that the checkpoint has for projections and routed experts.</summary>
    public TensorInventory Inventory => TensorInventory.For(Config, Format(WeightRole.Linear), Format(WeightRole.Expert));

    /// <summary>Bytes of the tensors that the model uses.</summary>
    public long WeightsBytes => BytesByFormat.Sum(format => format.Bytes);

    /// <summary>Bytes of the tensors that the model doesn't use.</summary>
    public long UnusedBytes => Reader.UnknownNames.Sum(name => _checkpoint.Stored(name).Bytes);

    /// <summary>Bytes of the tensors that the model uses, in each number format as safetensors calls it, packed FP4 by that name; most bytes first.</summary>
    public IReadOnlyList<(string Format, long Bytes)> BytesByFormat
    {
        get
        {
            var unused = new HashSet<string>(Reader.UnknownNames, StringComparer.Ordinal);
            var formats = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (string name in _checkpoint.Names.Where(name => !unused.Contains(name)))
            {
                (string format, long bytes) = _checkpoint.Stored(name);
                string label = format == "I8" ? "FP4" : format;                 // the reader's check accepts I8 as nothing else
                formats[label] = formats.GetValueOrDefault(label) + bytes;
            }
            return [.. formats.OrderByDescending(pair => pair.Value).Select(pair => (pair.Key, pair.Value))];
        }
    }

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

    public void Dispose() => _checkpoint.Dispose();

    private NumberFormat Format(WeightRole role) => Reader.Read(Reader.Weights.First(weight => weight.Role == role)).Values.Type switch
    {
        DType.F32 => NumberFormat.F32,
        DType.Bf16 => NumberFormat.Bf16,
        DType.Fp8E4M3 => NumberFormat.Fp8,
        _ => NumberFormat.Fp4,
    };
}
