using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Checkpoints;

/// <summary>
/// From a checkpoint to a device: matrices are packed, vectors widened to fp32, each value checked once. The checkpoint can be closed
/// afterwards.
/// </summary>
public sealed class WeightLoader
{
    private readonly Device _device;
    private readonly ModelConfig _config;
    private readonly Func<ExpectedWeight, StoredWeight> _read;
    private readonly PackedCheckpoint? _packed;
    private readonly Dictionary<WeightKey, ExpectedWeight> _expected;
    private readonly List<Storage> _owned = [];

    private WeightLoader(Device device, ModelConfig config, IEnumerable<ExpectedWeight> weights, Func<ExpectedWeight, StoredWeight> read, PackedCheckpoint? packed)
    {
        _device = device;
        _config = config;
        _read = read;
        _packed = packed;
        _expected = weights.ToDictionary(weight => weight.Key);
    }

    /// <summary>Loads every weight.</summary>
    /// <param name="device">where to</param>
    /// <param name="config">the model's shape</param>
    /// <param name="reader">finds and checks the tensors</param>
    /// <returns>the weights; the caller disposes them</returns>
    /// <exception cref="CheckpointException">a tensor is missing, contradicts the config or holds a value that is no number</exception>
    public static ModelWeights Load(Device device, ModelConfig config, CheckpointReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return Load(device, config, reader.Weights, reader.Read);
    }

