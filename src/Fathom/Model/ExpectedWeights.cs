namespace Fathom.Model;

/// <summary>Every weight that a model of a config must have, in the order in which a token meets them.</summary>
public static class ExpectedWeights
{
    // One scale each for the mixing weights before, after and between the streams.
    private const int HcScales = 3;

    /// <summary>The weights of the whole model; MTP blocks come last and can be left out, as transformers' checkpoints leave them out.</summary>
    /// <param name="config">a validated config</param> <param name="withMtp">whether to list the MTP blocks</param>
    public static IEnumerable<ExpectedWeight> Of(ModelConfig config, bool withMtp = true)
    {
        ArgumentNullException.ThrowIfNull(config);
        var list = new Lister(config, -1);
        yield return list.Matrix(WeightPart.Embedding, WeightRole.Plain, config.VocabularySize, config.HiddenSize);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            foreach (ExpectedWeight weight in Block(config, LayerPlan.For(config, layer)))
            {
                yield return weight;
            }
        }
        foreach (ExpectedWeight weight in Collapse(config, list))
        {
            yield return weight;
        }
        yield return list.Matrix(WeightPart.Head, WeightRole.Plain, config.VocabularySize, config.HiddenSize);
        int end = config.LayerCount + (withMtp ? config.MtpLayerCount : 0);
        for (int layer = config.LayerCount; layer < end; layer++)
        {
            foreach (ExpectedWeight weight in Mtp(config, LayerPlan.For(config, layer)))
            {
                yield return weight;
            }
        }
    }

    /// <summary>The weights of one layer, or of the block inside an MTP layer.</summary>
    public static IEnumerable<ExpectedWeight> Block(ModelConfig config, LayerPlan plan)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(plan);
        var list = new Lister(config, plan.Layer);
        IEnumerable<ExpectedWeight> attention = Attention(config, list);
        if (plan.Attention != AttentionKind.Window)
        {
            attention = attention.Concat(Compressor(config, plan, list));
        }
        if (plan.Attention == AttentionKind.Csa)
        {
            attention = attention.Concat(Indexer(config, plan, list));
        }
        return attention.Concat(Experts(config, plan, list));
    }

    private static IEnumerable<ExpectedWeight> Attention(ModelConfig config, Lister list)
    {
        int heads = config.HeadCount * config.HeadDim;
        yield return list.Matrix(WeightPart.HcAttentionFn, WeightRole.Exact, HcOutputs(config), config.HcMult * config.HiddenSize);
        yield return list.Vector(WeightPart.HcAttentionBase, WeightRole.Exact, HcOutputs(config));
        yield return list.Vector(WeightPart.HcAttentionScale, WeightRole.Exact, HcScales);
        yield return list.Vector(WeightPart.AttentionNorm, WeightRole.Plain, config.HiddenSize);
        yield return list.Matrix(WeightPart.QueryDown, WeightRole.Linear, config.QueryRank, config.HiddenSize);
        yield return list.Vector(WeightPart.QueryNorm, WeightRole.Plain, config.QueryRank);
        yield return list.Matrix(WeightPart.QueryUp, WeightRole.Linear, heads, config.QueryRank);
        yield return list.Matrix(WeightPart.KeyValue, WeightRole.Linear, config.HeadDim, config.HiddenSize);
        yield return list.Vector(WeightPart.KeyValueNorm, WeightRole.Plain, config.HeadDim);
        yield return list.Vector(WeightPart.Sink, WeightRole.Exact, config.HeadCount);
        yield return list.Matrix(WeightPart.OutputDown, WeightRole.Linear, config.OutputGroups * config.OutputRank, heads / config.OutputGroups);
        yield return list.Matrix(WeightPart.OutputUp, WeightRole.Linear, config.HiddenSize, config.OutputGroups * config.OutputRank);
    }

    private static IEnumerable<ExpectedWeight> Compressor(ModelConfig config, LayerPlan plan, Lister list)
    {
        int width = plan.WindowsPerEntry * config.HeadDim;
        yield return list.Matrix(WeightPart.CompressorKv, WeightRole.Plain, width, config.HiddenSize);
        yield return list.Matrix(WeightPart.CompressorGate, WeightRole.Plain, width, config.HiddenSize);
        yield return list.Matrix(WeightPart.CompressorPositionBias, WeightRole.Exact, plan.Ratio, width);
        yield return list.Vector(WeightPart.CompressorNorm, WeightRole.Plain, config.HeadDim);
    }

    private static IEnumerable<ExpectedWeight> Indexer(ModelConfig config, LayerPlan plan, Lister list)
    {
        int width = plan.WindowsPerEntry * config.IndexHeadDim;
        yield return list.Matrix(WeightPart.IndexQuery, WeightRole.Linear, config.IndexHeadCount * config.IndexHeadDim, config.QueryRank);
        yield return list.Matrix(WeightPart.IndexHeadWeights, WeightRole.Plain, config.IndexHeadCount, config.HiddenSize);
        yield return list.Matrix(WeightPart.IndexCompressorKv, WeightRole.Plain, width, config.HiddenSize);
        yield return list.Matrix(WeightPart.IndexCompressorGate, WeightRole.Plain, width, config.HiddenSize);
        yield return list.Matrix(WeightPart.IndexCompressorPositionBias, WeightRole.Exact, plan.Ratio, width);
        yield return list.Vector(WeightPart.IndexCompressorNorm, WeightRole.Plain, config.IndexHeadDim);
    }

    private static IEnumerable<ExpectedWeight> Experts(ModelConfig config, LayerPlan plan, Lister list)
    {
        yield return list.Matrix(WeightPart.HcExpertsFn, WeightRole.Exact, HcOutputs(config), config.HcMult * config.HiddenSize);
        yield return list.Vector(WeightPart.HcExpertsBase, WeightRole.Exact, HcOutputs(config));
        yield return list.Vector(WeightPart.HcExpertsScale, WeightRole.Exact, HcScales);
        yield return list.Vector(WeightPart.ExpertsNorm, WeightRole.Plain, config.HiddenSize);
        yield return list.Matrix(WeightPart.Router, WeightRole.Plain, config.ExpertCount, config.HiddenSize);
        yield return plan.Routing == RoutingKind.Hash
            ? list.Matrix(WeightPart.ExpertsByToken, WeightRole.Ids, config.VocabularySize, config.ExpertsPerToken)
            : list.Vector(WeightPart.RouterBias, WeightRole.Exact, config.ExpertCount);
        for (int expert = 0; expert < config.ExpertCount; expert++)
        {
            yield return list.Matrix(WeightPart.ExpertGate, WeightRole.Expert, config.ExpertHiddenSize, config.HiddenSize, expert);
            yield return list.Matrix(WeightPart.ExpertUp, WeightRole.Expert, config.ExpertHiddenSize, config.HiddenSize, expert);
            yield return list.Matrix(WeightPart.ExpertDown, WeightRole.Expert, config.HiddenSize, config.ExpertHiddenSize, expert);
        }
        if (config.SharedExpertCount > 0)
        {
            int width = config.SharedExpertCount * config.ExpertHiddenSize;
            yield return list.Matrix(WeightPart.SharedGate, WeightRole.Linear, width, config.HiddenSize);
            yield return list.Matrix(WeightPart.SharedUp, WeightRole.Linear, width, config.HiddenSize);
            yield return list.Matrix(WeightPart.SharedDown, WeightRole.Linear, config.HiddenSize, width);
        }
    }

    private static IEnumerable<ExpectedWeight> Mtp(ModelConfig config, LayerPlan plan)
    {
        var list = new Lister(config, plan.Layer);
        ExpectedWeight[] entry =
        [
            list.Vector(WeightPart.MtpEmbeddingNorm, WeightRole.Plain, config.HiddenSize),
            list.Vector(WeightPart.MtpHiddenNorm, WeightRole.Plain, config.HiddenSize),
            list.Matrix(WeightPart.MtpEmbedding, WeightRole.Linear, config.HiddenSize, config.HiddenSize),
            list.Matrix(WeightPart.MtpHidden, WeightRole.Linear, config.HiddenSize, config.HiddenSize),
        ];
        return entry.Concat(Block(config, plan)).Concat(Collapse(config, list));
    }

    private static ExpectedWeight[] Collapse(ModelConfig config, Lister list) =>
    [
        list.Matrix(WeightPart.HcHeadFn, WeightRole.Exact, config.HcMult, config.HcMult * config.HiddenSize),
        list.Vector(WeightPart.HcHeadBase, WeightRole.Exact, config.HcMult),
        list.Vector(WeightPart.HcHeadScale, WeightRole.Exact, 1),
        list.Vector(WeightPart.FinalNorm, WeightRole.Plain, config.HiddenSize),
    ];

    private static int HcOutputs(ModelConfig config) => (2 * config.HcMult) + (config.HcMult * config.HcMult);

    private readonly struct Lister(ModelConfig config, int layer)
    {
        public ExpectedWeight Matrix(WeightPart part, WeightRole role, int rows, int columns, int expert = -1) =>
            Make(new WeightKey(part, layer, expert), role, rows, columns, isVector: false);

        public ExpectedWeight Vector(WeightPart part, WeightRole role, int length) =>
            Make(new WeightKey(part, layer), role, 1, length, isVector: true);

        private ExpectedWeight Make(WeightKey key, WeightRole role, int rows, int columns, bool isVector) =>
            new(key, WeightNames.Name(key, config.LayerCount), role, rows, columns, isVector);
    }
}
