using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests.Checkpoints;
using Xunit;

namespace Fathom.Tests.Model;

public class WeightNamesTests
{
    public static TheoryData<string> Cases => ConfigReaderTests.Cases;

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_list_is_exactly_the_tensors_of_a_golden_checkpoint(string folder)
    {
        ModelConfig config = ConfigReader.Read(folder).Config;
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        var expected = new HashSet<string>(StringComparer.Ordinal);
        foreach (ExpectedWeight weight in ExpectedWeights.Of(config))
        {
            TensorEntry entry = checkpoint.Get(weight.Name);
            Assert.Equal(weight.StoredShape(entry.DType), entry.Shape);
            Assert.True(expected.Add(weight.Name), weight.Name);
            if (entry.DType is DType.Fp8E4M3 or DType.Fp4E2M1Pair)
            {
                Assert.True(weight.IsQuantizable, weight.Name);
                Assert.True(expected.Add(weight.ScaleName), weight.ScaleName);
                (int rows, int columns) = weight.ScaleShape(entry.DType);
                Assert.Equal([rows, columns], checkpoint.Get(weight.ScaleName).Shape);
            }
        }
        Assert.Equal(expected.Order(StringComparer.Ordinal), checkpoint.Names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Released_formats_are_those_of_the_released_layout()
    {
        string folder = TestFiles.Path("tests", "goldens", "q_fp8_fp4");
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        Assert.All(ExpectedWeights.Of(ConfigReader.Read(folder).Config), weight => Assert.Equal(weight.ReleasedType, checkpoint.Get(weight.Name).DType));
    }

    // The published inventory: 284.33 B parameters and 69,187 tensors for Flash, 1,573.0 B and 145,116 for Pro (tensors with MTP).
    [Theory]
    [InlineData(4096, 43, 64, 1024, 8, 256, 2048, true, 284.33, 69_187)]
    [InlineData(7168, 61, 128, 1536, 16, 384, 3072, false, 1573.0, 145_116)]
    public void Flash_and_pro_have_the_published_number_of_parameters_and_tensors(
        int hidden, int layers, int heads, int rank, int groups, int experts, int width, bool flash, double billions, int tensors)
    {
        int[] head = flash ? [0, 0] : [128, 128];
        ModelConfig config = ConfigReader.Read(TestFiles.Path("tests", "goldens", "f_realdims")).Config with
        {
            HiddenSize = hidden,
            LayerCount = layers,
            MtpLayerCount = 1,
            HeadCount = heads,
            QueryRank = rank,
            OutputGroups = groups,
            OutputRank = 1024,
            ExpertCount = experts,
            ExpertsPerToken = 6,
            ExpertHiddenSize = width,
            VocabularySize = 129280,
            IndexHeadCount = 64,
            HashLayerCount = 3,
            CompressRatios = [.. head, .. Enumerable.Range(2, layers - 2).Select(layer => layer % 2 == 0 ? 4 : 128), 0],
        };
        config.Validate();
        ExpectedWeight[] all = [.. ExpectedWeights.Of(config)];
        // The published parameter counts leave out the MTP block and the id tables.
        double found = all.Where(weight => weight.Key.Layer < layers && weight.Role != WeightRole.Ids).Sum(weight => (double)weight.Count) / 1e9;
        Assert.True(Math.Abs(found - billions) < 0.06, $"expected {billions} B, found {found:F2} B");
        Assert.Equal(tensors, all.Length + all.Count(weight => weight.IsQuantizable));
    }

    [Fact]
    public void Every_weight_has_one_official_place_and_a_transformers_place_unless_it_is_of_mtp()
    {
        ModelConfig config = ConfigReader.Read(TestFiles.Path("tests", "goldens", "g_mtp")).Config;
        ExpectedWeight[] all = [.. ExpectedWeights.Of(config)];
        Assert.Equal(all.Length, all.Select(weight => weight.Name).Distinct().Count());
        foreach (ExpectedWeight weight in all)
        {
            Assert.Equal([new WeightPlace(weight.Name, weight.ScaleName)], WeightNames.Places(weight, WeightSpelling.Official, config.LayerCount));
            bool mtp = weight.Key.Layer >= config.LayerCount;
            Assert.Equal(mtp, WeightNames.Places(weight, WeightSpelling.Transformers, config.LayerCount).Count == 0);
        }
    }

    [Theory]
    [InlineData("embed.weight", "model.embed_tokens.weight")]
    [InlineData("head.weight", "lm_head.weight")]
    [InlineData("norm.weight", "model.norm.weight")]
    [InlineData("hc_head_fn", "model.hc_head.hc_fn")]
    [InlineData("layers.2.attn_norm.weight", "model.layers.2.input_layernorm.weight")]
    [InlineData("layers.2.ffn_norm.weight", "model.layers.2.post_attention_layernorm.weight")]
    [InlineData("layers.2.hc_attn_base", "model.layers.2.attn_hc.base")]
    [InlineData("layers.2.hc_ffn_scale", "model.layers.2.ffn_hc.scale")]
    [InlineData("layers.2.attn.attn_sink", "model.layers.2.self_attn.sinks")]
    [InlineData("layers.2.attn.wq_a.weight", "model.layers.2.self_attn.q_a_proj.weight")]
    [InlineData("layers.2.attn.wo_b.weight", "model.layers.2.self_attn.o_b_proj.weight")]
    [InlineData("layers.2.attn.q_norm.weight", "model.layers.2.self_attn.q_a_norm.weight")]
    [InlineData("layers.2.attn.compressor.ape", "model.layers.2.self_attn.compressor.position_bias")]
    [InlineData("layers.2.attn.indexer.wq_b.weight", "model.layers.2.self_attn.compressor.indexer.q_b_proj.weight")]
    [InlineData("layers.2.attn.indexer.weights_proj.weight", "model.layers.2.self_attn.compressor.indexer.scorer.weights_proj.weight")]
    [InlineData("layers.2.attn.indexer.compressor.norm.weight", "model.layers.2.self_attn.compressor.indexer.kv_norm.weight")]
    [InlineData("layers.4.ffn.gate.bias", "model.layers.4.mlp.gate.e_score_correction_bias")]
    [InlineData("layers.0.ffn.gate.tid2eid", "model.layers.0.mlp.gate.tid2eid")]
    [InlineData("layers.2.ffn.experts.7.w3.weight", "model.layers.2.mlp.experts.gate_up_proj")]
    [InlineData("layers.2.ffn.experts.7.w2.weight", "model.layers.2.mlp.experts.down_proj")]
    [InlineData("layers.2.ffn.shared_experts.w2.weight", "model.layers.2.mlp.shared_experts.down_proj.weight")]
    public void Official_names_have_their_transformers_names(string official, string transformers)
    {
        ModelConfig config = ConfigReader.Read(TestFiles.Path("tests", "goldens", "d_flash")).Config;
        ExpectedWeight weight = ExpectedWeights.Of(config).Single(weight => weight.Name == official);
        WeightPlace place = WeightNames.Places(weight, WeightSpelling.Transformers, config.LayerCount)[0];
        Assert.Equal(transformers, place.Name);
        Assert.Equal(transformers + "_scale_inv", place.ScaleName);
    }
}
