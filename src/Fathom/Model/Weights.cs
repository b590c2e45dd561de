using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>Every tensor of a model, as views of storages that <see cref="ModelWeights"/> owns.</summary>
public sealed class ModelWeights(IReadOnlyList<Storage> owned) : IDisposable
{
    /// <summary>embed, F32 or BF16, (vocabulary, d).</summary>
    public required Tensor Embedding { get; init; }

    /// <summary>One for each main layer.</summary>
    public required IReadOnlyList<LayerWeights> Layers { get; init; }

    /// <summary>The MTP block, or null.</summary>
    public required MtpWeights? Mtp { get; init; }

    /// <summary>The final collapse of the streams.</summary>
    public required HyperConnectionOperand HeadHc { get; init; }

    /// <summary>norm, (d).</summary>
    public required Tensor Norm { get; init; }

    /// <summary>head, (vocabulary, d).</summary>
    public required WeightMatrix Head { get; init; }

    /// <summary>Frees the weights' memory.</summary>
    public void Dispose()
    {
        foreach (Storage storage in owned)
        {
            storage.Dispose();
        }
    }
}

/// <summary>One layer: attention, then experts, each within a hyper-connection.</summary>
public sealed record LayerWeights
{
    /// <summary>Hyper-connection around attention.</summary>
    public required HyperConnectionOperand AttentionHc { get; init; }

    /// <summary>attn_norm, (d).</summary>
    public required Tensor AttentionNorm { get; init; }

    /// <summary>The attention sublayer.</summary>
    public required AttentionWeights Attention { get; init; }

    /// <summary>Hyper-connection around the experts.</summary>
    public required HyperConnectionOperand ExpertsHc { get; init; }

    /// <summary>ffn_norm, (d).</summary>
    public required Tensor ExpertsNorm { get; init; }

    /// <summary>The mixture of experts.</summary>
    public required ExpertsWeights Experts { get; init; }
}

/// <summary>Attention with low-rank queries, one shared key-value row and a grouped output projection.</summary>
public sealed record AttentionWeights
{
    /// <summary>wq_a, (q rank, d).</summary>
    public required WeightMatrix QueryDown { get; init; }

    /// <summary>q_norm, (q rank).</summary>
    public required Tensor QueryNorm { get; init; }

    /// <summary>wq_b, (n_h · c, q rank).</summary>
    public required WeightMatrix QueryUp { get; init; }

    /// <summary>wkv, (c, d).</summary>
    public required WeightMatrix KeyValue { get; init; }

    /// <summary>kv_norm, (c).</summary>
    public required Tensor KeyValueNorm { get; init; }

    /// <summary>attn_sink, (n_h).</summary>
    public required Tensor Sinks { get; init; }

    /// <summary>wo_a, g × (d_g, n_h · c / g).</summary>
    public required WeightMatrix OutputDown { get; init; }

    /// <summary>wo_b, (d, g · d_g).</summary>
    public required WeightMatrix OutputUp { get; init; }

    /// <summary>The compressor of CSA and HCA layers, else null.</summary>
    public required CompressorWeights? Compressor { get; init; }

    /// <summary>The lightning indexer of CSA layers, else null.</summary>
    public required IndexerWeights? Indexer { get; init; }
}

/// <summary>A compressor; w is 2 where windows overlap, else 1.</summary>
public sealed record CompressorWeights
{
    /// <summary>W^KV, (w · c, d).</summary>
    public required WeightMatrix KeyValue { get; init; }

    /// <summary>W^Z, (w · c, d).</summary>
    public required WeightMatrix Gate { get; init; }

    /// <summary>B, ape, (ratio, w · c).</summary>
    public required Tensor PositionBias { get; init; }

    /// <summary>norm, (c).</summary>
    public required Tensor Norm { get; init; }
}

/// <summary>The lightning indexer.</summary>
public sealed record IndexerWeights
{
    /// <summary>wq_b, (n_h^I · c^I, q rank).</summary>
    public required WeightMatrix QueryUp { get; init; }

    /// <summary>weights_proj, (n_h^I, d).</summary>
    public required WeightMatrix HeadWeights { get; init; }

    /// <summary>Makes the index keys.</summary>
    public required CompressorWeights Compressor { get; init; }
}

/// <summary>Router and experts.</summary>
public sealed record ExpertsWeights
{
    /// <summary>gate, (E, d).</summary>
    public required WeightMatrix Router { get; init; }

    /// <summary>gate.bias, (E), of scored layers; else none.</summary>
    public required Tensor Bias { get; init; }

    /// <summary>tid2eid, I32, (vocabulary, k), of hash layers; else none.</summary>
    public required Tensor ExpertsByToken { get; init; }

    /// <summary>w1, w3, w2 of all experts.</summary>
    public required ExpertOperand Routed { get; init; }

    /// <summary>The shared expert, or null.</summary>
    public required ExpertOperand? Shared { get; init; }
}

/// <summary>The MTP block and what surrounds it; embedding and head are the model's.</summary>
public sealed record MtpWeights
{
    /// <summary>enorm, (d).</summary>
    public required Tensor EmbeddingNorm { get; init; }

    /// <summary>hnorm, (d).</summary>
    public required Tensor StreamNorm { get; init; }

    /// <summary>e_proj, (d, d).</summary>
    public required WeightMatrix EmbeddingProjection { get; init; }

    /// <summary>h_proj, (d, d).</summary>
    public required WeightMatrix StreamProjection { get; init; }

    /// <summary>The block itself.</summary>
    public required LayerWeights Layer { get; init; }

    /// <summary>Its own collapse of the streams.</summary>
    public required HyperConnectionOperand HeadHc { get; init; }

    /// <summary>norm, (d).</summary>
    public required Tensor Norm { get; init; }
}
