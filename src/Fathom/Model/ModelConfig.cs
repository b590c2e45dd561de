using Fathom.Devices;

namespace Fathom.Model;

/// <summary>
/// The shape of a DeepSeek-V4 model: config.json as a record, checked once, at the door. Comments give the paper's letters.
/// </summary>
public sealed partial record ModelConfig
{
    /// <summary>Width of one residual stream, d.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Main layers, L; the MTP block is not counted.</summary>
    public required int LayerCount { get; init; }

    /// <summary>MTP blocks: 0 or 1.</summary>
    public int MtpLayerCount { get; init; }

    /// <summary>Query heads, n_h.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Width of a head and of the shared key-value row, c.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Rotary dimensions: the last of every head.</summary>
    public required int RopeDim { get; init; }

    /// <summary>Rank of the query's low-rank projection.</summary>
    public required int QueryRank { get; init; }

    /// <summary>Groups of the output projection, g.</summary>
    public required int OutputGroups { get; init; }

    /// <summary>Rank of the output projection per group, d_g.</summary>
    public required int OutputRank { get; init; }

    /// <summary>Raw tokens a query always sees, itself included, n_win.</summary>
    public required int SlidingWindow { get; init; }

    /// <summary>Compression ratio of each layer, 0 for none; MTP blocks follow the main layers.</summary>
    public required IReadOnlyList<int> CompressRatios { get; init; }

    /// <summary>Heads of the lightning indexer, n_h^I.</summary>
    public required int IndexHeadCount { get; init; }

    /// <summary>Width of an index key, c^I.</summary>
    public required int IndexHeadDim { get; init; }

    /// <summary>Compressed entries a CSA query attends to at most, k.</summary>
    public required int IndexTopK { get; init; }

    /// <summary>Routed experts per layer.</summary>
    public required int ExpertCount { get; init; }

    /// <summary>Routed experts a token uses.</summary>
    public required int ExpertsPerToken { get; init; }

    /// <summary>Shared experts (their widths add up).</summary>
    public required int SharedExpertCount { get; init; }

    /// <summary>Width of an expert's hidden layer.</summary>
    public required int ExpertHiddenSize { get; init; }

    /// <summary>First layers, which route by token id.</summary>
    public required int HashLayerCount { get; init; }

    /// <summary>How router logits become scores.</summary>
    public required ScoringFunction Scoring { get; init; }

    /// <summary>Whether the chosen experts' weights are divided by their sum.</summary>
    public bool NormalizeExpertWeights { get; init; } = true;

    /// <summary>Factor on the routed experts' weights.</summary>
    public required float RoutedScalingFactor { get; init; }

    /// <summary>Clamp of SwiGLU: the gate from above, the up projection on both sides; 0 for none.</summary>
    public required float SwiGluLimit { get; init; }

    /// <summary>Residual streams, n_hc.</summary>
    public required int HcMult { get; init; }

    /// <summary>Sinkhorn rounds, t_max.</summary>
    public required int HcSinkhornIterations { get; init; }

    /// <summary>ε of the hyper-connections.</summary>
    public required float HcEpsilon { get; init; }

    /// <summary>ε of every RMS norm.</summary>
    public required float RmsNormEpsilon { get; init; }

    /// <summary>θ of layers without compression and of MTP.</summary>
    public required float RopeTheta { get; init; }

    /// <summary>θ of layers with compression.</summary>
    public required float CompressRopeTheta { get; init; }

    /// <summary>YaRN's factor; 1 for no scaling.</summary>
    public required float YarnFactor { get; init; }

    /// <summary>Context length before YaRN, in tokens.</summary>
    public required int YarnOriginalContext { get; init; }

    /// <summary>YaRN's β_fast.</summary>
    public required float YarnBetaFast { get; init; }

    /// <summary>YaRN's β_slow.</summary>
    public required float YarnBetaSlow { get; init; }

    /// <summary>Longest context, in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Id of the token that begins every text.</summary>
    public int BosToken { get; init; }

    /// <summary>Id of the token that ends a text.</summary>
    public int EosToken { get; init; } = 1;

    /// <summary>Dimensions of a head that RoPE leaves alone, c − r.</summary>
    public int NonRotaryDim => HeadDim - RopeDim;
}
