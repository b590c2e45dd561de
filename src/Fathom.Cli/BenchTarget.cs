using System.Globalization;
using Fathom.Benchmarking;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Planning;

namespace Fathom.Cli;

/// <summary>What is to be measured: a synthetic model, or one on disk.</summary>
internal sealed record BenchTarget
{
    // Tokens that are written behind a depth, warm-up included, stay below this.
    private const int Written = 256;

    private readonly string? _folder;
    private readonly string? _packed;
    private readonly SyntheticFormat _format;
    private readonly long _weightBytes;
    private readonly TensorInventory _inventory;
    private readonly TensorInventory _fullInventory;

    private BenchTarget(string name, string formatName, ModelConfig config, ModelConfig full, (TensorInventory Own, TensorInventory Full) inventories, SyntheticFormat format, string? folder, string? packed, long weightBytes)
    {
        Name = name;
        FormatName = formatName;
        Config = config;
        Full = full;
        (_inventory, _fullInventory) = inventories;
        _format = format;
        _folder = folder;
        _packed = packed;
        _weightBytes = weightBytes;
    }

    /// <summary>How it is computed.</summary>
    public NumericMode Numeric { get; init; }

    public string Name { get; }

    public string FormatName { get; }

    public ModelConfig Config { get; }

    public ModelConfig Full { get; }

    /// <summary>Where the weights are mapped from, if they are.</summary>
    public string? Folder => _packed ?? (_folder is not null && PackedCheckpoint.IsAt(_folder) ? _folder : null);

    /// <summary>Name of the files that hold the figures, without ending.</summary>
    public string FileName => string.Create(CultureInfo.InvariantCulture, $"{Name}-{Config.LayerCount}-{FormatName}{(_packed is null ? "" : "-packed")}{(Numeric == NumericMode.Exact ? "" : "-fast")}");

    public string Title => string.Create(
        CultureInfo.InvariantCulture, $"{Name}, {Config.LayerCount} of {Full.LayerCount} layers, {Config.ExpertCount} of {Full.ExpertCount} routed experts, {FormatName}{(Numeric == NumericMode.Exact ? "" : ", fast")}");

    public static BenchTarget Synthetic(string name, ModelConfig full, int layers, int experts, SyntheticFormat format, string? packed)
    {
        ModelConfig config = SyntheticModel.Cut(full, layers, experts);
        return new BenchTarget(
            name, format.ToString().ToLowerInvariant(), config, full,
            (SyntheticModel.Inventory(config, format), SyntheticModel.Inventory(full, format)), format, null, packed, 0);
    }

    public static BenchTarget OfFolder(string folder)
    {
        using ModelFiles files = ModelFiles.Open(folder);
        return new BenchTarget(
            ModelFiles.NameOf(folder), "stored", files.Config, files.Config, (files.Inventory, files.Inventory), SyntheticFormat.Official, folder, null, files.WeightsBytes);
    }

    /// <summary>Refuses contexts that the model doesn't have.</summary>
    public void CheckLengths(int[] depths, int[] prompts)
    {
        int longest = Math.Max(depths.Max() + Written, prompts.Max());
        if (longest > Config.MaxPositions)
            throw new UsageException($"--depths, --prompts: expected at most {Config.MaxPositions - Written}, {Name}'s context without {Written} tokens to write, found {Math.Max(depths.Max(), prompts.Max())}.");
    }

    /// <summary>Refuses what the memory cannot hold.</summary>
    public void CheckMemory(long available, int rows, int depth)
    {
        CacheFormat cache = _folder is null ? SyntheticModel.CacheFormat(_format) : CacheFormat.F32;
        long needed = _folder is null
            ? SyntheticModel.MemoryNeeded(Config, _format, rows, depth + Written) - (_packed is null ? 0 : _inventory.MainBytes)
            : SyntheticModel.MemoryNeeded(Config, Folder is null ? _weightBytes : 0, cache, rows, depth + Written);
        if (needed > available)
        {
            throw new RequestException(string.Create(
                CultureInfo.InvariantCulture,
                $"{Title}, {depth:N0} tokens: needs {needed / 1e9:N1} GB of memory (weights {_inventory.MainBytes / 1e9:N1} GB), available {available / 1e9:N1} GB. Choose fewer --layers or --experts, or shorter --depths."));
        }
    }

    /// <summary>Packs the weights, if they are to be mapped from a folder that doesn't have them.</summary>
    public void Prepare(CpuDevice device, CancellationToken cancellation)
    {
        if (_packed is not null)
            SyntheticWeights.Pack(device, Config, _format, _packed, null, cancellation);
    }

    public BenchModel Load(Device device, int maxRows) => _packed is not null
        ? BenchModel.Packed(device, Config, _packed, SyntheticModel.CacheFormat(_format), maxRows)
        : _folder is null ? BenchModel.Synthetic(device, Config, _format, maxRows)
        : new BenchModel(LanguageModel.Load(_folder, device, new LoadOptions { MaxRows = maxRows, AllowUnusedTensors = true }));

    public BenchSubject Subject(CacheLayout layout, MachineRates limits) => new(Config, _inventory, Full, _fullInventory, layout, limits);
}

/// <summary>A model that is ready to be measured, and what goes with it when it is disposed.</summary>
internal sealed class BenchModel : IDisposable
{
    private readonly IDisposable[] _owned;

    public BenchModel(LanguageModel model)
    {
        Transformer = model.Transformer;
        _owned = [model];
    }

    private BenchModel(Transformer transformer, params IDisposable[] weights)
    {
        Transformer = transformer;
        _owned = [transformer, .. weights];
    }

    public Transformer Transformer { get; }

    public static BenchModel Synthetic(Device device, ModelConfig config, SyntheticFormat format, int maxRows)
    {
        ModelWeights weights = SyntheticWeights.Load(device, config, format);
        return new BenchModel(new Transformer(device, config, weights, SyntheticModel.CacheFormat(format), maxRows), weights);
    }

    public static BenchModel Packed(Device device, ModelConfig config, string folder, CacheFormat format, int maxRows)
    {
        PackedCheckpoint packed = PackedCheckpoint.Open(folder, config);
        ModelWeights weights = WeightLoader.Load(device, config, packed);
        return new BenchModel(new Transformer(device, config, weights, format, maxRows), weights, packed);
    }

    public void Dispose()
    {
        foreach (IDisposable owned in _owned)
            owned.Dispose();
    }
}
