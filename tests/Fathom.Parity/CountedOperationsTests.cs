using Fathom.Benchmarking;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tensors;
using Fathom.Tests;
using Xunit;

namespace Fathom.Parity;

/// <summary>
/// What the processor is told to compute and to read for the last token of a context, counted while it does, is what the cost model says: to the last
/// operation and byte, at contexts up to a million tokens, whose caches are made and not read.
/// </summary>
public class CountedOperationsTests
{
    // One layer of each kind; a token uses as many experts as in the whole model, whatever their number.
    private const int Layers = 3;
    private const int Experts = 6;
    private const int Million = 1_048_576;

    private static readonly int[] s_contexts = [4_096, 16_384, 65_536, 262_144, Million];

    [Fact]
    public void Of_the_bundled_model()
    {
        using var cpu = new CpuDevice(2);
        string folder = TestFiles.Path("models", "fathom-nano");
        using var device = new ProfilingDevice(cpu, Checkpoints.ConfigReader.Read(Path.Combine(folder, "config.json")).Config.LayerCount);
        using LanguageModel model = LanguageModel.Load(folder, device, new LoadOptions { MaxRows = 1 });
        foreach (int context in s_contexts)
            AssertCounted(model.Transformer, device, TensorInventory.For(model.Config), context);
    }

    [Theory]
    [InlineData("flash", 10.0)]
    [InlineData("pro", 26.5)]
    public void Of_a_layer_of_each_kind_and_of_the_whole_model_made_of_them(string name, double percent)
    {
        ModelConfig full = name == "flash" ? KnownModels.Flash : KnownModels.Pro, config = SyntheticModel.Cut(full, Layers, Experts);
        using var cpu = new CpuDevice(2);
        using var device = new ProfilingDevice(cpu, config.LayerCount);
        using ModelWeights weights = SyntheticWeights.Load(cpu, config, SyntheticFormat.Official);
        using var transformer = new Transformer(device, config, weights, CacheFormat.Mixed, maxRows: 1);
        TensorInventory inventory = SyntheticModel.Inventory(config, SyntheticFormat.Official);
        foreach (int context in s_contexts)
            AssertCounted(transformer, device, inventory, context);

        // The last count was at a million. What the cut took away are rows of the routers and of the head.
        Dictionary<AttentionKind, FlopCount> kinds = Enumerable.Range(0, Layers)
            .ToDictionary(layer => LayerPlan.For(config, layer).Attention, layer => device.Cost(layer + 1).Flops);
        FlopCount Rows(int count) => FlopCount.OfWeights(WeightFormat.Bf16, count * (long)full.HiddenSize);
        FlopCount whole = device.Cost(ProfilingDevice.Rest).Flops + Rows(full.VocabularySize - config.VocabularySize);
        for (int layer = 0; layer < full.LayerCount; layer++)
            whole += kinds[LayerPlan.For(full, layer).Attention] + Rows(full.ExpertCount - Experts);
        Assert.Equal(CostModel.Flops(full, TensorInventory.For(full), Million), whole);
        Assert.Equal(percent, 100 * CostModel.Weighted(whole, CostModel.Fp4IndexPrice) / V32Baseline.FlopsWeighted(Million), 0.05);
    }

    private static void AssertCounted(Transformer transformer, ProfilingDevice device, TensorInventory inventory, int context)
    {
        ModelConfig config = transformer.Config;
        using SequenceCache sequence = SyntheticCache.Create(transformer, device, context - 1);
        var batch = new Batch(1);
        batch.Add(sequence, [7], 1);
        device.Clear();
        transformer.Forward(batch);

        Assert.Equal(context, sequence.Length);
        OperationCost all = device.Cost(ProfilingDevice.Rest);
        Assert.Equal(inventory.FlopsOf(-1), all.Flops);
        foreach (LayerPlan plan in Enumerable.Range(0, config.LayerCount).Select(layer => LayerPlan.For(config, layer)))
        {
            OperationCost cost = device.Cost(plan.Layer + 1);
            Assert.Equal(CostModel.LayerFlops(config, inventory, plan, context), cost.Flops);
            all += cost;
        }

        Assert.Equal(CostModel.Flops(config, inventory, context), all.Flops);
        Assert.Equal((inventory.PackedBytesRead, CostModel.KvBytesRead(config, context)), (all.WeightBytes, all.CacheBytes));
    }
}
