using System.Runtime.InteropServices;
using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    // What all threads read of one query: (heads, scores), then a factor for each head.
    private readonly Scratch _loneScores = new();

    // One query on several threads: scores by spans of rows, weights by heads, sums by columns. Each row is decoded once for its scores and once for
    // its sums, whatever the number of threads, and each output stays one chain over the rows.
    private void AttendAlone(in LoneQuery query)
    {
        _pool.Run(query.Spans, 1, new LoneScores(query));
        _pool.Run(query.Heads, 1, new LoneWeights(query));
        _pool.Run(query.Strips, 1, new LoneSums(query));
    }

    private readonly struct LoneQuery
    {
        // Few rows of q go over decoded rows fast, so these stay in the first-level cache.
        private const int BlockFloats = 8 * 1024;

        private readonly Tensor _queries, _sinks, _outputs;
        private readonly ContextOperand _context;
        private readonly HostStorage _scores;
        private readonly Scratch[] _scratch;
        private readonly int _query, _rows, _rowsEach, _columnsEach;
        private readonly float _scale;

        public LoneQuery(
            in Tensor queries, int query, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs, Scratch scores, Scratch[] scratch)
        {
            // Spans and strips for each thread, so that a late one does less.
            const int EachThread = 2, HalfTile = Tile.Width / 2;
            (_queries, _query, _context, _sinks, _scale, _outputs, _scratch) = (queries, query, context, sinks, scale, outputs, scratch);
            _rows = Rows.Count;
            int pieces = EachThread * scratch.Length, tiles = (Columns + Tile.Width - 1) / Tile.Width;
            _rowsEach = (_rows + (pieces * RowProducts.Step) - 1) / (pieces * RowProducts.Step) * RowProducts.Step;
            _columnsEach = (tiles + pieces - 1) / pieces * Tile.Width;
            if (tiles % scratch.Length != 0 && tiles > scratch.Length && Columns % (scratch.Length * HalfTile) == 0)
            {
                // Three tiles for two threads: one and a half for each.
                _columnsEach = Columns / scratch.Length;
            }
            _scores = scores.Storage((long)Heads * (ScoreStride(_rows) + 1) * sizeof(float));
        }

        public int Heads => _sinks.Columns;

        /// <summary>Spans of rows.</summary>
        public int Spans => (_rows + _rowsEach - 1) / _rowsEach;

        /// <summary>Strips of columns.</summary>
        public int Strips => (Columns + _columnsEach - 1) / _columnsEach;

        private int Columns => _context.Window.Columns;

        private ContextRows Rows => new(_context, _queries.Rows, _query, 1);

        private Span<float> Scores => Floats(0, Heads * ScoreStride(_rows));

        private Span<float> Inverses => Floats(Heads * ScoreStride(_rows), Heads);

        private Span<float> Floats(int first, int count) => MemoryMarshal.Cast<byte, float>(_scores.Span((long)first * sizeof(float), count * sizeof(float)));

        public void Score(int span, int worker)
        {
            int end = Math.Min(_rows, (span + 1) * _rowsEach), stride = RowStride(Columns), block = BlockRows(_rowsEach, stride, BlockFloats);
            Span<float> decoded = _scratch[worker].Floats(block * stride);
            ReadOnlySpan<float> q = _queries.Row(_query).Span<float>();
            for (int first = span * _rowsEach; first < end; first += block)
            {
                int inBlock = Math.Min(block, end - first);
                Rows.Load(first, inBlock, 0, Columns, decoded, stride);
                int steps = (inBlock + RowProducts.Step - 1) / RowProducts.Step * RowProducts.Step;
                RowProducts.Run(q, Columns, decoded, stride, steps, _scale, Scores[first..], ScoreStride(_rows));
            }
        }

        public void Weigh(int head)
        {
            int stride = ScoreStride(_rows);
            CpuDevice.Weigh(Rows, _sinks.Span<float>().Slice(head, 1), Scores.Slice(head * stride, stride), stride, Inverses.Slice(head, 1));
        }

        public void Sum(int strip, int worker)
        {
            int first = strip * _columnsEach, columns = Math.Min(_columnsEach, Columns - first), stride = RowStride(columns), width = stride - (stride % Tile.Width);
            int block = BlockRows(_rows, stride, BlockFloats);
            Span<float> floats = _scratch[worker].Floats((block * stride) + (Heads * width));
            Span<float> decoded = floats[..(block * stride)], sums = floats[(block * stride)..];
            int summed = columns > Tile.Width && columns % Tile.Width == Tile.Width / 2 ? columns : width;
            sums.Clear();
            for (int row = 0; row < _rows; row += block)
            {
                int inBlock = Math.Min(block, _rows - row);
                Rows.Load(row, inBlock, first, columns, decoded, stride);
                Kernels.SparseAttention.AddValues(
                    Scores[row..], ScoreStride(_rows), decoded, stride, inBlock, sums, Heads * Tile.Width, Heads, summed);
            }
            Write(sums, Inverses, _outputs.Row(_query).Span<float>(), first, columns, Columns);
        }
    }

    private readonly struct LoneScores(LoneQuery query) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int span = first; span < first + count; span++)
            {
                query.Score(span, worker);
            }
        }
    }

    private readonly struct LoneWeights(LoneQuery query) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int head = first; head < first + count; head++)
            {
                query.Weigh(head);
            }
        }
    }

    private readonly struct LoneSums(LoneQuery query) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int strip = first; strip < first + count; strip++)
            {
                query.Sum(strip, worker);
            }
        }
    }
}
