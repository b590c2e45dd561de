using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Fathom.Checkpoints;
using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Quantization;

/// <summary>
/// config.json of a converted model, spelled as released. A released config keeps its keys and their order, but for those that tell the number
/// formats; other spellings are written anew, since their keys mean other tensor names or another program.
/// </summary>
internal static class ConvertedConfig
{
    /// <param name="file">the config as it was read</param> <param name="json">its text</param> <param name="format">of the converted model</param>
    /// <param name="hasMtp">whether the checkpoint has the MTP blocks that the config counts; transformers drops them</param>
    /// <param name="hasFp4">whether any weight is packed FP4</param>
    public static byte[] Write(ConfigFile file, ReadOnlySpan<byte> json, ModelFormat format, bool hasMtp, bool hasFp4)
    {
        JsonObject config = file.Spelling == ConfigSpelling.Released ? JsonNode.Parse(json)!.AsObject() : Released(file.Config); // it was read as an object
        if (!hasMtp)
        {
            config["num_nextn_predict_layers"] = 0;
        }
        config.Remove("dtype");
        config["torch_dtype"] = format == ModelFormat.F32 ? "float32" : "bfloat16";
        config.Remove("expert_dtype");
        config.Remove("quantization_config");
        if (format == ModelFormat.Official)
        {
            config["expert_dtype"] = hasFp4 ? "fp4" : "fp8";
            config["quantization_config"] = new JsonObject
            {
                ["activation_scheme"] = "dynamic",
                ["fmt"] = "e4m3",
                ["quant_method"] = "fp8",
                ["scale_fmt"] = "ue8m0",
                ["weight_block_size"] = new JsonArray(ExpectedWeight.Fp8Block, ExpectedWeight.Fp8Block),
            };
        }
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            config.WriteTo(writer);
        }
        stream.Write("\n"u8);
        return stream.ToArray();
    }

    private static JsonObject Released(ModelConfig c) => new()
    {
        ["architectures"] = new JsonArray("DeepseekV4ForCausalLM"),
        ["attention_bias"] = false,
        ["bos_token_id"] = c.BosToken,
        ["eos_token_id"] = c.EosToken,
        ["hc_eps"] = c.HcEpsilon,
        ["hc_mult"] = c.HcMult,
        ["hc_sinkhorn_iters"] = c.HcSinkhornIterations,
        ["head_dim"] = c.HeadDim,
        ["hidden_act"] = "silu",
        ["hidden_size"] = c.HiddenSize,
        ["index_head_dim"] = c.IndexHeadDim,
        ["index_n_heads"] = c.IndexHeadCount,
        ["index_topk"] = c.IndexTopK,
        ["max_position_embeddings"] = c.MaxPositions,
        ["model_type"] = "deepseek_v4",
        ["moe_intermediate_size"] = c.ExpertHiddenSize,
        ["n_routed_experts"] = c.ExpertCount,
        ["n_shared_experts"] = c.SharedExpertCount,
        ["norm_topk_prob"] = c.NormalizeExpertWeights,
        ["num_attention_heads"] = c.HeadCount,
        ["num_experts_per_tok"] = c.ExpertsPerToken,
        ["num_hidden_layers"] = c.LayerCount,
        ["num_hash_layers"] = c.HashLayerCount,
        ["num_key_value_heads"] = 1,
        ["num_nextn_predict_layers"] = c.MtpLayerCount,
        ["o_groups"] = c.OutputGroups,
        ["o_lora_rank"] = c.OutputRank,
        ["q_lora_rank"] = c.QueryRank,
        ["qk_rope_head_dim"] = c.RopeDim,
        ["rms_norm_eps"] = c.RmsNormEpsilon,
        ["rope_scaling"] = new JsonObject
        {
            ["beta_fast"] = c.YarnBetaFast,
            ["beta_slow"] = c.YarnBetaSlow,
            ["factor"] = c.YarnFactor,
            ["original_max_position_embeddings"] = c.YarnOriginalContext,
            ["type"] = "yarn",
        },
        ["rope_theta"] = c.RopeTheta,
        ["routed_scaling_factor"] = c.RoutedScalingFactor,
        ["scoring_func"] = Name(c.Scoring),
        ["sliding_window"] = c.SlidingWindow,
        ["swiglu_limit"] = c.SwiGluLimit,
        ["tie_word_embeddings"] = false,
        ["topk_method"] = "noaux_tc",
        ["vocab_size"] = c.VocabularySize,
        ["compress_rope_theta"] = c.CompressRopeTheta,
        ["compress_ratios"] = new JsonArray([.. c.CompressRatios.Select(ratio => (JsonNode)ratio)]),
    };

    private static string Name(ScoringFunction scoring) => scoring switch
    {
        ScoringFunction.SqrtSoftplus => "sqrtsoftplus",
        ScoringFunction.Sigmoid => "sigmoid",
        _ => "softmax",
    };
}
