using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Planning;

/// <summary>
/// What a V4 model's context costs: bytes of cache in the released mixed format, and what its last token computes and reads. A context of N tokens
/// includes that token, which stands at position N − 1. <see cref="ProfilingDevice"/> counts the same of a forward pass, to the last digit.
/// </summary>
public static class CostModel
{
    /// <summary>Price of one attention operation in FP8 operations: queries and values are BF16.</summary>
    internal const double AttentionPrice = 2;

    /// <summary>Price of one index operation in FP8 operations where keys are FP4.</summary>
    internal const double Fp4IndexPrice = 0.5;

    /// <summary>Price of one index operation where keys are FP8.</summary>
    internal const double Fp8IndexPrice = 1;

    // Steps of the sum that stands for a growing context; the cost is linear in pieces, so the sum is close.
    private const int PromptSteps = 256;

    private const int F32Bytes = 4;

    /// <summary>Bytes of one window or compressed row: FP8 where RoPE does not reach, BF16 where it does, one scale byte per block of 64.</summary>
    public static int RowBytes(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return new RowFormat(RowKind.Fp8WithBf16Rotary, config.HeadDim, config.RopeDim).Bytes;
    }

    /// <summary>Bytes of one index key: FP4 with one scale byte per block of 32.</summary>
    public static int IndexRowBytes(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return new RowFormat(RowKind.Fp4, config.IndexHeadDim, config.RopeDim).Bytes;
    }

    /// <summary>Bytes by which a sequence's cache grows with each token, on average.</summary>
    public static double KvBytesPerToken(ModelConfig config) => Layers(config).Sum(layer => layer.Ratio == 0 ? 0 : (double)EntryBytes(config, layer) / layer.Ratio);

    /// <summary>Bytes of a sequence's cache that do not grow: the windows, and the compressors' open windows in F32.</summary>
    public static long KvBytesFixed(ModelConfig config) =>
        Layers(config).Sum(layer => (long)config.SlidingWindow * RowBytes(config) + CompressorStateBytes(config, layer));

    /// <summary>Bytes of the cache of one sequence of <paramref name="context"/> tokens, the MTP block's window not counted.</summary>
    public static long KvBytes(ModelConfig config, long context) =>
        KvBytesFixed(config) + Layers(config).Sum(layer => Entries(layer, context) * EntryBytes(config, layer));

    /// <summary>Bytes of cache that the last token reads: windows, the index keys it scores, the chosen CSA rows, all HCA rows.</summary>
    public static long KvBytesRead(ModelConfig config, long context) => Layers(config).Sum(layer =>
        (RowsRead(config, layer, context) * RowBytes(config)) + (KeysRead(config, layer, context) * IndexRowBytes(config)));

    /// <summary>Window and compressed rows that the last token reads from a layer's cache: all that it attends to but its own, which it makes.</summary>
    public static long RowsRead(ModelConfig config, LayerPlan layer, long context) => Math.Max(0, AttendedRows(config, layer, context) - 1);

    /// <summary>Index keys that the last token reads in a layer: all it may see, if there are more than it chooses; else it chooses all, unscored.</summary>
    public static long KeysRead(ModelConfig config, LayerPlan layer, long context)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(layer);
        long keys = layer.Attention == AttentionKind.Csa ? Entries(layer, context) : 0;
        return keys > config.IndexTopK ? keys : 0;
    }

    /// <summary>Operations of the last token.</summary>
    public static FlopCount Flops(ModelConfig config, TensorInventory inventory, long context)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        return Layers(config).Aggregate(inventory.Flops, (sum, layer) => sum + ContextFlops(config, layer, context));
    }

    /// <summary>Operations of the last token in one layer.</summary>
    public static FlopCount LayerFlops(ModelConfig config, TensorInventory inventory, LayerPlan layer, long context)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        ArgumentNullException.ThrowIfNull(layer);
        return inventory.FlopsOf(layer.Layer) + ContextFlops(config, layer, context);
    }

    /// <summary>Operations in units of FP8: attention, in BF16, counts 2, index scores by the format of keys, products with weights 1 in any format.</summary>
    /// <param name="flops">of a token</param>
    /// <param name="indexPrice">of one operation of index scores: 0.5 where keys are FP4, as in V4, 1 where they are FP8, as in V3.2</param>
    public static double Weighted(in FlopCount flops, double indexPrice) => flops.Linear + (indexPrice * flops.Index) + (AttentionPrice * flops.Attention);

    /// <summary>A cost of a token summed over a prompt that is read from nothing: the middle of each of many steps stands for it.</summary>
    /// <param name="tokens">of the prompt</param> <param name="costAt">cost of the last token of a context of so many</param>
    public static double SumOverPrompt(long tokens, Func<long, double> costAt)
    {
        ArgumentNullException.ThrowIfNull(costAt);
        double sum = 0;
        for (int i = 0; i < PromptSteps; i++)
            sum += costAt((long)((i + 0.5) * tokens / PromptSteps));
        return sum * tokens / PromptSteps;
    }

    private static FlopCount ContextFlops(ModelConfig config, LayerPlan layer, long context) => new()
    {
        Index = 2L * config.IndexHeadCount * config.IndexHeadDim * KeysRead(config, layer, context),
        Attention = 4L * config.HeadCount * config.HeadDim * AttendedRows(config, layer, context),       // q·k and p·v
    };

    private static IEnumerable<LayerPlan> Layers(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return Enumerable.Range(0, config.LayerCount).Select(layer => LayerPlan.For(config, layer));
    }

    private static long Entries(LayerPlan layer, long context) => layer.Ratio == 0 ? 0 : context / layer.Ratio;

    private static int EntryBytes(ModelConfig config, LayerPlan layer) =>
        RowBytes(config) + (layer.Attention == AttentionKind.Csa ? IndexRowBytes(config) : 0);

    private static long AttendedRows(ModelConfig config, LayerPlan layer, long context)
    {
        long entries = Entries(layer, context);
        long compressed = layer.Attention == AttentionKind.Csa ? Math.Min(entries, config.IndexTopK) : entries;
        return Math.Min(context, config.SlidingWindow) + compressed;
    }

    /// <summary>Values and gates of the windows an entry reads, for the rows and, in CSA, for the index keys.</summary>
    private static long CompressorStateBytes(ModelConfig config, LayerPlan layer)
    {
        int dims = config.HeadDim + (layer.Attention == AttentionKind.Csa ? config.IndexHeadDim : 0);
        return 2L * layer.WindowsPerEntry * layer.Ratio * layer.WindowsPerEntry * dims * F32Bytes;
    }
}
