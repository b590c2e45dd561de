using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Planning;

/// <summary>The shapes of the two released models, for planning without their files.</summary>
public static class KnownModels
{
    /// <summary>DeepSeek-V4-Flash: 284 billion parameters, 13.8 billion active.</summary>
    public static ModelConfig Flash { get; } = Released(hiddenSize: 4096, layers: 43, heads: 64) with
    {
        QueryRank = 1024,
        OutputGroups = 8,
        IndexTopK = 512,
        ExpertCount = 256,
        ExpertHiddenSize = 2048,
        RoutedScalingFactor = 1.5f,
        CompressRatios = Ratios(first: 0, pairs: 20),
    };

    /// <summary>DeepSeek-V4-Pro: 1,573 billion parameters, 49.8 billion active.</summary>
    public static ModelConfig Pro { get; } = Released(hiddenSize: 7168, layers: 61, heads: 128) with
    {
        QueryRank = 1536,
        OutputGroups = 16,
        IndexTopK = 1024,
        ExpertCount = 384,
        ExpertHiddenSize = 3072,
        RoutedScalingFactor = 2.5f,
        CompressRatios = Ratios(first: 128, pairs: 29),
    };

    /// <summary>What both models share; the rest is set by each.</summary>
    private static ModelConfig Released(int hiddenSize, int layers, int heads) => new()
    {
        HiddenSize = hiddenSize,
        VocabularySize = 129_280,
        LayerCount = layers,
        MtpLayerCount = 1,
        HeadCount = heads,
        HeadDim = 512,
        RopeDim = 64,
        QueryRank = 0,
        OutputGroups = 0,
        OutputRank = 1024,
        SlidingWindow = 128,
        CompressRatios = [],
        IndexHeadCount = 64,
        IndexHeadDim = 128,
        IndexTopK = 0,
        ExpertCount = 0,
        ExpertsPerToken = 6,
        SharedExpertCount = 1,
        ExpertHiddenSize = 0,
        HashLayerCount = 3,
        Scoring = ScoringFunction.SqrtSoftplus,
        RoutedScalingFactor = 0,
        SwiGluLimit = 10,
        HcMult = 4,
        HcSinkhornIterations = 20,
        HcEpsilon = 1e-6f,
        RmsNormEpsilon = 1e-6f,
        RopeTheta = 10_000,
        CompressRopeTheta = 160_000,
        YarnFactor = 16,
        YarnOriginalContext = 65_536,
        YarnBetaFast = 32,
        YarnBetaSlow = 1,
        MaxPositions = 1_048_576,
    };

    /// <summary>Two layers of one kind, then CSA and HCA in turn, one more CSA, and 0 for the MTP block.</summary>
    private static int[] Ratios(int first, int pairs) =>
        [first, first, .. Enumerable.Range(0, pairs).SelectMany(_ => (int[])[4, 128]), 4, 0];
}
