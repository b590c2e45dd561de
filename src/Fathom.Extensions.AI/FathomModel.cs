using Fathom.Cache;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Serving;
using Fathom.Text;

namespace Fathom.Extensions.AI;

/// <summary>A model in this process with all that it needs: the processor, the tokenizer, the engine. Owns them.</summary>
public sealed class FathomModel : IDisposable
{
    private readonly CpuDevice _cpu;
    private readonly LanguageModel _model;

    private FathomModel(CpuDevice cpu, LanguageModel model, ServingEngine engine)
    {
        _cpu = cpu;
        _model = model;
        Engine = engine;
    }

    /// <summary>The model's config and what its reader has to tell, such as keys that have no effect.</summary>
    public ConfigFile ConfigFile => _model.ConfigFile;

    /// <summary>Whether weights are read from the disk while the model runs, since memory does not hold them all.</summary>
    public bool IsLargerThanMemory => _model.IsLargerThanMemory;

    /// <summary>Serves any number of requests at once. Belongs to the model.</summary>
    public ServingEngine Engine { get; }

    /// <summary>Loads a model; takes the time to read its files.</summary>
    /// <exception cref="ModelConfigException">the config is missing or wrong</exception>
    /// <exception cref="CheckpointException">the tensors or the tokenizer are missing or wrong</exception>
    /// <exception cref="RequestException">an option is out of range, or the machine has too little memory</exception>
    public static FathomModel Load(FathomOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Tokenizer tokenizer = Tokenizer.Load(options.ModelFolder);
        var cpu = new CpuDevice(options.Threads, options.NumericMode);
        LanguageModel? model = null;
        try
        {
            model = LanguageModel.Load(options.ModelFolder, cpu, options.Load);
            ServingOptions serving = ServingOptions.For(model) with { OpenStore = Stores(options, model, cpu) };
            return new FathomModel(cpu, model, new ServingEngine(model, cpu, tokenizer, options.Serving?.Invoke(serving) ?? serving));
        }
        catch
        {
            model?.Dispose();
            cpu.Dispose();
            throw;
        }
    }

    /// <summary>Ends what is running and gives the memory back.</summary>
    public void Dispose()
    {
        Engine.Dispose();
        _model.Dispose();
        _cpu.Dispose();
    }

    private static Func<string, PrefixStore>? Stores(FathomOptions options, LanguageModel model, CpuDevice cpu)
    {
        if (options.CacheFolder is not { } folder)
        {
            return null;
        }
        // The model's files are read for this once, not for every tenant.
        CacheNamespace scope = StoreScope.Of(model);
        return tenant => new PrefixStore(folder, new CacheNamespace(scope.Model, scope.Parts, tenant), cpu, model.Transformer.Layout, options.Store);
    }
}