    /// <summary>Takes every weight of a packed checkpoint, which must outlive them: matrices may stay where they are mapped.</summary>
    /// <param name="device">where to</param> <param name="config">the model's shape</param> <param name="packed">the checkpoint</param>
    /// <returns>the weights; the caller disposes them</returns>
    /// <exception cref="CheckpointException">a weight is missing, contradicts the config or holds a value that is no number</exception>
    public static ModelWeights Load(Device device, ModelConfig config, PackedCheckpoint packed)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(packed);
        return Load(new WeightLoader(device, config, packed.Weights, packed.Read, packed));
    }

    /// <summary>Loads every weight from wherever <paramref name="read"/> has it.</summary>
    /// <param name="device">where to</param>
    /// <param name="config">the model's shape</param>
    /// <param name="weights">what there is: all that the config asks for; MTP blocks may be missing</param>
    /// <param name="read">a weight as stored; what it returns must last until the next kind of weight is read</param>
    /// <returns>the weights; the caller disposes them</returns>
    /// <exception cref="CheckpointException">a weight holds a value that is no number</exception>
    public static ModelWeights Load(
        Device device, ModelConfig config, IEnumerable<ExpectedWeight> weights, Func<ExpectedWeight, StoredWeight> read)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(read);
        return Load(new WeightLoader(device, config, weights, read, packed: null));
    }

    private static ModelWeights Load(WeightLoader loader)
    {
        try
        {
            return loader.Model();
        }
        catch
        {
            loader._owned.ForEach(storage => storage.Dispose());
            throw;
        }
    }

    private ModelWeights Model()
    {
        var layers = new LayerWeights[_config.LayerCount];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = Layer(LayerPlan.For(_config, i));
        }
        bool hasMtp = _config.MtpLayerCount > 0 && _expected.ContainsKey(new WeightKey(WeightPart.MtpEmbedding, _config.LayerCount));
        return new ModelWeights(_owned)
        {
            Embedding = Table(new WeightKey(WeightPart.Embedding)),
            Layers = layers,
            Mtp = hasMtp ? Mtp(LayerPlan.For(_config, _config.LayerCount)) : null,
            HeadHc = Hc(-1, WeightPart.HcHeadFn, WeightPart.HcHeadScale, WeightPart.HcHeadBase),
            Norm = Vector(WeightPart.FinalNorm, -1),
            Head = Matrix(WeightPart.Head, -1),
        };
    }

    private MtpWeights Mtp(LayerPlan plan) => new()
    {
        EmbeddingNorm = Vector(WeightPart.MtpEmbeddingNorm, plan.Layer),
        StreamNorm = Vector(WeightPart.MtpHiddenNorm, plan.Layer),
        EmbeddingProjection = Matrix(WeightPart.MtpEmbedding, plan.Layer),
        StreamProjection = Matrix(WeightPart.MtpHidden, plan.Layer),
        Layer = Layer(plan),
        HeadHc = Hc(plan.Layer, WeightPart.HcHeadFn, WeightPart.HcHeadScale, WeightPart.HcHeadBase),
        Norm = Vector(WeightPart.FinalNorm, plan.Layer),
    };

    private LayerWeights Layer(LayerPlan plan) => new()
    {
        AttentionHc = Hc(plan.Layer, WeightPart.HcAttentionFn, WeightPart.HcAttentionScale, WeightPart.HcAttentionBase),
        AttentionNorm = Vector(WeightPart.AttentionNorm, plan.Layer),
        Attention = Attention(plan),
        ExpertsHc = Hc(plan.Layer, WeightPart.HcExpertsFn, WeightPart.HcExpertsScale, WeightPart.HcExpertsBase),
        ExpertsNorm = Vector(WeightPart.ExpertsNorm, plan.Layer),
        Experts = Experts(plan),
    };

    private AttentionWeights Attention(LayerPlan plan) => new()
    {
        QueryDown = Matrix(WeightPart.QueryDown, plan.Layer),
        QueryNorm = Vector(WeightPart.QueryNorm, plan.Layer),
        QueryUp = Matrix(WeightPart.QueryUp, plan.Layer),
        KeyValue = Matrix(WeightPart.KeyValue, plan.Layer),
        KeyValueNorm = Vector(WeightPart.KeyValueNorm, plan.Layer),
        Sinks = Vector(WeightPart.Sink, plan.Layer),
        OutputDown = Matrix(WeightPart.OutputDown, plan.Layer),
        OutputUp = Matrix(WeightPart.OutputUp, plan.Layer),
        Compressor = plan.Attention == AttentionKind.Window ? null : new CompressorWeights
        {
            KeyValue = Matrix(WeightPart.CompressorKv, plan.Layer),
            Gate = Matrix(WeightPart.CompressorGate, plan.Layer),
            PositionBias = Vector(WeightPart.CompressorPositionBias, plan.Layer),
            Norm = Vector(WeightPart.CompressorNorm, plan.Layer),
        },
        Indexer = plan.Attention != AttentionKind.Csa ? null : new IndexerWeights
        {
            QueryUp = Matrix(WeightPart.IndexQuery, plan.Layer),
            HeadWeights = Matrix(WeightPart.IndexHeadWeights, plan.Layer),
            Compressor = new CompressorWeights
            {
                KeyValue = Matrix(WeightPart.IndexCompressorKv, plan.Layer),
                Gate = Matrix(WeightPart.IndexCompressorGate, plan.Layer),
                PositionBias = Vector(WeightPart.IndexCompressorPositionBias, plan.Layer),
                Norm = Vector(WeightPart.IndexCompressorNorm, plan.Layer),
            },
        },
    };

    private ExpertsWeights Experts(LayerPlan plan) => new()
    {
        Router = Matrix(WeightPart.Router, plan.Layer),
        Bias = plan.Routing == RoutingKind.Scored ? Vector(WeightPart.RouterBias, plan.Layer) : default,
        ExpertsByToken = plan.Routing == RoutingKind.Hash ? Ids(new WeightKey(WeightPart.ExpertsByToken, plan.Layer)) : default,
        Routed = new ExpertOperand(
            Matrix(WeightPart.ExpertGate, plan.Layer), Matrix(WeightPart.ExpertUp, plan.Layer), Matrix(WeightPart.ExpertDown, plan.Layer)),
        Shared = _config.SharedExpertCount == 0 ? null : new ExpertOperand(
            Matrix(WeightPart.SharedGate, plan.Layer), Matrix(WeightPart.SharedUp, plan.Layer), Matrix(WeightPart.SharedDown, plan.Layer)),
    };

    private HyperConnectionOperand Hc(int layer, WeightPart fn, WeightPart scale, WeightPart bias) => new(
        Matrix(fn, layer), Vector(scale, layer), Vector(bias, layer), _config.HcSinkhornIterations, _config.HcEpsilon, _config.RmsNormEpsilon);

    private WeightMatrix Matrix(WeightPart part, int layer)
    {
        if (_packed is not null)
        {
            return _device.Place(_packed.Matrix(part, layer));
        }
        return WeightPlacements.Of(part) switch
        {
            WeightPlacement.Groups => Groups(part, layer),
            WeightPlacement.Experts => Stack(part, layer),
            _ => Pack([Raw(new WeightKey(part, layer))]),
        };
    }

    // The groups of the output projection lie one behind the other in the rows of one matrix.
    private WeightMatrix Groups(WeightPart part, int layer)
    {
        RawMatrix whole = Raw(new WeightKey(part, layer));
        int rows = _config.OutputRank;
        var groups = new RawMatrix[_config.OutputGroups];
        for (int g = 0; g < groups.Length; g++)
        {
            groups[g] = whole with { FirstRow = g * rows, Rows = rows };
        }
        return Pack(groups);
    }

    private WeightMatrix Stack(WeightPart part, int layer)
    {
        var experts = new RawMatrix[_config.ExpertCount];
        for (int e = 0; e < experts.Length; e++)
        {
            experts[e] = Raw(new WeightKey(part, layer, e));
            if (experts[e].Values.Type != experts[0].Values.Type)
            {
                ExpectedWeight weight = _expected[new WeightKey(part, layer, e)];
                throw new CheckpointException(
                    $"{weight.Name}: expected {experts[0].Values.Type} like expert 0 of this layer, found {experts[e].Values.Type}. Convert the layer's experts to one format.");
            }
        }
        return Pack(experts);
    }

    private WeightMatrix Pack(ReadOnlySpan<RawMatrix> stack)
    {
        WeightMatrix matrix = _device.Pack(stack);
        _owned.Add(matrix.Storage);
        return matrix;
    }

    private RawMatrix Raw(WeightKey key)
    {
        ExpectedWeight weight = _expected[key];
        StoredWeight stored = _read(weight);
        FiniteValues.Check(weight, stored);
        return new RawMatrix(stored.Values, stored.Scales);
    }

    // Norms, biases, sinks and position biases: a few numbers, always fp32 on the device.
    private Tensor Vector(WeightPart part, int layer)
    {
        Tensor values = Raw(new WeightKey(part, layer)).Values;
        Tensor target = Allocate(values.Rows, values.Columns, DType.F32);
        if (values.Type == DType.F32)
        {
            _device.Upload(MemoryMarshal.AsBytes(values.Span<float>()), target);
        }
        else
        {
            float[] widened = Array.ConvertAll(values.Span<ushort>().ToArray(), Formats.Bf16.ToSingle);
            _device.Upload(MemoryMarshal.AsBytes<float>(widened), target);
        }
        return target;
    }

    // The embedding keeps its format: only single rows of it are ever read.
    private Tensor Table(WeightKey key)
    {
        Tensor values = Raw(key).Values;
        Tensor target = Allocate(values.Rows, values.Columns, values.Type);
        for (int row = 0; row < values.Rows; row++)
        {
            _device.Upload(values.Row(row).Span<byte>(), target.Row(row));
        }
        return target;
    }

    private Tensor Ids(WeightKey key)
    {
        ExpectedWeight weight = _expected[key];
        Tensor values = _read(weight).Values;
        var ids = new int[values.Count];
        for (int i = 0; i < ids.Length; i++)
        {
            long id = values.Type == DType.I64 ? values.Span<long>()[i] : values.Span<int>()[i];
            if (id < 0 || id >= _config.ExpertCount)
            {
                throw new CheckpointException(
                    $"{weight.Name}: expected expert ids from 0 to {_config.ExpertCount - 1}, found {id} for token {i / values.Columns}. Is n_routed_experts right in config.json?");
            }
            ids[i] = (int)id;
        }
        Tensor target = Allocate(values.Rows, values.Columns, DType.I32);
        _device.Upload(MemoryMarshal.AsBytes<int>(ids), target);
        return target;
    }

    private Tensor Allocate(int rows, int columns, DType type)
    {
        Storage storage = _device.Allocate((long)rows * columns * type.Size(), MemoryPurpose.Weights);
        _owned.Add(storage);
        return new Tensor(storage, 0, type, 1, rows, columns);
    }
}
