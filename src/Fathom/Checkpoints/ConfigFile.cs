using Fathom.Model;

namespace Fathom.Checkpoints;

/// <summary>The ways in which a V4 config is written.</summary>
public enum ConfigSpelling
{
    /// <summary>config.json of the published repositories: hidden_size, compress_ratios, rope_scaling.</summary>
    Released,

    /// <summary>inference/config.json beside the official code: dim, n_layers, rope_factor.</summary>
    Inference,

    /// <summary>As transformers saves it: layer_types, compress_rates, rope_parameters.</summary>
    Transformers,
}

/// <summary>A config as it was read, with what the reader has to tell about it.</summary>
public sealed record ConfigFile
{
    /// <summary>The config, validated.</summary>
    public required ModelConfig Config { get; init; }

    /// <summary>How it was written.</summary>
    public required ConfigSpelling Spelling { get; init; }

    /// <summary>Keys that the engine doesn't know and so doesn't obey, sorted; show them. "rope_scaling.mscale" is one inside an object.</summary>
    public required IReadOnlyList<string> UnknownKeys { get; init; }
}
