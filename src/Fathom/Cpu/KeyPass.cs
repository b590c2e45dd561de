using Fathom.Cpu.Kernels;
using Fathom.Tensors;

namespace Fathom.Cpu;

/// <summary>
/// A few index queries that go over the keys together: keys are brought into the shape that their format's product wants, 32 at a time, and
/// scored against each query. FP4 keys are multiplied as integers, others as singles.
/// </summary>
internal ref struct KeyPass
{
    // With more of them, spreading keys over planes once is the cheaper way.
    private const int DirectQueries = 4;

    private readonly Tensor _queries;
    private readonly Tensor _weights;
    private readonly RowBlocks _keys;
    private readonly bool _integers;
    private readonly bool _direct;
    private readonly int _blocks;
    private Span<float> _products;
    private Span<float> _row, _transposed;
    private Span<byte> _planes;
    private Span<float> _keyScales, _scales;
    private Span<sbyte> _codes;
    private Span<int> _corrections, _enough;
    private Span<byte> _heads;

    /// <summary>Queries <paramref name="first"/> … of (T, heads · d).</summary>
    public KeyPass(in Tensor queries, in Tensor weights, in RowBlocks keys, int first, int count)
    {
        _queries = queries.Slice(first, count);
        _weights = weights.Slice(first, count);
        _keys = keys;
        _integers = keys.Format.Kind == RowKind.Fp4;
        _direct = _integers && count <= DirectQueries && IndexerScores.CanRunDirect(weights.Columns, keys.Format.Dim);
        _blocks = (keys.Format.Dim + Int8Dot.Block - 1) / Int8Dot.Block;
    }

    /// <summary>Singles of scratch that <see cref="Begin"/> takes.</summary>
    public readonly int FloatsNeeded
    {
        get
        {
            int perQuery = _queries.Rows * _weights.Columns * _blocks;
            return (_weights.Columns * Tile.Width) + (_direct ? _queries.Rows * ((IndexerScores.DirectBytes / sizeof(float)) + 1) : 0) + (_integers
                ? (Int8Dot.BytesOfPlanes(_blocks) / sizeof(float)) + (_blocks * Tile.Width) + (perQuery * ((Int8Dot.Block / sizeof(float)) + 2))
                : (Tile.Width + 1) * _keys.Format.Dim);
        }
    }

    /// <summary>Takes the scratch and brings the queries into shape.</summary>
    /// <param name="scratch"><see cref="FloatsNeeded"/></param>
    /// <param name="firstHeads">of each query, from <see cref="FirstHeads"/>; or nothing</param>
    public void Begin(Span<float> scratch, ReadOnlySpan<int> firstHeads = default)
    {
        int dim = _keys.Format.Dim, heads = _weights.Columns, perQuery = heads * _blocks;
        _products = Scratch.Take<float>(ref scratch, heads * Tile.Width);
        if (!_integers)
        {
            _row = Scratch.Take<float>(ref scratch, dim);
            _transposed = Scratch.Take<float>(ref scratch, Tile.Width * dim);
            return;
        }
        _planes = Scratch.Take<byte>(ref scratch, Int8Dot.BytesOfPlanes(_blocks));
        _keyScales = Scratch.Take<float>(ref scratch, _blocks * Tile.Width);
        _codes = Scratch.Take<sbyte>(ref scratch, _queries.Rows * perQuery * Int8Dot.Block);
        _scales = Scratch.Take<float>(ref scratch, _queries.Rows * perQuery);
        _corrections = Scratch.Take<int>(ref scratch, _queries.Rows * perQuery);
        _enough = Scratch.Take<int>(ref scratch, _direct ? _queries.Rows : 0);
        _heads = Scratch.Take<byte>(ref scratch, _enough.Length * IndexerScores.DirectBytes);
        for (int t = 0; t < _queries.Rows; t++)
        {
            Span<sbyte> codes = _codes.Slice(t * perQuery * Int8Dot.Block, perQuery * Int8Dot.Block);
            Span<float> scales = _scales.Slice(t * perQuery, perQuery);
            Span<int> corrections = _corrections.Slice(t * perQuery, perQuery);
            IndexerScores.Encode(_queries.Row(t).Span<float>(), dim, codes, scales, corrections);
            if (_direct)
            {
                _enough[t] = IndexerScores.PrepareDirect(codes, scales, corrections, _weights.Row(t).Span<float>(), firstHeads.IsEmpty ? 0 : firstHeads[t], Heads(t));
            }
        }
    }

    /// <summary>Scores of keys <paramref name="first"/> … for every query.</summary>
    /// <param name="first">first key</param>
    /// <param name="count">number of keys</param>
    /// <param name="bars">for each query: a score that is not above it may be replaced by another such; NaN, or no bars: none may be</param>
    /// <param name="scores">(queries, stride); overwritten up to a multiple of 32</param>
    /// <param name="stride">elements from one query's scores to the next's</param>
    public readonly void Score(int first, int count, ReadOnlySpan<float> bars, Span<float> scores, int stride)
    {
        for (int w = 0; w < count;)
        {
            int direct = _direct ? ScoreDirect(first + w, count - w, bars, scores[w..], stride) : 0;
            if (direct == 0)
            {
                ScorePrepared(first + w, Math.Min(Tile.Width, count - w), scores[w..], stride);
            }
            w += Math.Max(direct, Tile.Width);
        }
    }

    /// <summary>Which heads of a query are worth computing first; 0 if that makes no difference.</summary>
    /// <param name="query">which query</param>
    /// <param name="seen">number of keys; some, from everywhere, are looked at</param>
    /// <param name="bar">that its scores will have to exceed</param>
    public readonly int FirstHeads(int query, int seen, float bar)
    {
        const int Pieces = 16;
        if (!_direct)
        {
            return 0;
        }
        Span<int> counts = stackalloc int[IndexerScores.HeadSets];
        counts.Clear();
        int sixteens = 0;
        for (int i = 0; i < Pieces; i++)
        {
            ReadOnlySpan<byte> run = _keys.Run(KeySample.First(seen, i, Pieces), Tile.Width, out int inBlock);
            int whole = inBlock / IndexerScores.DirectKeys;
            IndexerScores.CountAbove(Heads(query), run[..(whole * IndexerScores.DirectKeys * _keys.Format.Bytes)], bar, counts);
            sixteens += whole;
        }
        return sixteens == 0 ? 0 : IndexerScores.CheapestFirst(counts, sixteens);
    }

    // From the rows as they lie, as many times 32 as lie behind one another; returns how many.
    private readonly int ScoreDirect(int first, int count, ReadOnlySpan<float> bars, Span<float> scores, int stride)
    {
        ReadOnlySpan<byte> run = _keys.Run(first, count, out int inBlock);
        int whole = inBlock / Tile.Width * Tile.Width;
        for (int t = 0; t < _queries.Rows; t++)
        {
            IndexerScores.RunDirect(Heads(t), _enough[t], run, bars.IsEmpty ? float.NaN : bars[t], scores.Slice(t * stride, whole));
        }
        return whole;
    }

    private readonly Span<byte> Heads(int query) => _heads.Slice(query * IndexerScores.DirectBytes, IndexerScores.DirectBytes);

    private readonly void ScorePrepared(int first, int count, Span<float> scores, int stride)
    {
        int perQuery = _weights.Columns * _blocks;
        Prepare(first, count);
        for (int t = 0; t < _queries.Rows; t++)
        {
            ReadOnlySpan<float> weights = _weights.Row(t).Span<float>();
            Span<float> target = scores.Slice(t * stride, Tile.Width);
            if (_integers)
            {
                IndexerScores.Run(
                    _codes.Slice(t * perQuery * Int8Dot.Block, perQuery * Int8Dot.Block), _scales.Slice(t * perQuery, perQuery),
                    _corrections.Slice(t * perQuery, perQuery), weights, _planes, _keyScales, _products, target);
            }
            else
            {
                IndexerScores.Run(_queries.Row(t).Span<float>(), weights, _transposed, _products, target);
            }
        }
    }

    // 32 keys or the last few; what the others held is scored and not looked at.
    private readonly void Prepare(int first, int count)
    {
        int dim = _keys.Format.Dim, bytes = _keys.Format.Bytes;
        for (int done = 0, inBlock; done < count; done += inBlock)
        {
            ReadOnlySpan<byte> run = _keys.Run(first + done, count - done, out inBlock);
            if (_integers)
            {
                Int8Dot.Spread(run, bytes, dim, done, _planes, _keyScales);
                continue;
            }
            for (int i = 0; i < inBlock; i++)
            {
                CacheRow.Decode(run.Slice(i * bytes, bytes), _keys.Format, _row);
                for (int u = 0; u < dim; u++)
                {
                    _transposed[(u * Tile.Width) + done + i] = _row[u];
                }
            }
        }
    }
}
