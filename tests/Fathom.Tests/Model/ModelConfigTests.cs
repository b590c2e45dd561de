using Fathom.Checkpoints;
using Fathom.Model;
using Xunit;

namespace Fathom.Tests.Model;

public class ModelConfigTests
{
    private static ModelConfig Tiny => ConfigReader.Read(TestFiles.Path("tests", "goldens", "d_flash")).Config;

    [Fact]
    public void A_good_config_passes_and_is_returned()
    {
        ModelConfig config = Tiny;
        Assert.Same(config, config.Validate());
    }

    [Fact]
    public void Sizes_that_are_possible_alone_but_absurd_together_are_refused()
    {
        ModelConfig config = Tiny with { LayerCount = 1024, HashLayerCount = 0, CompressRatios = new int[1024], ExpertCount = 65536 };
        Assert.Contains("num_hidden_layers · n_routed_experts", Assert.Throws<ModelConfigException>(config.Validate).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(0f)]
    [InlineData(-1f)]
    public void Constants_must_be_finite_and_positive(float value)
    {
        ModelConfig[] bad =
        [
            Tiny with { HcEpsilon = value }, Tiny with { RmsNormEpsilon = value }, Tiny with { RopeTheta = value }, Tiny with { CompressRopeTheta = value },
            Tiny with { YarnFactor = value }, Tiny with { YarnBetaFast = value }, Tiny with { YarnBetaSlow = value }, Tiny with { RoutedScalingFactor = value },
        ];
        Assert.All(bad, config => Assert.Throws<ModelConfigException>(config.Validate));
    }

    [Fact]
    public void The_message_names_the_key_what_was_expected_and_what_was_found() => Assert.Equal(
        "o_groups: expected a divisor of the 4 heads, found 3 in the model's config. Compare it with the published one.",
        Assert.Throws<ModelConfigException>((Tiny with { OutputGroups = 3 }).Validate).Message);

    [Fact]
    public void The_plan_names_each_layers_kind()
    {
        ModelConfig config = Tiny with { CompressRatios = [0, 0, 4, 128, 8, 1, 4] };
        AttentionKind[] kinds = [.. Enumerable.Range(0, 7).Select(layer => LayerPlan.For(config, layer).Attention)];
        Assert.Equal([AttentionKind.Window, AttentionKind.Window, AttentionKind.Csa, AttentionKind.Hca, AttentionKind.Hca, AttentionKind.Hca, AttentionKind.Csa], kinds);
        Assert.Equal(RoutingKind.Hash, LayerPlan.For(config, 2).Routing);
        Assert.Equal(RoutingKind.Scored, LayerPlan.For(config, 3).Routing);
    }
}
