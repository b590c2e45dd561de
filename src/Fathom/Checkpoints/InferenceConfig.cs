using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Checkpoints;

/// <summary>
/// inference/config.json beside the official code. It leaves out what that code fixes; those values stand here, and only here:
/// ε 1e-6 for norms and hyper-connections, one MTP block, BOS 0 and EOS 1, expert weights normalised unless scored by softmax, and a
/// context of factor × original length.
/// </summary>
internal static class InferenceConfig
{
    private const float DefaultEpsilon = 1e-6f;
    private const int DefaultMtpLayers = 1;
    private const int BosToken = 0;
    private const int EosToken = 1;

    public static ModelConfig Read(ConfigKeys keys)
    {
        CheckFormats(keys);
        ScoringFunction scoring = HuggingFaceConfig.Scoring(keys, "score_func");
        float factor = keys.Float("rope_factor");
        int original = keys.Int("original_seq_len");
        return new ModelConfig
        {
            HiddenSize = keys.Int("dim"),
            VocabularySize = keys.Int("vocab_size"),
            LayerCount = keys.Int("n_layers"),
            MtpLayerCount = keys.Has("n_mtp_layers") ? keys.Int("n_mtp_layers") : DefaultMtpLayers,
            HeadCount = keys.Int("n_heads"),
            HeadDim = keys.Int("head_dim"),
            RopeDim = keys.Int("rope_head_dim"),
            QueryRank = keys.Int("q_lora_rank"),
            OutputGroups = keys.Int("o_groups"),
            OutputRank = keys.Int("o_lora_rank"),
            SlidingWindow = keys.Int("window_size"),
            CompressRatios = keys.Ints("compress_ratios"),
            IndexHeadCount = keys.Int("index_n_heads"),
            IndexHeadDim = keys.Int("index_head_dim"),
            IndexTopK = keys.Int("index_topk"),
            ExpertCount = keys.Int("n_routed_experts"),
            ExpertsPerToken = keys.Int("n_activated_experts"),
            SharedExpertCount = keys.Int("n_shared_experts"),
            ExpertHiddenSize = keys.Int("moe_inter_dim"),
            HashLayerCount = keys.Int("n_hash_layers"),
            Scoring = scoring,
            NormalizeExpertWeights = scoring != ScoringFunction.Softmax,
            RoutedScalingFactor = keys.Float("route_scale"),
            SwiGluLimit = keys.Float("swiglu_limit"),
            HcMult = keys.Int("hc_mult"),
            HcSinkhornIterations = keys.Int("hc_sinkhorn_iters"),
            HcEpsilon = keys.Has("hc_eps") ? keys.Float("hc_eps") : DefaultEpsilon,
            RmsNormEpsilon = keys.Has("norm_eps") ? keys.Float("norm_eps") : DefaultEpsilon,
            RopeTheta = keys.Float("rope_theta"),
            CompressRopeTheta = keys.Float("compress_rope_theta"),
            YarnFactor = factor,
            YarnOriginalContext = original,
            YarnBetaFast = keys.Float("beta_fast"),
            YarnBetaSlow = keys.Float("beta_slow"),
            MaxPositions = Context(keys, factor, original),
            BosToken = BosToken,
            EosToken = EosToken,
        };
    }

    private static void CheckFormats(ConfigKeys keys)
    {
        const string Next = "The engine reads the number formats of the released checkpoints.";
        keys.Must("scale_fmt", "ue8m0", Next);
        // Buffer sizes of that program, and the formats of weights, which the tensors themselves say.
        keys.Accept("max_seq_len", "max_batch_size", "dtype", "scale_dtype", "expert_dtype");
    }

    private static int Context(ConfigKeys keys, float factor, int original)
    {
        double context = (double)factor * original;
        return context is >= 1 and <= int.MaxValue
            ? (int)context
            : throw keys.Wrong("rope_factor", "rope_factor · original_seq_len from 1 to 2³¹ − 1", FormattableString.Invariant($"{factor} · {original}"));
    }
}
