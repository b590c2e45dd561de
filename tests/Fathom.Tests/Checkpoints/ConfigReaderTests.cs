using Fathom.Devices;
using System.Text;
using System.Text.Json.Nodes;
using Fathom.Checkpoints;
using Fathom.Model;
using Xunit;

namespace Fathom.Tests.Checkpoints;

public class ConfigReaderTests
{
    private static readonly string s_flash = TestFiles.Path("tests", "goldens", "d_flash");

    public static TheoryData<string> Cases => [.. GoldenCases()];

    internal static IEnumerable<string> GoldenCases() => Directory.GetDirectories(TestFiles.Path("tests", "goldens"))
        .Where(folder => File.Exists(Path.Combine(folder, "config.json"))).Append(TestFiles.Path("models", "seed")).Order(StringComparer.Ordinal);

    private static ConfigFile Parse(JsonNode json) => ConfigReader.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()), "config.json");

    private static void AssertSame(ModelConfig a, ModelConfig b)
    {
        Assert.Equal(a.CompressRatios, b.CompressRatios);
        // A record compares lists by reference.
        Assert.Equal(a, b with { CompressRatios = a.CompressRatios });
    }

    private static string Refused(Action<JsonObject> edit, Func<JsonObject, JsonObject>? spell = null)
    {
        JsonObject json = ConfigSpellings.Released(s_flash);
        json = spell is null ? json : spell(json);
        edit(json);
        string message = Assert.Throws<ModelConfigException>(() => Parse(json)).Message;
        Assert.Contains("config.json", message, StringComparison.Ordinal);
        Assert.Contains("expected", message, StringComparison.Ordinal);
        Assert.Contains("found", message, StringComparison.Ordinal);
        return message;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Three_spellings_of_a_golden_config_are_one(string folder)
    {
        ConfigFile released = ConfigReader.Read(folder);
        Assert.Equal(ConfigSpelling.Released, released.Spelling);
        Assert.Empty(released.UnknownKeys);
        Assert.Equal(released.Config.LayerCount + released.Config.MtpLayerCount, released.Config.CompressRatios.Count);

        ConfigFile inference = Parse(ConfigSpellings.Inference(ConfigSpellings.Released(folder)));
        Assert.Equal(ConfigSpelling.Inference, inference.Spelling);
        Assert.Empty(inference.UnknownKeys);
        AssertSame(released.Config, inference.Config);

        ConfigFile transformers = Parse(ConfigSpellings.Transformers(ConfigSpellings.Released(folder)));
        Assert.Equal(ConfigSpelling.Transformers, transformers.Spelling);
        Assert.Empty(transformers.UnknownKeys);
        AssertSame(released.Config, transformers.Config);
    }

    [Fact]
    public void Every_key_is_read()
    {
        ModelConfig c = ConfigReader.Read(s_flash).Config;
        Assert.Equal((64, 256, 7, 0), (c.HiddenSize, c.VocabularySize, c.LayerCount, c.MtpLayerCount));
        Assert.Equal((4, 32, 16, 32, 2, 16, 8), (c.HeadCount, c.HeadDim, c.RopeDim, c.QueryRank, c.OutputGroups, c.OutputRank, c.SlidingWindow));
        Assert.Equal([0, 0, 4, 128, 4, 128, 4], c.CompressRatios);
        Assert.Equal((8, 32, 6), (c.IndexHeadCount, c.IndexHeadDim, c.IndexTopK));
        Assert.Equal((8, 2, 1, 32, 3), (c.ExpertCount, c.ExpertsPerToken, c.SharedExpertCount, c.ExpertHiddenSize, c.HashLayerCount));
        Assert.Equal((ScoringFunction.SqrtSoftplus, true, 1.5f, 1.5f), (c.Scoring, c.NormalizeExpertWeights, c.RoutedScalingFactor, c.SwiGluLimit));
        Assert.Equal((4, 20, 1e-6f, 1e-6f), (c.HcMult, c.HcSinkhornIterations, c.HcEpsilon, c.RmsNormEpsilon));
        Assert.Equal((10000f, 160000f, 16f, 32, 32f, 1f),
            (c.RopeTheta, c.CompressRopeTheta, c.YarnFactor, c.YarnOriginalContext, c.YarnBetaFast, c.YarnBetaSlow));
        Assert.Equal((512, 0, 1, 16), (c.MaxPositions, c.BosToken, c.EosToken, c.NonRotaryDim));
    }

    public static TheoryData<string> RequiredKeys => [.. ConfigSpellings.Released(s_flash).Select(pair => pair.Key).Where(key => key is
        "hidden_size" or "vocab_size" or "num_hidden_layers" or "num_nextn_predict_layers" or "num_attention_heads" or "head_dim" or "qk_rope_head_dim"
        or "q_lora_rank" or "o_groups" or "o_lora_rank" or "sliding_window" or "compress_ratios" or "index_n_heads" or "index_head_dim" or "index_topk"
        or "n_routed_experts" or "num_experts_per_tok" or "n_shared_experts" or "moe_intermediate_size" or "num_hash_layers" or "scoring_func"
        or "norm_topk_prob" or "routed_scaling_factor" or "swiglu_limit" or "hc_mult" or "hc_sinkhorn_iters" or "hc_eps" or "rms_norm_eps"
        or "rope_theta" or "compress_rope_theta" or "max_position_embeddings" or "bos_token_id" or "eos_token_id")];

    [Theory]
    [MemberData(nameof(RequiredKeys))]
    public void A_missing_key_is_an_error_that_names_it(string key) => Assert.Contains($"{key}: ", Refused(json => json.Remove(key)), StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(RequiredKeys))]
    public void A_null_or_an_object_for_a_value_is_an_error_that_names_the_key(string key)
    {
        Assert.Contains($"{key}: ", Refused(json => json[key] = null), StringComparison.Ordinal);
        Assert.Contains($"{key}: ", Refused(json => json[key] = new JsonObject()), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_key_of_the_inference_file_but_the_three_it_may_lack_is_required()
    {
        string[] optional = ["dtype", "scale_fmt", "expert_dtype", "norm_eps", "hc_eps", "n_mtp_layers"];
        foreach (string key in ConfigSpellings.Inference(ConfigSpellings.Released(s_flash)).Select(pair => pair.Key).Except(optional))
        {
            string named = key is "dim" or "n_layers" ? "model_type" : $"{key}: ";
            Assert.Contains(named, Refused(json => json.Remove(key), ConfigSpellings.Inference), StringComparison.Ordinal);
        }
        JsonObject bare = ConfigSpellings.Inference(ConfigSpellings.Released(TestFiles.Path("tests", "goldens", "g_mtp")));
        foreach (string key in optional)
        {
            bare.Remove(key);
        }
        AssertSame(ConfigReader.Read(TestFiles.Path("tests", "goldens", "g_mtp")).Config, Parse(bare).Config);
    }

    [Theory]
    [InlineData("factor")]
    [InlineData("original_max_position_embeddings")]
    [InlineData("beta_fast")]
    [InlineData("beta_slow")]
    [InlineData("type")]
    public void A_missing_key_of_yarn_is_an_error(string key) =>
        Assert.Contains($"rope_scaling.{key}: ", Refused(json => json["rope_scaling"]!.AsObject().Remove(key)), StringComparison.Ordinal);

    [Theory]
    [InlineData("hidden_size", "0")]
    [InlineData("hidden_size", "-1")]
    [InlineData("hidden_size", "2147483647")]
    [InlineData("hidden_size", "4294967296")]
    [InlineData("hidden_size", "64.5")]
    [InlineData("hidden_size", "1e400")]
    [InlineData("hidden_size", "\"64\"")]
    [InlineData("vocab_size", "0")]
    [InlineData("vocab_size", "2000000000")]
    [InlineData("num_hidden_layers", "0")]
    [InlineData("num_hidden_layers", "100000")]
    [InlineData("num_hidden_layers", "8")]
    [InlineData("num_hidden_layers", "6")]
    [InlineData("num_nextn_predict_layers", "1")]
    [InlineData("num_nextn_predict_layers", "-1")]
    [InlineData("num_nextn_predict_layers", "3")]
    [InlineData("num_attention_heads", "3")]
    [InlineData("num_attention_heads", "65538")]
    [InlineData("head_dim", "8")]
    [InlineData("head_dim", "2000000")]
    [InlineData("qk_rope_head_dim", "15")]
    [InlineData("qk_rope_head_dim", "34")]
    [InlineData("qk_rope_head_dim", "0")]
    [InlineData("o_groups", "0")]
    [InlineData("o_groups", "3")]
    [InlineData("q_lora_rank", "0")]
    [InlineData("o_lora_rank", "-7")]
    [InlineData("sliding_window", "0")]
    [InlineData("compress_ratios", "[0,0,4,128,4,128]")]
    [InlineData("compress_ratios", "[0,0,4,128,4,128,-4]")]
    [InlineData("compress_ratios", "[0,0,4,128,4,128,4,4]")]
    [InlineData("compress_ratios", "[0,0,4,128,4,128,4000000]")]
    [InlineData("compress_ratios", "[0,0,4,128,4,128,\"4\"]")]
    [InlineData("compress_ratios", "{}")]
    [InlineData("index_head_dim", "24")]
    [InlineData("index_head_dim", "8")]
    [InlineData("index_n_heads", "0")]
    [InlineData("index_topk", "0")]
    [InlineData("n_routed_experts", "1")]
    [InlineData("num_experts_per_tok", "9")]
    [InlineData("num_experts_per_tok", "0")]
    [InlineData("n_shared_experts", "-1")]
    [InlineData("moe_intermediate_size", "0")]
    [InlineData("num_hash_layers", "8")]
    [InlineData("num_hash_layers", "-1")]
    [InlineData("scoring_func", "\"relu\"")]
    [InlineData("norm_topk_prob", "1")]
    [InlineData("routed_scaling_factor", "0")]
    [InlineData("routed_scaling_factor", "1e99")]
    [InlineData("swiglu_limit", "-1")]
    [InlineData("hc_mult", "0")]
    [InlineData("hc_mult", "100")]
    [InlineData("hc_sinkhorn_iters", "0")]
    [InlineData("hc_eps", "0")]
    [InlineData("hc_eps", "-1e-6")]
    [InlineData("rms_norm_eps", "-1e-6")]
    [InlineData("rms_norm_eps", "1e-400")]
    [InlineData("rope_theta", "0")]
    [InlineData("rope_theta", "1")]
    [InlineData("compress_rope_theta", "-160000")]
    [InlineData("max_position_embeddings", "0")]
    [InlineData("bos_token_id", "-1")]
    [InlineData("bos_token_id", "256")]
    [InlineData("eos_token_id", "256")]
    [InlineData("eos_token_id", "[1,2]")]
    [InlineData("rope_scaling", "[]")]
    [InlineData("rope_scaling", "{\"type\":\"linear\",\"factor\":2}")]
    [InlineData("rope_scaling", "{\"type\":\"yarn\",\"factor\":0.5,\"original_max_position_embeddings\":32,\"beta_fast\":32,\"beta_slow\":1}")]
    [InlineData("rope_scaling", "{\"type\":\"yarn\",\"factor\":16,\"original_max_position_embeddings\":0,\"beta_fast\":32,\"beta_slow\":1}")]
    [InlineData("rope_scaling", "{\"type\":\"yarn\",\"factor\":16,\"original_max_position_embeddings\":32,\"beta_fast\":1,\"beta_slow\":32}")]
    [InlineData("rope_scaling",
        "{\"type\":\"yarn\",\"factor\":16,\"original_max_position_embeddings\":32,\"beta_fast\":32,\"beta_slow\":1,\"attention_factor\":1.277}")]
    [InlineData("rope_scaling", "{\"type\":\"yarn\",\"rope_type\":\"default\"}")]
    [InlineData("attention_bias", "true")]
    [InlineData("tie_word_embeddings", "true")]
    [InlineData("num_key_value_heads", "8")]
    [InlineData("hidden_act", "\"gelu\"")]
    [InlineData("topk_method", "\"greedy\"")]
    [InlineData("model_type", "\"deepseek_v41\"")]
    [InlineData("model_type", "\"llama\"")]
    [InlineData("architectures", "[\"DeepseekV3ForCausalLM\"]")]
    [InlineData("architectures", "[]")]
    [InlineData("architectures", "\"DeepseekV4ForCausalLM\"")]
    [InlineData("quantization_config", "{\"quant_method\":\"gptq\"}")]
    [InlineData("quantization_config", "{\"quant_method\":\"fp8\",\"weight_block_size\":[64,64]}")]
    [InlineData("quantization_config", "{\"quant_method\":\"fp8\",\"scale_fmt\":\"fp32\"}")]
    public void A_value_that_no_model_can_have_is_refused(string key, string value) =>
        Assert.DoesNotContain("isn't", Refused(json => json[key] = JsonNode.Parse(value)), StringComparison.Ordinal);

    [Theory]
    [InlineData("layer_types", "[\"sliding_attention\"]")]
    [InlineData("layer_types", "[\"full_attention\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]")]
    [InlineData("compress_rates", "{\"compressed_sparse_attention\":8,\"heavily_compressed_attention\":128}")]
    [InlineData("compress_rates", "{\"compressed_sparse_attention\":4,\"heavily_compressed_attention\":4}")]
    [InlineData("compress_rates", "{\"compressed_sparse_attention\":4}")]
    [InlineData("compress_rates", "null")]
    [InlineData("compress_ratios", "[0,0,4,128,4,128,128]")]
    [InlineData("mlp_layer_types", "[\"moe\",\"hash_moe\",\"moe\",\"moe\",\"moe\",\"moe\",\"moe\"]")]
    [InlineData("mlp_layer_types", "[\"hash_moe\"]")]
    [InlineData("num_hash_layers", "2")]
    [InlineData("qk_rope_head_dim", "8")]
    [InlineData("partial_rotary_factor", "0.51")]
    [InlineData("partial_rotary_factor", "0.25")]
    [InlineData("partial_rotary_factor", "1e300")]
    [InlineData("rope_theta", "5000")]
    [InlineData("compress_rope_theta", "40000")]
    [InlineData("rope_scaling", "{\"type\":\"yarn\"}")]
    [InlineData("rope_parameters", "{\"main\":{\"rope_type\":\"yarn\",\"rope_theta\":10000},\"compress\":{\"rope_type\":\"yarn\",\"rope_theta\":160000}}")]
    [InlineData("rope_parameters", "{\"main\":{\"rope_type\":\"default\",\"rope_theta\":10000}}")]
    public void A_contradiction_in_transformers_spelling_is_refused(string key, string value) =>
        Refused(json => json[key] = JsonNode.Parse(value), ConfigSpellings.Transformers);

    [Theory]
    [InlineData("{\"dim\":64,")]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("3")]
    [InlineData("{}")]
    [InlineData("{\"model_type\":\"deepseek_v4\",\"model_type\":\"deepseek_v4\"}")]
    [InlineData("{\"hidden_size\":64}")]
    [InlineData("{\"hc_eps\":NaN,\"model_type\":\"deepseek_v4\"}")]
    public void Text_that_is_no_config_is_refused(string text)
    {
        string message = Assert.Throws<ModelConfigException>(() => ConfigReader.Parse(Encoding.UTF8.GetBytes(text), "config.json")).Message;
        Assert.Contains("config.json", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_refused() =>
        Assert.Contains("no such file", Assert.Throws<ModelConfigException>(() => ConfigReader.Read(TestFiles.Path("none"))).Message, StringComparison.Ordinal);

    [Fact]
    public void Unknown_keys_are_reported_sorted_and_with_their_object()
    {
        JsonObject json = ConfigSpellings.Released(s_flash);
        json["dspark_block_size"] = 5;
        json["rope_scaling"]!["mscale"] = 1;
        json["n_group"] = 8;
        Assert.Equal(["dspark_block_size", "n_group", "rope_scaling.mscale"], Parse(json).UnknownKeys);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{\"type\":\"default\"}")]
    [InlineData("{\"rope_type\":\"default\"}")]
    public void Without_scaling_the_factor_is_one(string scaling)
    {
        JsonObject json = ConfigSpellings.Released(s_flash);
        json["rope_scaling"] = JsonNode.Parse(scaling);
        Assert.Equal((1f, 512), (Parse(json).Config.YarnFactor, Parse(json).Config.YarnOriginalContext));
        json.Remove("rope_scaling");
        Assert.Equal(1f, Parse(json).Config.YarnFactor);
    }

    [Fact]
    public void Longer_ratio_lists_that_end_in_zeros_a_list_of_one_end_token_and_no_shared_experts_are_accepted()
    {
        JsonObject json = ConfigSpellings.Released(s_flash);
        json["compress_ratios"] = JsonNode.Parse("[0,0,4,128,8,1,4,0,0,0]");
        json["eos_token_id"] = JsonNode.Parse("[1]");
        json["n_shared_experts"] = 0;
        ModelConfig config = Parse(json).Config;
        Assert.Equal(10, config.CompressRatios.Count);
        Assert.Equal(AttentionKind.Hca, LayerPlan.For(config, 4).Attention);
        Assert.Equal(AttentionKind.Csa, LayerPlan.For(config, 6).Attention);
    }
}
