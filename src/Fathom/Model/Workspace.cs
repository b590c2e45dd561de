using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>
/// Every activation of a forward pass, allocated once for the largest batch. Properties are views of the current batch's T rows.
/// </summary>
public sealed class Workspace : IDisposable
{
    private readonly Device _device;
    private readonly ModelConfig _config;
    private readonly List<Storage> _owned = [];
    private readonly Tensor _tokens, _positions, _logitRows, _windowAngles, _compressAngles, _streams, _shiftedStreams, _mix, _input, _normed, _output;
    private readonly Tensor _queryLatent, _queries, _attended, _keyValue, _window, _groups, _values, _gates, _entries, _entryPositions, _entryAngles;
    private readonly Tensor _indexQueries, _indexWeights, _selection, _routerLogits, _experts, _expertWeights, _logitStreams;
    private Tensor _logits, _draftLogits;

    /// <summary>Activations for at most <paramref name="maxRows"/> tokens at once.</summary>
    public Workspace(Device device, ModelConfig config, int maxRows)
    {
        _device = device;
        _config = config;
        try
        {
            int d = config.HiddenSize, streams = config.HcMult * d, heads = config.HeadCount * config.HeadDim;
            // Without an indexer no tensor bounds its widths.
            int indexed = Enumerable.Range(0, config.LayerCount).Any(layer => LayerPlan.For(config, layer).Attention == AttentionKind.Csa) ? maxRows : 0;
            // A compressor with overlap has two sets of channels.
            int compressor = 2 * (indexed > 0 ? Math.Max(config.HeadDim, config.IndexHeadDim) : config.HeadDim);
            _tokens = Make(1, maxRows, DType.I32);
            _positions = Make(1, maxRows, DType.I32);
            _logitRows = Make(1, maxRows, DType.I32);
            _windowAngles = Make(maxRows, config.RopeDim);
            _compressAngles = Make(maxRows, config.RopeDim);
            _streams = Make(maxRows, streams);
            _shiftedStreams = Make(maxRows, streams);
            _mix = Make(maxRows, config.HcMult * (config.HcMult + 2));
            _input = Make(maxRows, d);
            _normed = Make(maxRows, d);
            _output = Make(maxRows, d);
            _queryLatent = Make(maxRows, config.QueryRank);
            _queries = Make(maxRows, heads);
            _attended = Make(maxRows, heads);
            _keyValue = Make(maxRows, config.HeadDim);
            _window = Make(maxRows + config.SlidingWindow - 1, config.HeadDim);
            _groups = Make(maxRows, config.OutputGroups * config.OutputRank);
            _values = Make(maxRows, compressor);
            _gates = Make(maxRows, compressor);
            _entries = Make(maxRows, compressor / 2);
            _entryPositions = Make(1, maxRows, DType.I32);
            _entryAngles = Make(maxRows, config.RopeDim);
            _indexQueries = Make(indexed, config.IndexHeadCount * config.IndexHeadDim);
            _indexWeights = Make(indexed, config.IndexHeadCount);
            _selection = Make(indexed, config.IndexTopK, DType.I32);
            _routerLogits = Make(maxRows, config.ExpertCount);
            _experts = Make(maxRows, config.ExpertsPerToken, DType.I32);
            _expertWeights = Make(maxRows, config.ExpertsPerToken);
            _logitStreams = Make(maxRows, streams);
            WindowFrequencies = Upload(RopeFrequencies.Plain(config));
            CompressFrequencies = Upload(RopeFrequencies.Compressed(config));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>T.</summary>
    public int Rows { get; private set; }

    /// <summary>f_i of layers without compression, (1, r/2).</summary>
    public Tensor WindowFrequencies { get; }

    /// <summary>f_i of layers with compression, (1, r/2).</summary>
    public Tensor CompressFrequencies { get; }

    /// <summary>I32, (1, T).</summary>
    public Tensor Tokens => new(_tokens.Storage!, _tokens.Offset, DType.I32, 1, 1, Rows);

    /// <summary>I32, (1, T).</summary>
    public Tensor Positions => new(_positions.Storage!, _positions.Offset, DType.I32, 1, 1, Rows);

    /// <summary>cos and sin of layers without compression, (T, r).</summary>
    public Tensor WindowAngles => _windowAngles.Slice(0, Rows);

    /// <summary>cos and sin of layers with compression, (T, r).</summary>
    public Tensor CompressAngles => _compressAngles.Slice(0, Rows);

    /// <summary>The residual streams X, (T, n_hc · d).</summary>
    public Tensor Streams => _streams.Slice(0, Rows);

    /// <summary>Streams of the token before each of <paramref name="count"/> tokens, (count, n_hc · d): MTP's input and residual.</summary>
    public Tensor ShiftedStreams(int count) => _shiftedStreams.Slice(0, count);

    /// <summary>pre, post, C of the current hyper-connection, (T, 2 n_hc + n_hc²).</summary>
    public Tensor Mix => _mix.Slice(0, Rows);

    /// <summary>The mixed input of a sublayer, (T, d).</summary>
    public Tensor LayerInput => _input.Slice(0, Rows);

    /// <summary>The same, normalised.</summary>
    public Tensor Normed => _normed.Slice(0, Rows);

    /// <summary>A sublayer's output, (T, d).</summary>
    public Tensor LayerOutput => _output.Slice(0, Rows);

    /// <summary>The normalised query latent, (T, q rank).</summary>
    public Tensor QueryLatent => _queryLatent.Slice(0, Rows);

    /// <summary>(T, n_h · c).</summary>
    public Tensor Queries => _queries.Slice(0, Rows);

    /// <summary>What the heads read, (T, n_h · c).</summary>
    public Tensor Attended => _attended.Slice(0, Rows);

    /// <summary>The shared key-value row of each token, (T, c).</summary>
    public Tensor KeyValue => _keyValue.Slice(0, Rows);

    /// <summary>Between the two output projections, (T, g · d_g).</summary>
    public Tensor Groups => _groups.Slice(0, Rows);

    /// <summary>Index queries, (T, n_h^I · c^I).</summary>
    public Tensor IndexQueries => _indexQueries.Slice(0, Rows);

    /// <summary>ω, (T, n_h^I).</summary>
    public Tensor IndexWeights => _indexWeights.Slice(0, Rows);

    /// <summary>Chosen compressed rows, I32, (T, k).</summary>
    public Tensor Selection => _selection.Slice(0, Rows);

    /// <summary>(T, E).</summary>
    public Tensor RouterLogits => _routerLogits.Slice(0, Rows);

    /// <summary>Chosen experts, I32, (T, k).</summary>
    public Tensor Experts => _experts.Slice(0, Rows);

    /// <summary>(T, k).</summary>
    public Tensor ExpertWeights => _expertWeights.Slice(0, Rows);

    /// <summary>Begins a batch: uploads its ids and positions and computes its rotary angles.</summary>
    public void Begin(Batch batch)
    {
        Rows = batch.Rows;
        _device.Upload(MemoryMarshal.AsBytes(batch.Tokens), Tokens);
        _device.Upload(MemoryMarshal.AsBytes(batch.Positions), Positions);
        _device.RopeAngles(Positions, WindowFrequencies, WindowAngles);
        _device.RopeAngles(Positions, CompressFrequencies, CompressAngles);
    }

    /// <summary>The window of <paramref name="count"/> queries, (n_win − 1 + count, c).</summary>
    public Tensor Window(int count) => _window.Slice(0, _config.SlidingWindow - 1 + count);

    /// <summary>A compressor's a and b, (T, channels).</summary>
    public (Tensor Values, Tensor Gates) CompressorInputs(int channels) => (Reshaped(_values, Rows, channels), Reshaped(_gates, Rows, channels));

    /// <summary>Compressed entries, (count, c).</summary>
    public Tensor Entries(int count, int dim) => Reshaped(_entries, count, dim);

    /// <summary>cos and sin at the first positions of entries <paramref name="first"/> …, (count, r).</summary>
    public Tensor EntryAngles(int first, int count, int ratio)
    {
        Span<int> positions = stackalloc int[1];
        for (int i = 0; i < count; i++)
        {
            positions[0] = (first + i) * ratio;
            _device.Upload(MemoryMarshal.AsBytes(positions), new Tensor(_entryPositions.Storage!, i * sizeof(int), DType.I32, 1, 1, 1));
        }
        Tensor angles = _entryAngles.Slice(0, count);
        _device.RopeAngles(new Tensor(_entryPositions.Storage!, 0, DType.I32, 1, 1, count), CompressFrequencies, angles);
        return angles;
    }

    /// <summary>Uploads which rows want logits: I32, (1, n).</summary>
    public Tensor LogitRows(ReadOnlySpan<int> rows)
    {
        var tensor = new Tensor(_logitRows.Storage!, 0, DType.I32, 1, 1, rows.Length);
        _device.Upload(MemoryMarshal.AsBytes(rows), tensor);
        return tensor;
    }

    /// <summary>Streams of the rows that want logits, (n, n_hc · d).</summary>
    public Tensor LogitStreams(int count) => _logitStreams.Slice(0, count);

    /// <summary>(n, vocabulary).</summary>
    public Tensor Logits(int count) => Grown(ref _logits, count);

    /// <summary>MTP's, (n, vocabulary).</summary>
    public Tensor DraftLogits(int count) => Grown(ref _draftLogits, count);

    /// <summary>Scratch for the collapse of the streams, (n, n_hc).</summary>
    public Tensor HeadMix(int count) => Reshaped(_mix, count, _config.HcMult);

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach (Storage storage in _owned)
        {
            storage.Dispose();
        }
    }

    // Logits are the widest rows by far and mostly wanted of one token, so their memory follows what is asked for.
    private Tensor Grown(ref Tensor logits, int count)
    {
        if (logits.IsNone || logits.Rows < count)
        {
            if (logits.Storage is { } outgrown)
            {
                _owned.Remove(outgrown);
                outgrown.Dispose();
            }
            logits = Make(count, _config.VocabularySize);
        }
        return logits.Slice(0, count);
    }

    private static Tensor Reshaped(in Tensor x, int rows, int columns) => new(x.Storage!, x.Offset, x.Type, 1, rows, columns);

    private Tensor Make(int rows, int columns, DType type = DType.F32)
    {
        Storage storage = _device.Allocate((long)rows * columns * type.Size(), MemoryPurpose.Activations);
        _owned.Add(storage);
        return new Tensor(storage, 0, type, 1, rows, columns);
    }

    private Tensor Upload(float[] values)
    {
        Tensor tensor = Make(1, values.Length);
        _device.Upload(MemoryMarshal.AsBytes<float>(values), tensor);
        return tensor;
    }
}
