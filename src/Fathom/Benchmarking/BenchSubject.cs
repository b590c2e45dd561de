using Fathom.Model;
using Fathom.Planning;

namespace Fathom.Benchmarking;

/// <summary>What is measured, and which model it stands for.</summary>
/// <param name="Config">of the model that runs</param>
/// <param name="Inventory">its tensors, in the formats they are stored in</param>
/// <param name="Full">the config of the whole model; the same where all of it runs</param>
/// <param name="FullInventory">the whole model's tensors</param>
/// <param name="Layout">of the caches</param>
/// <param name="Limits">of the machine</param>
public sealed record BenchSubject(
    ModelConfig Config, TensorInventory Inventory, ModelConfig Full, TensorInventory FullInventory, CacheLayout Layout, MachineRates Limits)
{
    /// <summary>What the disk with the weights gives at most, in 10⁹ bytes per second, where they are read from one.</summary>
    public double? DiskGBps { get; init; }

    /// <summary>Name prefix of a layer's tensors.</summary>
    private static string Prefix(int layer) => FormattableString.Invariant($"layers.{layer}.");

    /// <summary>Layers of the model that runs.</summary>
    public IEnumerable<LayerPlan> Layers => Plans(Config);

    /// <summary>Layers of the whole model.</summary>
    public IEnumerable<LayerPlan> FullLayers => Plans(Full);

    /// <summary>Bytes of weights that one token must read in a layer.</summary>
    public static long LayerBytes(TensorInventory inventory, int layer)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        return inventory.Main.Where(tensor => tensor.Name.StartsWith(Prefix(layer), StringComparison.Ordinal)).Sum(tensor => tensor.BytesRead);
    }

    /// <summary>Bytes of weights that one token must read outside of all layers.</summary>
    public static long RestBytes(TensorInventory inventory)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        return inventory.Main.Where(tensor => !tensor.Name.StartsWith("layers.", StringComparison.Ordinal)).Sum(tensor => tensor.BytesRead);
    }

    /// <summary>Bytes of cache that the next token must read in a layer: its window, all index keys, the chosen or all compressed rows.</summary>
    public long CacheBytes(LayerPlan plan, int depth)
    {
        ArgumentNullException.ThrowIfNull(plan);
        long entries = plan.Ratio == 0 ? 0 : depth / plan.Ratio;
        long keys = plan.Attention == AttentionKind.Csa && entries > Config.IndexTopK ? entries : 0;
        return (AttendedRows(plan, depth) * Layout.KeyFormat.Bytes) + (keys * Layout.IndexFormat.Bytes);
    }

    /// <summary>The least seconds that the next token can take in a layer at the machine's limits.</summary>
    /// <param name="inventory">of <see cref="Config"/> or of <see cref="Full"/></param> <param name="plan">the layer, of the same model</param>
    /// <param name="depth">tokens of context</param>
    public double LayerSeconds(TensorInventory inventory, LayerPlan plan, int depth)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        ArgumentNullException.ThrowIfNull(plan);
        long parameters = inventory.Main
            .Where(tensor => !tensor.IsLookup && tensor.Name.StartsWith(Prefix(plan.Layer), StringComparison.Ordinal)).Sum(tensor => tensor.ActiveParameters);
        double entries = plan.Ratio == 0 ? 0 : depth / plan.Ratio;
        double index = plan.Attention == AttentionKind.Csa && entries > Config.IndexTopK ? 2.0 * Config.IndexHeadCount * Config.IndexHeadDim * entries : 0;
        double attention = 4.0 * Config.HeadCount * Config.HeadDim * AttendedRows(plan, depth);                          // q·k and p·v
        return Seconds(LayerBytes(inventory, plan.Layer) + CacheBytes(plan, depth), (2.0 * parameters) + index + attention);
    }

    /// <summary>The least seconds that the next token can take outside of all layers.</summary>
    public double RestSeconds(TensorInventory inventory)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        long parameters = inventory.Main
            .Where(tensor => !tensor.IsLookup && !tensor.Name.StartsWith("layers.", StringComparison.Ordinal)).Sum(tensor => tensor.ActiveParameters);
        return Seconds(RestBytes(inventory), 2.0 * parameters);
    }

    /// <summary>The longer of reading and of computing, at the machine's limits.</summary>
    public double Seconds(double bytes, double flops) => Math.Max(bytes / (Limits.ReadGBps * 1e9), flops / (Limits.FmaGflops * 1e9));

    private long AttendedRows(LayerPlan plan, int depth)
    {
        long entries = plan.Ratio == 0 ? 0 : depth / plan.Ratio;
        return Math.Min(depth, Config.SlidingWindow) + (plan.Attention == AttentionKind.Csa ? Math.Min(entries, Config.IndexTopK) : entries);
    }

    private static IEnumerable<LayerPlan> Plans(ModelConfig config) => Enumerable.Range(0, config.LayerCount).Select(layer => LayerPlan.For(config, layer));
}
