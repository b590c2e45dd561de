using Fathom.Devices;
using System.Text.Json;
using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>A released-style config.json read in the plainest way, for tests only.</summary>
internal static class ReferenceConfig
{
    public static ModelConfig Read(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        JsonElement json = document.RootElement;
        JsonElement yarn = json.GetProperty("rope_scaling");
        return new ModelConfig
        {
            HiddenSize = Int("hidden_size"),
            VocabularySize = Int("vocab_size"),
            LayerCount = Int("num_hidden_layers"),
            MtpLayerCount = Int("num_nextn_predict_layers"),
            HeadCount = Int("num_attention_heads"),
            HeadDim = Int("head_dim"),
            RopeDim = Int("qk_rope_head_dim"),
            QueryRank = Int("q_lora_rank"),
            OutputGroups = Int("o_groups"),
            OutputRank = Int("o_lora_rank"),
            SlidingWindow = Int("sliding_window"),
            CompressRatios = [.. json.GetProperty("compress_ratios").EnumerateArray().Select(ratio => ratio.GetInt32())],
            IndexHeadCount = Int("index_n_heads"),
            IndexHeadDim = Int("index_head_dim"),
            IndexTopK = Int("index_topk"),
            ExpertCount = Int("n_routed_experts"),
            ExpertsPerToken = Int("num_experts_per_tok"),
            SharedExpertCount = Int("n_shared_experts"),
            ExpertHiddenSize = Int("moe_intermediate_size"),
            HashLayerCount = Int("num_hash_layers"),
            Scoring = Scoring(json.GetProperty("scoring_func").GetString()),
            NormalizeExpertWeights = json.GetProperty("norm_topk_prob").GetBoolean(),
            RoutedScalingFactor = Single(json, "routed_scaling_factor"),
            SwiGluLimit = Single(json, "swiglu_limit"),
            HcMult = Int("hc_mult"),
            HcSinkhornIterations = Int("hc_sinkhorn_iters"),
            HcEpsilon = Single(json, "hc_eps"),
            RmsNormEpsilon = Single(json, "rms_norm_eps"),
            RopeTheta = Single(json, "rope_theta"),
            CompressRopeTheta = Single(json, "compress_rope_theta"),
            YarnFactor = Single(yarn, "factor"),
            YarnOriginalContext = yarn.GetProperty("original_max_position_embeddings").GetInt32(),
            YarnBetaFast = Single(yarn, "beta_fast"),
            YarnBetaSlow = Single(yarn, "beta_slow"),
            MaxPositions = Int("max_position_embeddings"),
            BosToken = Int("bos_token_id"),
            EosToken = Int("eos_token_id"),
        };

        int Int(string key) => json.GetProperty(key).GetInt32();
    }

    public static ScoringFunction Scoring(string? name) => name switch
    {
        "sqrtsoftplus" => ScoringFunction.SqrtSoftplus,
        "sigmoid" => ScoringFunction.Sigmoid,
        "softmax" => ScoringFunction.Softmax,
        _ => throw new InvalidDataException($"The tests know no scoring function {name}."),
    };

    private static float Single(JsonElement json, string key) => json.GetProperty(key).GetSingle();
}
