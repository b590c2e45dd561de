using Fathom.Model;
using Fathom.Planning;

namespace Fathom.Benchmarking;

/// <summary>
/// A model of real dimensions that fits an ordinary machine: fewer layers, one of each kind first, fewer routed experts, a small vocabulary
/// and no MTP block. A token reads as many bytes of experts and of attention in a layer as in the full model.
/// </summary>
public static class SyntheticModel
{
    /// <summary>Tokens of the vocabulary, unless the full model has fewer.</summary>
    public const int VocabularySize = 4096;

    /// <summary>Routed experts of a layer unless told, or unless the full model has fewer.</summary>
    public const int ExpertCount = 32;

    /// <summary>Layers unless told: a window, a CSA and an HCA layer.</summary>
    public const int LayerCount = 3;

    // m′ of HCA layers, in every released model.
    private const int HcaRatio = 128;

    /// <summary>The full model's config, cut.</summary>
    /// <param name="full">the full model</param>
    /// <param name="layers">layers: window, CSA, HCA, then CSA and HCA in turn</param>
    /// <param name="experts">routed experts of a layer, from the number that a token uses to the full model's</param>
    public static ModelConfig Cut(ModelConfig full, int layers, int experts)
    {
        ArgumentNullException.ThrowIfNull(full);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(experts, full.ExpertsPerToken);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(experts, full.ExpertCount);
        ModelConfig config = full with
        {
            LayerCount = layers,
            MtpLayerCount = 0,
            CompressRatios = [.. Enumerable.Range(0, layers).Select(layer => layer == 0 ? 0 : layer % 2 == 1 ? LayerPlan.CsaRatio : HcaRatio)],
            ExpertCount = experts,
            HashLayerCount = 1,
            VocabularySize = Math.Min(full.VocabularySize, VocabularySize),
        };
        return config.Validate();
    }

    /// <summary>The tensors of a config as a checkpoint of that format would hold them.</summary>
    public static TensorInventory Inventory(ModelConfig config, SyntheticFormat format) => format == SyntheticFormat.Official
        ? TensorInventory.For(config)
        : TensorInventory.For(config, NumberFormat.Bf16, NumberFormat.Bf16);

    /// <summary>The caches' format that the engine would choose for such a checkpoint.</summary>
    public static CacheFormat CacheFormat(SyntheticFormat format) =>
        format == SyntheticFormat.Official ? Model.CacheFormat.Mixed : Model.CacheFormat.F32;

    /// <summary>Bytes that making and running such a model takes at most, near enough to refuse what does not fit.</summary>
    /// <param name="config">a cut config</param> <param name="format">of its weights</param>
    /// <param name="rows">the largest batch</param> <param name="depth">the longest context</param>
    public static long MemoryNeeded(ModelConfig config, SyntheticFormat format, int rows, int depth)
    {
        ArgumentNullException.ThrowIfNull(config);
        return SyntheticWeights.PoolBytes(config, format) + MemoryNeeded(config, Inventory(config, format).MainBytes, CacheFormat(format), rows, depth);
    }

    /// <summary>The same for a model that is on disk.</summary>
    /// <param name="config">its config</param> <param name="weightBytes">of all its tensors</param> <param name="format">of its caches</param>
    /// <param name="rows">the largest batch</param> <param name="depth">the longest context</param>
    public static long MemoryNeeded(ModelConfig config, long weightBytes, CacheFormat format, int rows, int depth)
    {
        ArgumentNullException.ThrowIfNull(config);
        var layout = new CacheLayout(config, format);
        long cache = layout.StateBytes + (((depth + CacheLayout.BlockTokens - 1L) / CacheLayout.BlockTokens + 1) * layout.BlockBytes);
        int slots = config.ExpertsPerToken + config.SharedExpertCount;
        // Streams and their copies, queries and attention's outputs, the groups, and every expert's input, output and hidden units.
        long floats = (3L * config.HcMult * config.HiddenSize) + (2L * config.HeadCount * config.HeadDim) + ((long)config.OutputGroups * config.OutputRank)
            + (2L * config.IndexHeadCount * config.IndexHeadDim) + (2L * slots * ((2L * config.HiddenSize) + config.ExpertHiddenSize));
        return weightBytes + cache + (rows * floats * sizeof(float));
    }
}
