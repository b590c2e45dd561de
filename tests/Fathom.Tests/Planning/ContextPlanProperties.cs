using CsCheck;
using Fathom.Model;
using Fathom.Planning;
using Xunit;

namespace Fathom.Tests.Planning;

public class ContextPlanProperties
{
    private static readonly Gen<ModelConfig> s_configs =
        from rope in Gen.Int[1, 32]
        from plain in Gen.Int[1, 256]
        from indexDim in Gen.Int[1, 8]
        from ratios in Gen.OneOf(Gen.Const(0), Gen.Const(4), Gen.Const(128), Gen.Const(16)).Array[1, 12]
        from experts in Gen.Int[1, 32]
        from chosen in Gen.Int[1, experts]
        select TinyConfigs.Seed with
        {
            HeadDim = plain + 2 * rope,
            RopeDim = 2 * rope,
            IndexHeadDim = 16 * indexDim,
            LayerCount = ratios.Length,
            CompressRatios = ratios,
            ExpertCount = experts,
            ExpertsPerToken = chosen,
        };

    [Fact]
    public void The_cache_grows_by_its_bytes_per_token() => Gen.Select(s_configs, Gen.Int[1, 8000]).Sample((config, blocks) =>
    {
        long context = 128L * blocks;                                    // a whole number of entries in every layer
        ContextPlan plan = ContextPlan.For(config, Math.Min(context, config.MaxPositions));
        Assert.Equal(plan.KvBytesFixed + plan.KvBytesPerToken * plan.Context, plan.KvBytes, 0.5);
    });

    [Fact]
    public void A_longer_context_never_costs_less() => Gen.Select(s_configs, Gen.Int[1, 1_000_000], Gen.Int[0, 40_000]).Sample((config, context, more) =>
    {
        ContextPlan shorter = ContextPlan.For(config, context);
        ContextPlan longer = ContextPlan.For(config, context + more);
        Assert.True(longer.KvBytes >= shorter.KvBytes, $"{longer.KvBytes} < {shorter.KvBytes}");
        Assert.True(longer.KvBytesRead >= shorter.KvBytesRead, $"{longer.KvBytesRead} < {shorter.KvBytesRead}");
        Assert.True(longer.Flops.Raw >= shorter.Flops.Raw, $"{longer.Flops.Raw} < {shorter.Flops.Raw}");
        Assert.True(longer.PrefillFlops >= shorter.PrefillFlops, $"{longer.PrefillFlops} < {shorter.PrefillFlops}");
    });

    [Fact]
    public void A_token_reads_no_more_than_there_is() => s_configs.Sample(config =>
    {
        TensorInventory inventory = TensorInventory.For(config);
        Assert.All(inventory.Main, t => Assert.InRange(t.BytesRead, 1, t.Bytes));
        Assert.All(inventory.Main, t => Assert.InRange(t.ActiveParameters, 0, t.Parameters));
        Assert.True(CostModel.KvBytesRead(config, 100_000) <= CostModel.KvBytes(config, 100_000), "cache read over cache kept");
        Assert.Equal(0, CostModel.RowBytes(config) % 8);
    });
}
