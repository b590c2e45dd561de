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

    private LanguageModel(ConfigFile file, ModelWeights weights, Transformer transformer, string folder)
    {
        ConfigFile = file;
        _weights = weights;
        Transformer = transformer;
        Folder = folder;
    }

    /// <summary>The config and what its reader has to tell.</summary>
    public ConfigFile ConfigFile { get; }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config => ConfigFile.Config;

    /// <summary>The forward pass.</summary>
    public Transformer Transformer { get; }

    /// <summary>Where it was loaded from.</summary>
    public string Folder { get; }

    /// <summary>Loads a folder with config.json and safetensors.</summary>
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
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, file.Config);
        if (reader.UnknownNames.Count > 0 && !options.AllowUnusedTensors)
        {
            throw new CheckpointException(
                $"{checkpoint.Path}: expected only tensors that config.json accounts for, found {reader.UnknownNames.Count} more, the first {reader.UnknownNames[0]}. Pass --allow-unused to leave them out.");
        }
        try
        {
            return Load(file, reader, device, options, folder);
        }
        catch (OutOfMemoryException e)
        {
            throw new RequestException($"{folder}: does not fit into memory: {e.Message} Choose a smaller model or a larger machine.", e);
        }
    }

    /// <summary>Frees weights and activations.</summary>
    public void Dispose()
    {
        Transformer.Dispose();
        _weights.Dispose();
    }

    private static LanguageModel Load(ConfigFile file, CheckpointReader reader, Device device, LoadOptions options, string folder)
    {
        ModelWeights weights = WeightLoader.Load(device, file.Config, reader);
        try
        {
            CacheFormat format = options.CacheFormat ?? MadeFor(reader);
            return new LanguageModel(file, weights, new Transformer(device, file.Config, weights, format, options.MaxRows), folder);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    // A checkpoint with FP8 projections was trained with the released cache's rounding; any other wasn't.
    private static CacheFormat MadeFor(CheckpointReader reader)
    {
        ExpectedWeight keyValue = reader.Weights.First(weight => weight.Key.Part == WeightPart.KeyValue);
        return reader.Read(keyValue).Values.Type == Tensors.DType.Fp8E4M3 ? CacheFormat.Mixed : CacheFormat.F32;
    }
}
