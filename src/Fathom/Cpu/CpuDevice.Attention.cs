using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    /// <inheritdoc/>
    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs)
    {
        // Rows of q (queries times heads) that share a pass over the context: they pay for decoding it.
        const int Together = 128;
        // Multiply-adds below which a query is not worth two threads, each of which decodes its rows.
        const long WorthSplitting = 500_000;
        int heads = sinks.Columns, headDim = queries.Columns / heads, window = context.Window.Rows - queries.Rows + 1;
        int seen = window + (context.Selection.IsNone ? context.Visible(context.FirstPosition + queries.Rows - 1) : context.Selection.Columns);
        long work = 2L * seen * queries.Columns;
        int group = context.Selection.IsNone ? Math.Clamp(Together / heads, 1, Math.Max(1, queries.Rows / Threads)) : 1;
        int groups = (queries.Rows + group - 1) / group, pieces = 1;
        if (groups < Threads && work * group >= WorthSplitting)
        {
            group = 1;
            groups = queries.Rows;
            pieces = Math.Min(heads, (Threads + groups - 1) / groups);
        }
        int each = (heads + pieces - 1) / pieces;
        var job = new AttentionJob(queries, context, sinks, scale, outputs, group, each, _scratch);
        int items = groups * job.Pieces;
        _pool.Run(items, pieces > 1 ? 1 : _pool.Chunk(items, work * group), job);
    }

    // An item is a group of queries with all heads, or one query with some of them.
    private readonly struct AttentionJob(
        Tensor queries, ContextOperand context, Tensor sinks, float scale, Tensor outputs, int group, int each, Scratch[] scratch) : IRangeJob
    {
        // Rows are decoded in blocks that stay in the second-level cache beside queries and sums.
        private const int BlockFloats = 96 * 1024;

        // A stride of an odd number of cache lines: a power of two would map a column of rows to a few sets of the first-level cache.
        private const int StridePadding = 16;

        // Vectors may reach beyond the last score of a row.
        private const int ScorePadding = 16;

        public int Pieces => (sinks.Columns + each - 1) / each;

        public void Run(int first, int count, int worker)
        {
            for (int item = first; item < first + count; item++)
            {
                int query = item / Pieces * group, head = item % Pieces * each;
                Attend(query, Math.Min(group, queries.Rows - query), head, Math.Min(each, sinks.Columns - head), scratch[worker]);
            }
        }

        private void Attend(int query, int count, int head, int heads, Scratch memory)
        {
            var rows = new ContextRows(context, queries.Rows, query, count);
            int c = context.Window.Columns, width = (c + Tile.Width - 1) / Tile.Width * Tile.Width, m = count * heads;
            int stride = width + StridePadding, scoreStride = ((rows.Count + 15) / 16 * 16) + ScorePadding;
            int block = Math.Min(rows.Count, Math.Max(RowProducts.Step, BlockFloats / stride));
            block = (block + RowProducts.Step - 1) / RowProducts.Step * RowProducts.Step;
            Span<float> floats = memory.Floats(checked((block * stride) + (m * scoreStride) + (m * width) + m));
            Span<float> decoded = floats[..(block * stride)], scores = floats.Slice(block * stride, m * scoreStride);
            Span<float> sums = floats.Slice((block * stride) + (m * scoreStride), m * width), inverses = floats[^m..];

            ReadOnlySpan<float> q = Part(queries, query, count, head * c, heads * c);
            for (int first = 0; first < rows.Count; first += block)
            {
                int inBlock = Math.Min(block, rows.Count - first);
                rows.Load(first, inBlock, decoded, stride);
                int steps = (inBlock + RowProducts.Step - 1) / RowProducts.Step * RowProducts.Step;
                RowProducts.Run(q, c, decoded, stride, steps, scale, scores[first..], scoreStride);
            }
            Weigh(rows, sinks.Span<float>().Slice(head, heads), scores, scoreStride, inverses);
            sums.Clear();
            for (int first = 0; first < rows.Count; first += block)
            {
                int inBlock = Math.Min(block, rows.Count - first);
                if (rows.Count > block)
                {
                    rows.Load(first, inBlock, decoded, stride);
                }
                Kernels.SparseAttention.AddValues(scores[first..], scoreStride, decoded, stride, inBlock, sums, m * Tile.Width, m, width);
            }
            Write(sums, inverses, Part(outputs, query, count, head * c, heads * c), c);
        }

        // All heads of several queries, or some of one: one run of elements either way.
        private static Span<float> Part(in Tensor x, int query, int count, int first, int length) =>
            x.Slice(query, count).Span<float>().Slice(first, count * length);

        // A row that a query does not see has the weight 0: adding its product changes no bit, and all queries go through the tiles together.
        private static void Weigh(in ContextRows rows, ReadOnlySpan<float> sinks, Span<float> scores, int stride, Span<float> inverses)
        {
            for (int i = 0; i < inverses.Length; i++)
            {
                (int first, int end) = rows.Window(i / sinks.Length);
                (int firstCompressed, int endCompressed) = rows.Compressed(i / sinks.Length);
                Span<float> row = scores.Slice(i * stride, stride);
                inverses[i] = Kernels.SparseAttention.Weights(
                    row[first..], end - first, row[firstCompressed..], endCompressed - firstCompressed, sinks[i % sinks.Length]);
                row[..first].Clear();
                row[end..firstCompressed].Clear();
                row[endCompressed..].Clear();
            }
        }

        private static void Write(ReadOnlySpan<float> sums, ReadOnlySpan<float> inverses, Span<float> outputs, int c)
        {
            int m = inverses.Length;
            for (int u = 0; u < c; u += Tile.Width)
            {
                int columns = Math.Min(Tile.Width, c - u);
                for (int i = 0; i < m; i++)
                {
                    Rows.Scale(sums.Slice((u * m) + (i * Tile.Width), columns), inverses[i], outputs.Slice((i * c) + u, columns));
                }
            }
        }
    }
}
