using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Planning;

/// <summary>
/// Every tensor of a checkpoint, derived from the config and two number formats: that of the projections (released: FP8) and that of the
/// routed experts (released: FP4). The rest is BF16 and F32.
/// </summary>
public sealed class TensorInventory
{
    private const int Outside = -1;
    private const int Fp8Block = 128;
    private const int Fp4Block = 32;

    private readonly ModelConfig _config;
    private readonly NumberFormat _projections;
    private readonly NumberFormat _experts;
    private readonly List<TensorGroup> _main = [];
    private readonly List<TensorGroup> _mtp = [];
    private List<TensorGroup> _target;
    private int _layer = Outside;

    private TensorInventory(ModelConfig config, NumberFormat projections, NumberFormat experts)
    {
        _config = config;
        _projections = projections;
        _experts = experts;
        _target = _main;
    }

    /// <summary>The main model's tensors, in the order of the checkpoint.</summary>
    public IReadOnlyList<TensorGroup> Main => _main;

    /// <summary>The MTP blocks' tensors.</summary>
    public IReadOnlyList<TensorGroup> Mtp => _mtp;

    /// <summary>Parameters of the main model.</summary>
    public long Parameters => _main.Sum(t => t.Parameters);

    /// <summary>Parameters of the MTP blocks.</summary>
    public long MtpParameters => _mtp.Sum(t => t.Parameters);

    /// <summary>Parameters of the main model that one token uses, the whole embedding included as in published figures.</summary>
    public long ActiveParameters => _main.Sum(t => t.ActiveParameters);

    /// <summary>Parameters that one token is multiplied by: the active ones of matrices.</summary>
    public long MultipliedParameters => _main.Where(t => t.IsMatrix).Sum(t => t.ActiveParameters);

    /// <summary>Operations of one token's products with the main model's weights.</summary>
    public FlopCount Flops => Sum(_main);

    /// <summary>Bytes of the main model.</summary>
    public long MainBytes => _main.Sum(t => t.Bytes);

    /// <summary>Bytes of the whole checkpoint, MTP blocks included.</summary>
    public long Bytes => MainBytes + _mtp.Sum(t => t.Bytes);

    /// <summary>Bytes of weights that one token alone in its batch reads, without MTP.</summary>
    public long BytesReadPerToken => _main.Sum(t => t.BytesRead);

    /// <summary>Bytes that one token's products with the main model's weights read in the engine's packed layout: matrices with their scales.</summary>
    public long PackedBytesRead => _main.Sum(t => t.PackedBytesRead);

    /// <summary>Entries in the checkpoint's header, scales and MTP blocks included.</summary>
    public int TensorCount => _main.Sum(t => t.TensorCount) + _mtp.Sum(t => t.TensorCount);

    /// <summary>Bytes of the main model in one number format.</summary>
    public long BytesIn(NumberFormat format) => _main.Where(t => t.Format == format).Sum(t => t.Bytes);

    /// <summary>Operations of one token's products with a main layer's weights, or outside of all layers for −1.</summary>
    public FlopCount FlopsOf(int layer) => Sum(_main.Where(t => t.Layer == layer));

    /// <summary>Lists the tensors of a model in the released number formats.</summary>
    public static TensorInventory For(ModelConfig config) => For(config, NumberFormat.Fp8, NumberFormat.Fp4);

