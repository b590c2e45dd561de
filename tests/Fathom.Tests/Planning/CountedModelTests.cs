using Fathom.Devices;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tests.Devices;
using Xunit;

namespace Fathom.Tests.Planning;

/// <summary>
/// What the forward pass of whole models does for the last token of a context, counted operation by operation, against the formulas and against
/// DeepSeek-V3.2. The device behind the counter computes nothing, so that all layers and experts of Flash and Pro have room; models that do compute
/// are counted in Fathom.Parity, and must agree with the same formulas.
/// </summary>
public class CountedModelTests
{
    private const int Million = 1_048_576;

    private static readonly TheoryData<string, int> s_models = new(
        from name in (string[])["flash", "pro"] from context in (int[])[1, 2_047, 4_096, 16_384, 65_536, 262_144, Million] select (name, context));

    public static TheoryData<string, int> Models => s_models;

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_layer_counts_what_the_cost_model_says(string name, int context)
    {
        using var counted = new CountedModel(Config(name));
        AssertCounted(counted, context);
    }

    [Fact]
    public void At_every_short_context_too()
    {
        ModelConfig config = TinyConfigs.Seed with { IndexTopK = 37 };
        using var counted = new CountedModel(config);
        for (int context = 1; context <= 600; context++)
            AssertCounted(counted, context);
    }

    /// <summary>
    /// Every operation as one; attention as 2 and FP4 index scores as 0.5, as fathom plan prints it; products with BF16 and F32 weights as 2 besides,
    /// which rounds to the report's 27 and 10; index scores as 1.
    /// </summary>
    [Theory]
    [InlineData("flash", 12.1, 10.0, 10.1, 13.8)]
    [InlineData("pro", 26.2, 26.5, 26.8, 31.9)]
    public void At_a_million_tokens_operations_are_the_published_share_of_the_older_models(
        string name, double raw, double weighted, double also, double fp8Index)
    {
        using var counted = new CountedModel(Config(name));
        FlopCount flops = counted.Count(Million), v32 = V32Baseline.Flops(Million);
        double older = V32Baseline.FlopsWeighted(Million), plain = CostModel.Weighted(flops, CostModel.Fp4IndexPrice);

        Assert.Equal(raw, 100.0 * flops.Raw / v32.Raw, 0.05);
        Assert.Equal(weighted, 100 * plain / older, 0.05);
        Assert.Equal(also, 100 * (plain + flops.Bf16 + flops.F32) / older, 0.05);
        Assert.Equal(fp8Index, 100 * CostModel.Weighted(flops, CostModel.Fp8IndexPrice) / older, 0.05);
        Assert.Equal(name == "pro" ? 27 : 10, Math.Round(100 * (plain + flops.Bf16 + flops.F32) / older));
        Assert.Equal(plain, ContextPlan.For(Config(name), Million).FlopsWeighted);
    }

    [Theory]
    [InlineData("flash", 7.34, 7)]
    [InlineData("pro", 10.51, 10)]
    public void At_a_million_tokens_the_cache_is_the_published_share_of_the_older_models(string name, double percent, double published)
    {
        ModelConfig config = Config(name);
        using var counted = new CountedModel(config);
        counted.Count(Million);

        // Beside what the plan counts, a sequence holds the streams of its last token, where drafts begin.
        Assert.Equal(CostModel.KvBytes(config, Million) + ((long)config.HcMult * config.HiddenSize * sizeof(float)), counted.CacheBytes);
        double share = 100.0 * counted.CacheBytes / ((long)V32Baseline.KvBytesPerToken * Million);
        Assert.Equal(percent, share, 0.005);
        Assert.Equal(published, Math.Floor(share));
    }

    private static ModelConfig Config(string name) => (name == "flash" ? KnownModels.Flash : KnownModels.Pro) with { MtpLayerCount = 0 };

    private static void AssertCounted(CountedModel counted, int context)
    {
        ModelConfig config = counted.Config;
        TensorInventory inventory = counted.Inventory;
        FlopCount flops = counted.Count(context);
        foreach (LayerPlan plan in Enumerable.Range(0, config.LayerCount).Select(layer => LayerPlan.For(config, layer)))
            Assert.Equal(CostModel.LayerFlops(config, inventory, plan, context), counted.Device.Cost(plan.Layer + 1).Flops);
        Assert.Equal(inventory.FlopsOf(-1), counted.Device.Cost(ProfilingDevice.Rest).Flops);
        Assert.Equal(CostModel.Flops(config, inventory, context), flops);

        OperationCost all = Enumerable.Range(0, config.LayerCount + 1).Aggregate(default(OperationCost), (sum, segment) => sum + counted.Device.Cost(segment));
        Assert.Equal((inventory.PackedBytesRead, CostModel.KvBytesRead(config, context)), (all.WeightBytes, all.CacheBytes));
    }

    private sealed class CountedModel : IDisposable
    {
        private readonly DryDevice _dry = new();
        private readonly ModelWeights _weights;
        private readonly Transformer _transformer;
        private readonly Batch _batch = new(1);

        public CountedModel(ModelConfig config)
        {
            Config = config;
            Inventory = TensorInventory.For(config);
            Device = new ProfilingDevice(_dry, config.LayerCount);
            _weights = DryModel.Load(Device, config);
            _transformer = new Transformer(Device, config, _weights, CacheFormat.Mixed, maxRows: 1);
        }

        public ModelConfig Config { get; }

        public TensorInventory Inventory { get; }

        public ProfilingDevice Device { get; }

        /// <summary>Bytes that the sequence of the last count holds.</summary>
        public long CacheBytes { get; private set; }

        /// <summary>Of the last token of a context of so many.</summary>
        public FlopCount Count(int context)
        {
            using SequenceCache sequence = _transformer.NewSequence();
            sequence.Begin(new int[context - 1]);
            Device.Clear();
            _batch.Clear();
            _batch.Add(sequence, [0], 1);
            _transformer.Forward(_batch);
            CacheBytes = sequence.ByteCount;
            return Enumerable.Range(0, Config.LayerCount + 1).Aggregate(default(FlopCount), (sum, segment) => sum + Device.Cost(segment).Flops);
        }

        public void Dispose()
        {
            _transformer.Dispose();
            _weights.Dispose();
            Device.Dispose();
            _dry.Dispose();
        }
    }
}
