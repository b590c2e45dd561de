using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Cli;

/// <summary>A model, its tokenizer and the processor, opened together for one command.</summary>
internal sealed class ModelSession : IDisposable
{
    private readonly CpuDevice _cpu;

    private ModelSession(CpuDevice cpu, Device device, LanguageModel model, Tokenizer tokenizer)
    {
        _cpu = cpu;
        Device = device;
        Model = model;
        Tokenizer = tokenizer;
    }

    public Device Device { get; }

    public LanguageModel Model { get; }

    public Tokenizer Tokenizer { get; }

    /// <summary>Loads a model folder; says on stderr which config keys the engine does not know.</summary>
    /// <param name="folder">the model</param> <param name="threads">to compute with</param> <param name="numeric">how to multiply</param>
    /// <param name="allowUnused">accepts a checkpoint with tensors that the model does not use</param>
    /// <param name="decorate">what stands before the processor, or null for nothing</param>
    public static ModelSession Open(string folder, int threads, NumericMode numeric, bool allowUnused, Func<Device, Device>? decorate = null)
    {
        if (File.Exists(folder))
            throw new CheckpointException($"{folder}: expected a model folder with config.json, tokenizer.json and safetensors, found a file. GGUF files cannot be read; give the folder they were made from.");
        Tokenizer tokenizer = Tokenizer.Load(folder);
        var cpu = new CpuDevice(threads, numeric);
        try
        {
            Device device = decorate?.Invoke(cpu) ?? cpu;
            LanguageModel model = LanguageModel.Load(folder, device, new LoadOptions { AllowUnusedTensors = allowUnused });
            foreach (string key in model.ConfigFile.UnknownKeys)
                Console.Error.WriteLine($"config.json: {key} is unknown here and has no effect.");
            if (model.IsLargerThanMemory)
                Console.Error.WriteLine($"{folder} is larger than memory: its weights are read from the disk while it runs. Their checksums were not compared.");
            return new ModelSession(cpu, device, model, tokenizer);
        }
        catch
        {
            cpu.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        _cpu.Dispose();
    }
}