    /// <summary>Lists the tensors of a model whose projections and routed experts are stored in other formats.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A format that holds no weights.</exception>
    public static TensorInventory For(ModelConfig config, NumberFormat projections, NumberFormat experts)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfEqual((int)projections, (int)NumberFormat.I64, nameof(projections));
        ArgumentOutOfRangeException.ThrowIfEqual((int)experts, (int)NumberFormat.I64, nameof(experts));
        var inventory = new TensorInventory(config, projections, experts);
        inventory.AddWholeModel();
        return inventory;
    }

    private void AddWholeModel()
    {
        ModelConfig c = _config;
        Lookup("embed", NumberFormat.Bf16, c.VocabularySize, c.HiddenSize);
        Bf16("head", c.VocabularySize, c.HiddenSize);
        Vector("norm", NumberFormat.Bf16, c.HiddenSize);
        StreamHead("");
        for (_layer = 0; _layer < c.LayerCount; _layer++)
            Block($"layers.{_layer}.", LayerPlan.For(c, _layer));

        _target = _mtp;
        for (int i = 0; i < c.MtpLayerCount; i++)
        {
            _layer = c.LayerCount + i;
            string prefix = $"mtp.{i}.";
            Block(prefix, LayerPlan.For(c, c.LayerCount + i));
            Projection(prefix + "e_proj", c.HiddenSize, c.HiddenSize);
            Projection(prefix + "h_proj", c.HiddenSize, c.HiddenSize);
            Vector(prefix + "enorm", NumberFormat.Bf16, c.HiddenSize);
            Vector(prefix + "hnorm", NumberFormat.Bf16, c.HiddenSize);
            Vector(prefix + "norm", NumberFormat.Bf16, c.HiddenSize);
            StreamHead(prefix);
        }
    }

    private void Block(string prefix, LayerPlan plan)
    {
        Vector(prefix + "attn_norm", NumberFormat.Bf16, _config.HiddenSize);
        Vector(prefix + "ffn_norm", NumberFormat.Bf16, _config.HiddenSize);
        HyperConnection(prefix + "hc_attn_");
        HyperConnection(prefix + "hc_ffn_");
        Attention(prefix + "attn.", plan);
        Experts(prefix + "ffn.", plan);
    }

    private void HyperConnection(string prefix)
    {
        int n = _config.HcMult;
        int mixes = n + n + n * n;                                  // pre, post, comb
        F32(prefix + "fn", mixes, (long)n * _config.HiddenSize);
        Vector(prefix + "base", NumberFormat.F32, mixes);
        Vector(prefix + "scale", NumberFormat.F32, 3);
    }

    private void StreamHead(string prefix)
    {
        int n = _config.HcMult;
        F32(prefix + "hc_head_fn", n, (long)n * _config.HiddenSize);
        Vector(prefix + "hc_head_base", NumberFormat.F32, n);
        Vector(prefix + "hc_head_scale", NumberFormat.F32, 1);
    }

    private void Attention(string prefix, LayerPlan plan)
    {
        ModelConfig c = _config;
        long heads = (long)c.HeadCount * c.HeadDim;
        Vector(prefix + "attn_sink", NumberFormat.F32, c.HeadCount);
        Projection(prefix + "wq_a", c.QueryRank, c.HiddenSize);
        Vector(prefix + "q_norm", NumberFormat.Bf16, c.QueryRank);
        Projection(prefix + "wq_b", heads, c.QueryRank);
        Projection(prefix + "wkv", c.HeadDim, c.HiddenSize);
        Vector(prefix + "kv_norm", NumberFormat.Bf16, c.HeadDim);
        Add(prefix + "wo_a", _projections, (long)c.OutputGroups * c.OutputRank, heads / c.OutputGroups, groups: c.OutputGroups);
        Projection(prefix + "wo_b", c.HiddenSize, (long)c.OutputGroups * c.OutputRank);
        if (plan.Attention != AttentionKind.Window)
            Compressor(prefix + "compressor.", plan, c.HeadDim);
        if (plan.Attention == AttentionKind.Csa)
        {
            Projection(prefix + "indexer.wq_b", (long)c.IndexHeadCount * c.IndexHeadDim, c.QueryRank);
            Bf16(prefix + "indexer.weights_proj", c.IndexHeadCount, c.HiddenSize);
            Compressor(prefix + "indexer.compressor.", plan, c.IndexHeadDim);
        }
    }

    private void Compressor(string prefix, LayerPlan plan, int dim)
    {
        long width = (long)plan.WindowsPerEntry * dim;
        Add(prefix + "ape", NumberFormat.F32, plan.Ratio, width, isMatrix: false);
        Bf16(prefix + "wkv", width, _config.HiddenSize);
        Bf16(prefix + "wgate", width, _config.HiddenSize);
        Vector(prefix + "norm", NumberFormat.Bf16, dim);
    }

    private void Experts(string prefix, LayerPlan plan)
    {
        ModelConfig c = _config;
        Bf16(prefix + "gate", c.ExpertCount, c.HiddenSize);
        if (plan.Routing == RoutingKind.Hash)
            Lookup(prefix + "gate.tid2eid", NumberFormat.I64, c.VocabularySize, c.ExpertsPerToken);
        else
            Vector(prefix + "gate.bias", NumberFormat.F32, c.ExpertCount);

        RoutedExperts(prefix + "experts.*.w1", c.ExpertHiddenSize, c.HiddenSize);
        RoutedExperts(prefix + "experts.*.w3", c.ExpertHiddenSize, c.HiddenSize);
        RoutedExperts(prefix + "experts.*.w2", c.HiddenSize, c.ExpertHiddenSize);
        if (c.SharedExpertCount == 0)
            return;

        long shared = (long)c.SharedExpertCount * c.ExpertHiddenSize;
        Projection(prefix + "shared_experts.w1", shared, c.HiddenSize);
        Projection(prefix + "shared_experts.w3", shared, c.HiddenSize);
        Projection(prefix + "shared_experts.w2", c.HiddenSize, shared);
    }

    private void F32(string name, long rows, long columns) => Add(name, NumberFormat.F32, rows, columns);

    private void Bf16(string name, long rows, long columns) => Add(name, NumberFormat.Bf16, rows, columns);

    private void Projection(string name, long rows, long columns) => Add(name, _projections, rows, columns);

    private void RoutedExperts(string name, long rows, long columns) => Add(name, _experts, rows, columns, _config.ExpertCount, _config.ExpertsPerToken);

    private void Vector(string name, NumberFormat format, long length) => Add(name, format, 1, length, isMatrix: false);

    /// <summary>Adds a tensor, or one <paramref name="of"/> several alike of which a token uses some. Its rows may be those of several matrices.</summary>
    private void Add(string name, NumberFormat format, long rows, long columns, int of = 1, int used = 1, int groups = 1, bool isMatrix = true)
    {
        (long bytes, int tensors) = format switch
        {
            NumberFormat.F32 => (rows * columns * 4, 1),
            NumberFormat.Bf16 => (rows * columns * 2, 1),
            NumberFormat.Fp8 => (rows * columns + Blocks(rows, Fp8Block) * Blocks(columns, Fp8Block), 2),
            _ => (rows * (Blocks(columns, 2) + Blocks(columns, Fp4Block)), 2),
        };
        _target.Add(new TensorGroup
        {
            Name = name,
            Format = format,
            Layer = _layer,
            IsMatrix = isMatrix,
            Parameters = rows * columns * of,
            ActiveParameters = rows * columns * used,
            Bytes = bytes * of,
            BytesRead = bytes * used,
            PackedBytesRead = isMatrix ? used * groups * PackedBytes(format, rows / groups, columns) : 0,
            TensorCount = tensors * of,
        });
    }

    private void Lookup(string name, NumberFormat format, long rows, long columns)
    {
        bool holdsIds = format == NumberFormat.I64;
        long rowBytes = columns * (holdsIds ? 8 : 2);
        long parameters = holdsIds ? 0 : rows * columns;
        _target.Add(new TensorGroup
        {
            Name = name,
            Format = format,
            Parameters = parameters,
            ActiveParameters = parameters,
            Bytes = rows * rowBytes,
            BytesRead = rowBytes,
            TensorCount = 1,
            Layer = _layer,
            IsMatrix = false,
            PackedBytesRead = 0,
        });
    }

    private static FlopCount Sum(IEnumerable<TensorGroup> tensors) => tensors.Aggregate(default(FlopCount), (sum, tensor) => sum + tensor.Flops);

    private static long PackedBytes(NumberFormat format, long rows, long columns) =>
        WeightMatrix.BytesRead(TensorGroup.Packed(format), checked((int)rows), checked((int)columns));

    private static long Blocks(long count, int size) => (count + size - 1) / size;
}
