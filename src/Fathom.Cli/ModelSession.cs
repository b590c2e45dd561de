using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Cli;

/// <summary>A model, its tokenizer and the processor, opened together for one command.</summary>
internal sealed class ModelSession : IDisposable
{
    private ModelSession(CpuDevice device, LanguageModel model, Tokenizer tokenizer)
    {
        Device = device;
        Model = model;
        Tokenizer = tokenizer;
    }

    public CpuDevice Device { get; }

    public LanguageModel Model { get; }

    public Tokenizer Tokenizer { get; }

    /// <summary>Loads a model folder; says on stderr which config keys the engine does not know.</summary>
    public static ModelSession Open(string folder, int threads, bool allowUnused)
    {
        if (File.Exists(folder))
            throw new CheckpointException($"{folder}: expected a model folder with config.json, tokenizer.json and safetensors, found a file. GGUF files cannot be read; give the folder they were made from.");
        Tokenizer tokenizer = Tokenizer.Load(folder);
        var device = new CpuDevice(threads);
        try
        {
            LanguageModel model = LanguageModel.Load(folder, device, new LoadOptions { AllowUnusedTensors = allowUnused });
            foreach (string key in model.ConfigFile.UnknownKeys)
                Console.Error.WriteLine($"config.json: {key} is unknown here and has no effect.");
            return new ModelSession(device, model, tokenizer);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        Device.Dispose();
    }
}
