using Fathom.Cache;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Serving;

namespace Fathom.Extensions.AI;

/// <summary>Which model is loaded into this process, and how it serves.</summary>
public sealed record FathomOptions
{
    /// <summary>A model's folder: config.json, tokenizer.json and safetensors, or a packed one.</summary>
    public required string ModelFolder { get; init; }

    /// <summary>Threads to compute with.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>How the processor multiplies; see <see cref="Devices.NumericMode"/>.</summary>
    public NumericMode NumericMode { get; init; } = NumericMode.Exact;

    /// <summary>How the model is loaded.</summary>
    public LoadOptions Load { get; init; } = new();

    /// <summary>Where beginnings of prompts are kept on the disk, for after a restart; null keeps nothing there.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>How they are kept.</summary>
    public StoreOptions Store { get; init; } = new();

    /// <summary>
    /// Changes how the engine serves. It is given what fits the model and the machine, <see cref="ServingOptions.For"/>; null takes that as it is.
    /// </summary>
    public Func<ServingOptions, ServingOptions>? Serving { get; init; }
}
