using Fathom.Devices;
using Fathom.Planning;
using Xunit;

namespace Fathom.Tests.Planning;

public class ContextPlanTests
{
    private const long Million = 1_048_576;

    private static readonly ContextPlan s_flash = ContextPlan.For(KnownModels.Flash, Million);
    private static readonly ContextPlan s_pro = ContextPlan.For(KnownModels.Pro, Million);

    // The figures were computed a second time, by an independent script in another language.
    [Fact]
    public void The_cache_grows_by_the_released_formats_bytes()
    {
        Assert.Equal(3514.25, s_flash.KvBytesPerToken);
        Assert.Equal(5031.4375, s_pro.KvBytesPerToken);
        Assert.Equal(48_068, ContextPlan.ForV32(Million).KvBytesPerToken);
    }

    [Fact]
    public void The_cache_at_a_million_tokens_is_a_tenth_of_the_older_models()
    {
        Assert.Equal(7.34, 100 * s_flash.KvVsV32, 0.005);
        Assert.Equal(10.51, 100 * s_pro.KvVsV32, 0.005);
    }

    [Fact]
    public void Cache_bytes_at_a_million_tokens()
    {
        Assert.Equal(3.700, s_flash.KvBytes / 1e9, 0.0005);
        Assert.Equal(5.299, s_pro.KvBytes / 1e9, 0.0005);
        Assert.Equal(3.07 + 11.64, s_flash.KvBytesFixed / 1048576.0, 0.01);
        Assert.Equal(4.35 + 17.84, s_pro.KvBytesFixed / 1048576.0, 0.01);
    }

    [Theory]
    [InlineData(4_096, 80.2, 21.1)]                                       // Pro may choose all of its 1,024 index keys, so it scores none
    [InlineData(32_768, 70.4, 19.0)]
    [InlineData(131_072, 51.9, 15.2)]
    [InlineData(262_144, 41.2, 13.0)]
    [InlineData(524_288, 32.5, 11.2)]
    [InlineData(1_048_576, 26.5, 10.0)]
    public void Weighted_operations_fall_with_the_context(long context, double pro, double flash)
    {
        Assert.Equal(pro, 100 * ContextPlan.For(KnownModels.Pro, context).FlopsVsV32, 0.05);
        Assert.Equal(flash, 100 * ContextPlan.For(KnownModels.Flash, context).FlopsVsV32, 0.05);
    }

    [Fact]
    public void Operations_at_a_million_tokens_by_kind()
    {
        AssertGiga(26.5, 90.2, 23.6, s_flash.Flops);
        AssertGiga(97.7, 128.8, 76.7, s_pro.Flops);
        AssertGiga(74.0, 1048.0, 34.8, ContextPlan.ForV32(Million).Flops);
    }

    [Fact]
    public void The_last_of_a_million_tokens_reads_all_index_keys_and_chosen_rows()
    {
        long picked = 21L * 512 * 584;
        long windows = 43L * 127 * 584;                                   // its own row it does not read
        Assert.Equal(21L * (Million / 4) * 68 + 20L * (Million / 128) * 584 + picked + windows, s_flash.KvBytesRead);
    }

    [Fact]
    public void Rows_of_the_released_models()
    {
        Assert.Equal(584, CostModel.RowBytes(KnownModels.Flash));
        Assert.Equal(68, CostModel.IndexRowBytes(KnownModels.Flash));
    }

    [Fact]
    public void Rows_of_small_heads()
    {
        Assert.Equal(136, CostModel.RowBytes(TinyConfigs.Seed));          // 64 + 2 × 32 + 1 scale, padded to 8
        Assert.Equal(34, CostModel.IndexRowBytes(TinyConfigs.Seed));      // 64 / 2 + 64 / 32
    }

    [Fact]
    public void A_small_model_plans_like_a_large_one()
    {
        ContextPlan plan = ContextPlan.For(TinyConfigs.Seed, 1000);
        Assert.Equal(2 * (136 + 34) / 4.0 + 136 / 128.0, plan.KvBytesPerToken);
        Assert.Equal(plan.KvBytesFixed + 2 * 250 * (136 + 34) + 7 * 136, plan.KvBytes);
    }

    [Fact]
    public void Reading_a_context_costs_about_its_tokens_at_the_middle()
    {
        double middle = ContextPlan.For(KnownModels.Flash, Million / 2).Flops.Raw * Million;
        Assert.Equal(1, s_flash.PrefillFlops / middle, 0.01);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_048_577)]
    public void A_context_the_model_does_not_have_is_refused(long context) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ContextPlan.For(KnownModels.Flash, context));

    private static void AssertGiga(double linear, double index, double attention, FlopCount flops)
    {
        Assert.Equal(linear, flops.Linear / 1e9, 0.05);
        Assert.Equal(index, flops.Index / 1e9, index > 1000 ? 0.5 : 0.05);
        Assert.Equal(attention, flops.Attention / 1e9, 0.05);
    }
}
