using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Tests.Planning;

/// <summary>Every weight of a whole model with its released shape and format, and no values.</summary>
internal sealed class DryModel
{
    private readonly Device _device;
    private readonly ModelConfig _config;
    private readonly Dictionary<WeightKey, ExpectedWeight> _expected;
    private readonly List<Storage> _owned = [];

    private DryModel(Device device, ModelConfig config)
    {
        _device = device;
        _config = config;
        _expected = ExpectedWeights.Of(config, withMtp: false).ToDictionary(weight => weight.Key);
    }

    /// <summary>The main model; the caller disposes it.</summary>
    public static ModelWeights Load(Device device, ModelConfig config)
    {
        var own = new DryModel(device, config);
        return new ModelWeights(own._owned)
        {
            Embedding = own.Values(WeightPart.Embedding, -1),
            Layers = [.. Enumerable.Range(0, config.LayerCount).Select(layer => own.Layer(LayerPlan.For(config, layer)))],
            Mtp = null,
            HeadHc = own.Hc(-1, WeightPart.HcHeadFn, WeightPart.HcHeadScale, WeightPart.HcHeadBase),
            Norm = own.Values(WeightPart.FinalNorm, -1),
            Head = own.Matrix(WeightPart.Head, -1),
        };
    }

    private LayerWeights Layer(LayerPlan plan) => new()
    {
        AttentionHc = Hc(plan.Layer, WeightPart.HcAttentionFn, WeightPart.HcAttentionScale, WeightPart.HcAttentionBase),
        AttentionNorm = Values(WeightPart.AttentionNorm, plan.Layer),
        Attention = Attention(plan),
        ExpertsHc = Hc(plan.Layer, WeightPart.HcExpertsFn, WeightPart.HcExpertsScale, WeightPart.HcExpertsBase),
        ExpertsNorm = Values(WeightPart.ExpertsNorm, plan.Layer),
        Experts = new ExpertsWeights
        {
            Router = Matrix(WeightPart.Router, plan.Layer),
            Bias = plan.Routing == RoutingKind.Scored ? Values(WeightPart.RouterBias, plan.Layer) : default,
            ExpertsByToken = plan.Routing == RoutingKind.Hash ? Values(WeightPart.ExpertsByToken, plan.Layer) : default,
            Routed = Experts(WeightPart.ExpertGate, WeightPart.ExpertUp, WeightPart.ExpertDown, plan),
            Shared = Experts(WeightPart.SharedGate, WeightPart.SharedUp, WeightPart.SharedDown, plan),
        },
    };

    private AttentionWeights Attention(LayerPlan plan) => new()
    {
        QueryDown = Matrix(WeightPart.QueryDown, plan.Layer),
        QueryNorm = Values(WeightPart.QueryNorm, plan.Layer),
        QueryUp = Matrix(WeightPart.QueryUp, plan.Layer),
        KeyValue = Matrix(WeightPart.KeyValue, plan.Layer),
        KeyValueNorm = Values(WeightPart.KeyValueNorm, plan.Layer),
        Sinks = Values(WeightPart.Sink, plan.Layer),
        OutputDown = Matrix(WeightPart.OutputDown, plan.Layer),
        OutputUp = Matrix(WeightPart.OutputUp, plan.Layer),
        Compressor = plan.Attention == AttentionKind.Window ? null
            : Compressor(WeightPart.CompressorKv, WeightPart.CompressorGate, WeightPart.CompressorPositionBias, WeightPart.CompressorNorm, plan),
        Indexer = plan.Attention != AttentionKind.Csa ? null : new IndexerWeights
        {
            QueryUp = Matrix(WeightPart.IndexQuery, plan.Layer),
            HeadWeights = Matrix(WeightPart.IndexHeadWeights, plan.Layer),
            Compressor = Compressor(
                WeightPart.IndexCompressorKv, WeightPart.IndexCompressorGate, WeightPart.IndexCompressorPositionBias, WeightPart.IndexCompressorNorm, plan),
        },
    };

    private CompressorWeights Compressor(WeightPart values, WeightPart gate, WeightPart bias, WeightPart norm, LayerPlan plan) => new()
    {
        KeyValue = Matrix(values, plan.Layer),
        Gate = Matrix(gate, plan.Layer),
        PositionBias = Values(bias, plan.Layer),
        Norm = Values(norm, plan.Layer),
    };

    private ExpertOperand Experts(WeightPart gate, WeightPart up, WeightPart down, LayerPlan plan) =>
        new(Matrix(gate, plan.Layer), Matrix(up, plan.Layer), Matrix(down, plan.Layer));

    private HyperConnectionOperand Hc(int layer, WeightPart fn, WeightPart scale, WeightPart bias) => new(
        Matrix(fn, layer), Values(scale, layer), Values(bias, layer), _config.HcSinkhornIterations, _config.HcEpsilon, _config.RmsNormEpsilon);

    private WeightMatrix Matrix(WeightPart part, int layer)
    {
        Tensor values = Values(part, layer, WeightPlacements.Of(part) == WeightPlacement.Experts ? 0 : -1);
        RawMatrix[] stack = WeightPlacements.Of(part) switch
        {
            WeightPlacement.Experts => [.. Enumerable.Repeat(new RawMatrix(values, default), _config.ExpertCount)],
            WeightPlacement.Groups =>
                [.. Enumerable.Range(0, _config.OutputGroups).Select(g => new RawMatrix(values, default, g * _config.OutputRank, _config.OutputRank))],
            _ => [new RawMatrix(values, default)],
        };
        WeightMatrix matrix = _device.Pack(stack);
        _owned.Add(matrix.Storage);
        return matrix;
    }

    private Tensor Values(WeightPart part, int layer, int expert = -1)
    {
        ExpectedWeight weight = _expected[new WeightKey(part, layer, expert)];
        DType type = weight.ReleasedType;
        int columns = (int)weight.StoredShape(type)[^1];
        Storage storage = _device.Allocate((long)weight.Rows * columns * type.Size(), MemoryPurpose.Weights);
        _owned.Add(storage);
        return new Tensor(storage, 0, type, 1, weight.Rows, columns);
    }
}
