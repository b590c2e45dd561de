using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Engine;

/// <summary>How a model is loaded.</summary>
public sealed record LoadOptions
{
    /// <summary>Element formats of the caches; null for what the checkpoint was made for.</summary>
    public CacheFormat? CacheFormat { get; init; }

    /// <summary>Tokens that a forward pass takes at most, 1 to 65,536.</summary>
    public int MaxRows { get; init; } = 512;

    /// <summary>Whether tensors that belong to no weight are accepted.</summary>
    public bool AllowUnusedTensors { get; init; }
}

/// <summary>A checkpoint loaded onto a device, ready to run. The device belongs to the caller. Not thread-safe.</summary>
public sealed class LanguageModel : IDisposable
{
    private const string ConfigName = "config.json";
    private const int MaxRowsMax = 1 << 16;

    private readonly ModelWeights _weights;
    private readonly PackedCheckpoint? _mapped;

    private LanguageModel(
        ConfigFile file, Device device, ModelWeights weights, LoadOptions options, CacheFormat format, string folder, PackedCheckpoint? mapped)
    {
        ConfigFile = file;
        _weights = weights;
        _mapped = mapped;
        Transformer = new Transformer(device, file.Config, weights, format, options.MaxRows);
        NumericMode = device.NumericMode;
        Folder = folder;
    }

    /// <summary>The config and what its reader has to tell.</summary>
    public ConfigFile ConfigFile { get; }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config => ConfigFile.Config;

    /// <summary>The forward pass.</summary>
    public Transformer Transformer { get; }

    /// <summary>How its device multiplies.</summary>
    public NumericMode NumericMode { get; }

    /// <summary>Whether weights are read from the disk while the model runs, since memory does not hold them all.</summary>
    public bool IsLargerThanMemory => _mapped is { IsLargerThanMemory: true };

    /// <summary>Where it was loaded from.</summary>
    public string Folder { get; }

    /// <summary>
    /// Loads a folder with config.json and safetensors, or maps a packed one. Of a packed one that memory holds, the checksums are compared.
    /// </summary>
    /// <param name="folder">the model's folder</param>
    /// <param name="device">where to</param>
    /// <param name="options">how</param>
    /// <exception cref="ModelConfigException">the config is missing or wrong</exception>
    /// <exception cref="CheckpointException">the tensors are missing, wrong or too many</exception>
    /// <exception cref="RequestException">an option is out of range, or the machine has too little memory</exception>
    public static LanguageModel Load(string folder, Device device, LoadOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.MaxRows is < 1 or > MaxRowsMax)
        {
            throw new RequestException($"Rows of a batch: expected 1 to {MaxRowsMax}, found {options.MaxRows}.");
        }
        ConfigFile file = ConfigReader.Read(Path.Combine(folder, ConfigName));
        if (PackedCheckpoint.IsAt(folder))
        {
            return Guard(folder, () => Map(file, device, options, folder));
        }
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, file.Config);
        if (reader.UnknownNames.Count > 0 && !options.AllowUnusedTensors)
        {
            throw new CheckpointException(
                $"{checkpoint.Path}: expected only tensors that config.json accounts for, found {reader.UnknownNames.Count} more, the first {reader.UnknownNames[0]}. Pass --allow-unused to leave them out.");
        }
        return Guard(folder, () => Load(file, reader, device, options, folder));
    }

    /// <summary>Frees weights and activations.</summary>
    public void Dispose()
    {
        Transformer.Dispose();
        _weights.Dispose();
        _mapped?.Dispose();
    }

    private static LanguageModel Guard(string folder, Func<LanguageModel> load)
    {
        try
        {
            return load();
        }
        catch (OutOfMemoryException e)
        {
            throw new RequestException($"{folder}: does not fit into memory: {e.Message} Choose a smaller model or a larger machine.", e);
        }
    }

    private static LanguageModel Map(ConfigFile file, Device device, LoadOptions options, string folder)
    {
        PackedCheckpoint mapped = PackedCheckpoint.Open(folder, file.Config);
        ModelWeights? weights = null;
        try
        {
            if (!mapped.IsLargerThanMemory)
            {
                mapped.Check(progress: null, CancellationToken.None);
            }
            weights = WeightLoader.Load(device, file.Config, mapped);
            bool isReleased = mapped.Matrix(WeightPart.KeyValue, 0).Format == Tensors.WeightFormat.Fp8;
            CacheFormat format = options.CacheFormat ?? MadeFor(isReleased);
            return new LanguageModel(file, device, weights, options, format, folder, mapped);
        }
        catch
        {
            weights?.Dispose();
            mapped.Dispose();
            throw;
        }
    }

    private static LanguageModel Load(ConfigFile file, CheckpointReader reader, Device device, LoadOptions options, string folder)
    {
        ModelWeights weights = WeightLoader.Load(device, file.Config, reader);
        try
        {
            CacheFormat format = options.CacheFormat ?? MadeFor(HasFp8(reader));
            return new LanguageModel(file, device, weights, options, format, folder, mapped: null);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    // A checkpoint with FP8 projections was trained with the released cache's rounding; any other wasn't.
    private static CacheFormat MadeFor(bool hasFp8) => hasFp8 ? CacheFormat.Mixed : CacheFormat.F32;

    private static bool HasFp8(CheckpointReader reader)
    {
        ExpectedWeight keyValue = reader.Weights.First(weight => weight.Key.Part == WeightPart.KeyValue);
        return reader.Read(keyValue).Values.Type == Tensors.DType.Fp8E4M3;
    }
}
