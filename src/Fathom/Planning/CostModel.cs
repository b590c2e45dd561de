using Fathom.Model;

namespace Fathom.Planning;

/// <summary>Floating-point operations of one new token, two for each multiplication with its addition.</summary>
/// <param name="Linear">In matrix products with weights.</param>
/// <param name="Index">In index scores: every visible index key against every index head.</param>
/// <param name="Attention">In attention scores and weighted sums of values.</param>
/// <param name="IndexWeight">Price of one index operation in FP8 operations: 0.5 for FP4 keys, 1 for FP8 keys.</param>
public readonly record struct FlopCount(double Linear, double Index, double Attention, double IndexWeight)
{
    /// <summary>Price of one attention operation in FP8 operations: queries and values are BF16.</summary>
    public const double AttentionWeight = 2;

    /// <summary>All operations, each counted as one.</summary>
    public double Raw => Linear + Index + Attention;

    /// <summary>Operations in units of FP8: BF16 attention counts 2, FP8 1, FP4 index scores 0.5; products with weights count 1 in every format.</summary>
    public double Weighted => Linear + IndexWeight * Index + AttentionWeight * Attention;
}

/// <summary>What a V4 model's context costs: bytes of cache in the released mixed format, and operations per token.</summary>
public static class CostModel
{
    private const int Fp8RowBlock = 64;
    private const int Fp4RowBlock = 32;
    private const int RowAlignment = 8;
    private const int F32Bytes = 4;

    /// <summary>Bytes of one window or compressed row: FP8 where RoPE does not reach, BF16 where it does, one scale byte per block of 64.</summary>
    public static int RowBytes(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        int payload = config.NonRotaryDim + 2 * config.RopeDim;
        int scales = DivideUp(config.NonRotaryDim, Fp8RowBlock);
        return DivideUp(payload + scales, RowAlignment) * RowAlignment;
    }

    /// <summary>Bytes of one index key: FP4 with one scale byte per block of 32.</summary>
    public static int IndexRowBytes(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return DivideUp(config.IndexHeadDim, 2) + DivideUp(config.IndexHeadDim, Fp4RowBlock);
    }

    /// <summary>Bytes by which a sequence's cache grows with each token, on average.</summary>
    public static double KvBytesPerToken(ModelConfig config) => Layers(config).Sum(layer => layer.Ratio == 0 ? 0 : (double)EntryBytes(config, layer) / layer.Ratio);

    /// <summary>Bytes of a sequence's cache that do not grow: the windows, and the compressors' open windows in F32.</summary>
    public static long KvBytesFixed(ModelConfig config) =>
        Layers(config).Sum(layer => (long)config.SlidingWindow * RowBytes(config) + CompressorStateBytes(config, layer));

    /// <summary>Bytes of the cache of one sequence of <paramref name="context"/> tokens, the MTP block's window not counted.</summary>
    public static long KvBytes(ModelConfig config, long context) =>
        KvBytesFixed(config) + Layers(config).Sum(layer => Entries(layer, context) * EntryBytes(config, layer));

    /// <summary>Bytes of cache that the next token reads: windows, all index keys, the chosen CSA rows, all HCA rows.</summary>
    public static long KvBytesRead(ModelConfig config, long context) =>
        Layers(config).Sum(layer => AttendedRows(config, layer, context) * RowBytes(config)
            + (layer.Attention == AttentionKind.Csa ? Entries(layer, context) * IndexRowBytes(config) : 0));

    /// <summary>Operations of the next token after <paramref name="context"/> tokens.</summary>
    public static FlopCount Flops(ModelConfig config, TensorInventory inventory, long context)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        double index = 0;
        double attention = 0;
        foreach (LayerPlan layer in Layers(config))
        {
            if (layer.Attention == AttentionKind.Csa)
                index += 2.0 * config.IndexHeadCount * config.IndexHeadDim * Entries(layer, context);
            attention += 2.0 * config.HeadCount * (config.HeadDim + config.HeadDim) * AttendedRows(config, layer, context);   // q·k and p·v
        }

        return new FlopCount(2.0 * inventory.MultipliedParameters, index, attention, IndexWeight: 0.5);
    }

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

    private static int DivideUp(int value, int by) => (value + by - 1) / by;
}
