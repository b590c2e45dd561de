using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Fathom.Model;

public sealed partial record ModelConfig
{
    // Far above any model of the family, and low enough that sizes computed from two of them fit 64 bits.
    private const int WidthMax = 1 << 20;
    private const int HeadDimMax = 1 << 13;
    private const int WindowMax = 1 << 16;
    private const int CountMax = 1 << 16;
    private const int LayersMax = 1 << 10;
    private const int ExpertsMax = 1 << 20;
    private const int TokensMax = 1 << 30;
    // A matrix is packed in panels of 32 rows, which must stay below 2 GB also in singles.
    private const int ElementsMax = 1 << 23;

    /// <summary>Checks every value by itself and against the others; everything behind this door may rely on it.</summary>
    /// <returns>this config</returns>
    /// <exception cref="ModelConfigException">a value is out of range or contradicts another</exception>
    public ModelConfig Validate()
    {
        CheckSizes();
        CheckAttention();
        CheckLayers();
        CheckExperts();
        CheckConstants();
        return this;
    }

    private void CheckSizes()
    {
        InRange(HiddenSize, 1, WidthMax);
        InRange(VocabularySize, 1, 1 << 24);
        InRange(LayerCount, 1, LayersMax);
        InRange(MtpLayerCount, 0, 1);
        InRange(HcMult, 1, 64);
        InRange(HcSinkhornIterations, 1, 10_000);
        InRange(MaxPositions, 1, TokensMax);
        InRange(SlidingWindow, 1, WindowMax);
        InRange(BosToken, 0, VocabularySize - 1);
        InRange(EosToken, 0, VocabularySize - 1);
        InProduct(VocabularySize, HiddenSize, nameof(VocabularySize), nameof(HiddenSize), 1L << 36);
        InProduct(HcMult, HiddenSize, nameof(HcMult), nameof(HiddenSize), ElementsMax);
    }

    private void CheckAttention()
    {
        InRange(HeadCount, 1, CountMax);
        InRange(HeadDim, 1, HeadDimMax);
        InRange(RopeDim, 2, HeadDim);
        Require(RopeDim % 2 == 0, nameof(RopeDim), RopeDim, "an even number: RoPE rotates pairs");
        InRange(QueryRank, 1, WidthMax);
        InRange(OutputGroups, 1, HeadCount);
        Require(HeadCount % OutputGroups == 0, nameof(OutputGroups), OutputGroups, $"a divisor of the {HeadCount} heads");
        InRange(OutputRank, 1, WidthMax);
        InRange(IndexHeadCount, 1, CountMax);
        InRange(IndexHeadDim, 1, HeadDimMax);
        Require(BitOperations.IsPow2(IndexHeadDim), nameof(IndexHeadDim), IndexHeadDim, "a power of two: index keys pass a Hadamard matrix");
        Require(IndexHeadDim >= RopeDim, nameof(IndexHeadDim), IndexHeadDim, $"at least the {RopeDim} rotary dimensions");
        InRange(IndexTopK, 1, WindowMax);
        InProduct(HeadCount, HeadDim, nameof(HeadCount), nameof(HeadDim), ElementsMax);
        InProduct(IndexHeadCount, IndexHeadDim, nameof(IndexHeadCount), nameof(IndexHeadDim), ElementsMax);
        InProduct(OutputGroups, OutputRank, nameof(OutputGroups), nameof(OutputRank), ElementsMax);
    }

    private void CheckLayers()
    {
        int needed = LayerCount + MtpLayerCount;
        Require(CompressRatios.Count >= needed, nameof(CompressRatios), CompressRatios.Count,
            $"at least {needed} entries: one for each of {LayerCount} layers and {MtpLayerCount} MTP blocks");
        for (int layer = 0; layer < CompressRatios.Count; layer++)
        {
            int ratio = CompressRatios[layer];
            string name = $"compress_ratios[{layer}]";
            Require(ratio is >= 0 and <= WidthMax, name, ratio, $"a number from 0 to {WidthMax}");
            // Files of models with more draft stages pad the list; a ratio there would mean layers that we don't know of.
            Require(layer < needed || ratio == 0, name, ratio, $"0 behind the last of {needed} layers");
        }
        for (int layer = LayerCount; layer < needed; layer++)
        {
            Require(CompressRatios[layer] == 0, $"compress_ratios[{layer}]", CompressRatios[layer], "0: an MTP block attends to its window alone");
        }
        InRange(HashLayerCount, 0, LayerCount);
    }

