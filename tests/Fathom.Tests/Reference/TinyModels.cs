using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>Configs small enough for every test run, which between them have each kind of layer, router and stream count.</summary>
internal static class TinyModels
{
    /// <summary>Window, CSA and HCA layers with hash and scored routing, and MTP: Flash in miniature.</summary>
    public static ModelConfig Flash { get; } = new()
    {
        HiddenSize = 32,
        VocabularySize = 64,
        LayerCount = 4,
        MtpLayerCount = 1,
        HeadCount = 4,
        HeadDim = 24,
        RopeDim = 8,
        QueryRank = 16,
        OutputGroups = 2,
        OutputRank = 12,
        SlidingWindow = 8,
        CompressRatios = [0, 4, 128, 4, 0],
        IndexHeadCount = 2,
        IndexHeadDim = 16,
        IndexTopK = 5,
        ExpertCount = 6,
        ExpertsPerToken = 2,
        SharedExpertCount = 1,
        ExpertHiddenSize = 20,
        HashLayerCount = 1,
        Scoring = ScoringFunction.SqrtSoftplus,
        RoutedScalingFactor = 1.5f,
        SwiGluLimit = 3,
        HcMult = 4,
        HcSinkhornIterations = 20,
        HcEpsilon = 1e-6f,
        RmsNormEpsilon = 1e-6f,
        RopeTheta = 10000,
        CompressRopeTheta = 160000,
        YarnFactor = 16,
        YarnOriginalContext = 32,
        YarnBetaFast = 32,
        YarnBetaSlow = 1,
        MaxPositions = 512,
    };

    /// <summary>One residual stream, sigmoid scores, an HCA ratio that closes windows often, no clamp.</summary>
    public static ModelConfig OneStream { get; } = Flash with
    {
        LayerCount = 3,
        MtpLayerCount = 0,
        CompressRatios = [8, 4, 0],
        HcMult = 1,
        Scoring = ScoringFunction.Sigmoid,
        HashLayerCount = 0,
        SwiGluLimit = 0,
        OutputGroups = 1,
    };

    /// <summary>Two streams, softmax scores that are not normalised again, two shared experts, a window of one token.</summary>
    public static ModelConfig TwoStreams { get; } = Flash with
    {
        LayerCount = 3,
        CompressRatios = [4, 8, 8, 0],
        HcMult = 2,
        HcSinkhornIterations = 3,
        Scoring = ScoringFunction.Softmax,
        NormalizeExpertWeights = false,
        SharedExpertCount = 2,
        SlidingWindow = 1,
        OutputGroups = 4,
        IndexHeadCount = 3,
    };

    /// <summary>Widths that the released cache rounding accepts: blocks of 64 beside the rotary part, of 32 in the indexer.</summary>
    public static ModelConfig Mixed { get; } = Flash with
    {
        HeadDim = 80,
        RopeDim = 16,
        IndexHeadDim = 32,
        SlidingWindow = 12,
    };

    /// <summary>Ratios that divide neither a block of the cache nor each other, no layer without compression, a single expert per token.</summary>
    public static ModelConfig OddRatios { get; } = Flash with
    {
        CompressRatios = [3, 4, 5, 7, 0],
        SlidingWindow = 5,
        HashLayerCount = 2,
        ExpertsPerToken = 1,
        IndexTopK = 7,
        HcMult = 3,
    };

    /// <summary>All of them, named for test messages.</summary>
    public static IReadOnlyDictionary<string, ModelConfig> All { get; } = new Dictionary<string, ModelConfig>
    {
        [nameof(Flash)] = Flash,
        [nameof(OneStream)] = OneStream,
        [nameof(TwoStreams)] = TwoStreams,
        [nameof(Mixed)] = Mixed,
        [nameof(OddRatios)] = OddRatios,
    };
}
