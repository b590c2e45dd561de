using Fathom.Model;
using Fathom.Planning;

namespace Fathom.Tests.Planning;

internal static class TinyConfigs
{
    /// <summary>The shape of models/seed/config.json.</summary>
    public static ModelConfig Seed { get; } = KnownModels.Flash with
    {
        HiddenSize = 160,
        VocabularySize = 1024,
        LayerCount = 4,
        MtpLayerCount = 0,
        HeadCount = 4,
        HeadDim = 96,
        RopeDim = 32,
        QueryRank = 64,
        OutputGroups = 2,
        OutputRank = 64,
        CompressRatios = [0, 4, 128, 4],
        IndexHeadCount = 4,
        IndexHeadDim = 64,
        ExpertCount = 8,
        ExpertsPerToken = 2,
        ExpertHiddenSize = 128,
        HashLayerCount = 1,
    };
}
