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
    private const int Outside = -1;

    /// <summary>What the disk with the weights gives at most, in 10⁹ bytes per second, where they are read from one.</summary>
    public double? DiskGBps { get; init; }

    /// <summary>Layers of the model that runs.</summary>
    public IEnumerable<LayerPlan> Layers => Plans(Config);

    /// <summary>Layers of the whole model.</summary>
    public IEnumerable<LayerPlan> FullLayers => Plans(Full);

    /// <summary>Bytes of weights that one token must read in a layer, or outside of all layers for −1.</summary>
    public static long LayerBytes(TensorInventory inventory, int layer)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        return inventory.Main.Where(tensor => tensor.Layer == layer).Sum(tensor => tensor.BytesRead);
    }

    /// <summary>Bytes of weights that one token must read outside of all layers.</summary>
    public static long RestBytes(TensorInventory inventory) => LayerBytes(inventory, Outside);

    /// <summary>Bytes of cache that the next token must read in a layer: its window, the index keys it scores, the chosen or all compressed rows.</summary>
    public long CacheBytes(LayerPlan plan, int depth) =>
        (CostModel.RowsRead(Config, plan, depth + 1L) * Layout.KeyFormat.Bytes) + (CostModel.KeysRead(Config, plan, depth + 1L) * Layout.IndexFormat.Bytes);

    /// <summary>The least seconds that the next token can take in a layer at the machine's limits.</summary>
    /// <param name="inventory">of <see cref="Config"/> or of <see cref="Full"/></param> <param name="plan">the layer, of the same model</param>
    /// <param name="depth">tokens of context before it</param>
    public double LayerSeconds(TensorInventory inventory, LayerPlan plan, int depth)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return Seconds(LayerBytes(inventory, plan.Layer) + CacheBytes(plan, depth), CostModel.LayerFlops(Config, inventory, plan, depth + 1L).Raw);
    }

    /// <summary>The least seconds that the next token can take outside of all layers.</summary>
    public double RestSeconds(TensorInventory inventory)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        return Seconds(RestBytes(inventory), inventory.FlopsOf(Outside).Raw);
    }

    /// <summary>The longer of reading and of computing, at the machine's limits.</summary>
    public double Seconds(double bytes, double flops) => Math.Max(bytes / (Limits.ReadGBps * 1e9), flops / (Limits.FmaGflops * 1e9));

    private static IEnumerable<LayerPlan> Plans(ModelConfig config) => Enumerable.Range(0, config.LayerCount).Select(layer => LayerPlan.For(config, layer));
}