    private void CheckExperts()
    {
        InRange(ExpertCount, 1, CountMax);
        InRange(ExpertsPerToken, 1, ExpertCount);
        InProduct(LayerCount, ExpertCount, nameof(LayerCount), nameof(ExpertCount), ExpertsMax);
        InRange(SharedExpertCount, 0, CountMax);
        InRange(ExpertHiddenSize, 1, WidthMax);
        InProduct(SharedExpertCount, ExpertHiddenSize, nameof(SharedExpertCount), nameof(ExpertHiddenSize), ElementsMax);
        Require(Enum.IsDefined(Scoring), nameof(Scoring), Scoring, "a known scoring function");
        Positive(RoutedScalingFactor);
        Require(SwiGluLimit >= 0 && float.IsFinite(SwiGluLimit), nameof(SwiGluLimit), SwiGluLimit, "a finite number, at least 0 (0 is no limit)");
    }

    private void CheckConstants()
    {
        Positive(HcEpsilon);
        Positive(RmsNormEpsilon);
        Positive(RopeTheta);
        Positive(CompressRopeTheta);
        Require(YarnFactor >= 1 && float.IsFinite(YarnFactor), nameof(YarnFactor), YarnFactor, "a finite number, at least 1 (1 is no scaling)");
        InRange(YarnOriginalContext, 1, TokensMax);
        Positive(YarnBetaFast);
        Positive(YarnBetaSlow);
        Require(YarnBetaFast > YarnBetaSlow, nameof(YarnBetaFast), YarnBetaFast, "more than beta_slow");
        Require(RopeTheta > 1, nameof(RopeTheta), RopeTheta, "more than 1");
        Require(CompressRopeTheta > 1, nameof(CompressRopeTheta), CompressRopeTheta, "more than 1");
    }

    private static void InRange(int value, int least, int most, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Require(value >= least && value <= most, name, value, $"a number from {least} to {most}");

    private static void InProduct(int a, int b, string nameA, string nameB, long most) =>
        Require((long)a * b <= most, $"{KeyOf(nameA)} · {KeyOf(nameB)}", (long)a * b, $"at most {most}");

    private static void Positive(float value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Require(value > 0 && float.IsFinite(value), name, value, "a finite number above 0");

    private static void Require<T>(bool holds, string name, T found, string expected)
    {
        if (!holds)
        {
            throw new ModelConfigException(string.Create(CultureInfo.InvariantCulture,
                $"{KeyOf(name)}: expected {expected}, found {found} in the model's config. Compare it with the published one."));
        }
    }

    // People read config.json, so a message says the key there first; an index or a product keeps its own name.
    private static string KeyOf(string property) => property switch
    {
        nameof(HiddenSize) => "hidden_size",
        nameof(VocabularySize) => "vocab_size",
        nameof(LayerCount) => "num_hidden_layers",
        nameof(MtpLayerCount) => "num_nextn_predict_layers",
        nameof(HeadCount) => "num_attention_heads",
        nameof(HeadDim) => "head_dim",
        nameof(RopeDim) => "qk_rope_head_dim",
        nameof(QueryRank) => "q_lora_rank",
        nameof(OutputGroups) => "o_groups",
        nameof(OutputRank) => "o_lora_rank",
        nameof(SlidingWindow) => "sliding_window",
        nameof(CompressRatios) => "compress_ratios",
        nameof(IndexHeadCount) => "index_n_heads",
        nameof(IndexHeadDim) => "index_head_dim",
        nameof(IndexTopK) => "index_topk",
        nameof(ExpertCount) => "n_routed_experts",
        nameof(ExpertsPerToken) => "num_experts_per_tok",
        nameof(SharedExpertCount) => "n_shared_experts",
        nameof(ExpertHiddenSize) => "moe_intermediate_size",
        nameof(HashLayerCount) => "num_hash_layers",
        nameof(Scoring) => "scoring_func",
        nameof(RoutedScalingFactor) => "routed_scaling_factor",
        nameof(SwiGluLimit) => "swiglu_limit",
        nameof(HcMult) => "hc_mult",
        nameof(HcSinkhornIterations) => "hc_sinkhorn_iters",
        nameof(HcEpsilon) => "hc_eps",
        nameof(RmsNormEpsilon) => "rms_norm_eps",
        nameof(RopeTheta) => "rope_theta",
        nameof(CompressRopeTheta) => "compress_rope_theta",
        nameof(YarnFactor) => "rope_scaling.factor",
        nameof(YarnOriginalContext) => "rope_scaling.original_max_position_embeddings",
        nameof(YarnBetaFast) => "rope_scaling.beta_fast",
        nameof(YarnBetaSlow) => "rope_scaling.beta_slow",
        nameof(MaxPositions) => "max_position_embeddings",
        nameof(BosToken) => "bos_token_id",
        nameof(EosToken) => "eos_token_id",
        _ => property,
    };
}
