namespace Fathom.Model;

/// <summary>How a device holds a part of a layer.</summary>
internal enum WeightPlacement
{
    /// <summary>Numbers as they are: vectors, biases, the embedding, ids.</summary>
    Numbers,

    /// <summary>One matrix, packed.</summary>
    Matrix,

    /// <summary>The output groups, which lie one behind the other in the rows of one weight, as a packed stack.</summary>
    Groups,

    /// <summary>All routed experts of the layer as a packed stack.</summary>
    Experts,
}

/// <summary>What a weight does, independent of its name in a checkpoint and of its layer. Comments give the official spelling.</summary>
public enum WeightPart
{
    /// <summary>embed: (V, d).</summary>
    Embedding,

    /// <summary>head: (V, d).</summary>
    Head,

    /// <summary>norm: before the head; an MTP block has its own.</summary>
    FinalNorm,

    /// <summary>hc_head_fn: (n_hc, n_hc·d); an MTP block has its own, as of the next two.</summary>
    HcHeadFn,

    /// <summary>hc_head_base.</summary>
    HcHeadBase,

    /// <summary>hc_head_scale.</summary>
    HcHeadScale,

    /// <summary>attn_norm.</summary>
    AttentionNorm,

    /// <summary>ffn_norm.</summary>
    ExpertsNorm,

    /// <summary>hc_attn_fn: (2·n_hc + n_hc², n_hc·d).</summary>
    HcAttentionFn,

    /// <summary>hc_attn_base.</summary>
    HcAttentionBase,

    /// <summary>hc_attn_scale.</summary>
    HcAttentionScale,

    /// <summary>hc_ffn_fn.</summary>
    HcExpertsFn,

    /// <summary>hc_ffn_base.</summary>
    HcExpertsBase,

    /// <summary>hc_ffn_scale.</summary>
    HcExpertsScale,

    /// <summary>attn.attn_sink: one per head.</summary>
    Sink,

    /// <summary>attn.wq_a: down to the query's rank.</summary>
    QueryDown,

    /// <summary>attn.q_norm.</summary>
    QueryNorm,

    /// <summary>attn.wq_b: up to every head.</summary>
    QueryUp,

    /// <summary>attn.wkv: the shared key-value row.</summary>
    KeyValue,

    /// <summary>attn.kv_norm.</summary>
    KeyValueNorm,

    /// <summary>attn.wo_a: each group of heads down to its rank, groups stacked by rows.</summary>
    OutputDown,

    /// <summary>attn.wo_b: back to the stream.</summary>
    OutputUp,

    /// <summary>attn.compressor.wkv.</summary>
    CompressorKv,

    /// <summary>attn.compressor.wgate.</summary>
    CompressorGate,

    /// <summary>attn.compressor.ape.</summary>
    CompressorPositionBias,

    /// <summary>attn.compressor.norm.</summary>
    CompressorNorm,

    /// <summary>attn.indexer.wq_b.</summary>
    IndexQuery,

    /// <summary>attn.indexer.weights_proj.</summary>
    IndexHeadWeights,

    /// <summary>attn.indexer.compressor.wkv.</summary>
    IndexCompressorKv,

    /// <summary>attn.indexer.compressor.wgate.</summary>
    IndexCompressorGate,

    /// <summary>attn.indexer.compressor.ape.</summary>
    IndexCompressorPositionBias,

    /// <summary>attn.indexer.compressor.norm.</summary>
    IndexCompressorNorm,

    /// <summary>ffn.gate.weight: router logits.</summary>
    Router,

    /// <summary>ffn.gate.bias: added to scores for the choice only.</summary>
    RouterBias,

    /// <summary>ffn.gate.tid2eid: experts by token id.</summary>
    ExpertsByToken,

    /// <summary>ffn.experts.E.w1.</summary>
    ExpertGate,

    /// <summary>ffn.experts.E.w3.</summary>
    ExpertUp,

    /// <summary>ffn.experts.E.w2.</summary>
    ExpertDown,

    /// <summary>ffn.shared_experts.w1.</summary>
    SharedGate,

    /// <summary>ffn.shared_experts.w3.</summary>
    SharedUp,

    /// <summary>ffn.shared_experts.w2.</summary>
    SharedDown,

    /// <summary>mtp.N.e_proj: of the next token's embedding.</summary>
    MtpEmbedding,

    /// <summary>mtp.N.h_proj: of the streams.</summary>
    MtpHidden,

    /// <summary>mtp.N.enorm.</summary>
    MtpEmbeddingNorm,

    /// <summary>mtp.N.hnorm.</summary>
    MtpHiddenNorm,
}

/// <summary>Where the parts of a model go.</summary>
internal static class WeightPlacements
{
    /// <summary>How a device holds the part.</summary>
    public static WeightPlacement Of(WeightPart part) => part switch
    {
        WeightPart.OutputDown => WeightPlacement.Groups,
        WeightPart.ExpertGate or WeightPart.ExpertUp or WeightPart.ExpertDown => WeightPlacement.Experts,
        WeightPart.Head or WeightPart.HcHeadFn or WeightPart.HcAttentionFn or WeightPart.HcExpertsFn
            or WeightPart.QueryDown or WeightPart.QueryUp or WeightPart.KeyValue or WeightPart.OutputUp
            or WeightPart.CompressorKv or WeightPart.CompressorGate or WeightPart.IndexQuery or WeightPart.IndexHeadWeights
            or WeightPart.IndexCompressorKv or WeightPart.IndexCompressorGate or WeightPart.Router
            or WeightPart.SharedGate or WeightPart.SharedUp or WeightPart.SharedDown
            or WeightPart.MtpEmbedding or WeightPart.MtpHidden => WeightPlacement.Matrix,
        _ => WeightPlacement.Numbers,
    };
}
