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
        // Multiply-adds below which a query is not worth three meetings of two threads.
        const long WorthSplitting = 500_000;
        int heads = sinks.Columns, headDim = queries.Columns / heads, window = context.Window.Rows - queries.Rows + 1;
        int seen = window + (context.Selection.IsNone ? context.Visible(context.FirstPosition + queries.Rows - 1) : context.Selection.Columns);
        long work = 2L * seen * queries.Columns;
        int group = context.Selection.IsNone ? Math.Clamp(Together / heads, 1, Math.Max(1, queries.Rows / Threads)) : 1;
        int groups = (queries.Rows + group - 1) / group;
        if (groups < Threads && work * group >= WorthSplitting)
        {
            for (int t = 0; t < queries.Rows; t++)
            {
                AttendAlone(new LoneQuery(queries, t, context, sinks, scale, outputs, _loneScores, _scratch));
            }
            return;
        }
        _pool.Run(groups, _pool.Chunk(groups, work * group), new AttentionJob(queries, context, sinks, scale, outputs, group, _scratch));
    }

    // Rows are decoded in blocks that stay in a cache: rows of a block.
    private static int BlockRows(int rows, int stride, int floats)
    {
        int block = Math.Min(rows, Math.Max(RowProducts.Step, floats / stride));
        return (block + RowProducts.Step - 1) / RowProducts.Step * RowProducts.Step;
    }

    // A stride of an odd number of cache lines: a power of two would map a column of rows to a few sets of the first-level cache.
    private static int RowStride(int columns) => ((columns + Tile.Width - 1) / Tile.Width * Tile.Width) + 16;

    // Vectors may reach beyond the last score of a row.
    private static int ScoreStride(int rows) => ((rows + 15) / 16 * 16) + 16;

    // An item is a group of queries.
    private readonly struct AttentionJob(
        Tensor queries, ContextOperand context, Tensor sinks, float scale, Tensor outputs, int group, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int item = first; item < first + count; item++)
            {
                Attend(item * group, Math.Min(group, queries.Rows - (item * group)), scratch[worker]);
            }
        }

        private void Attend(int query, int count, Scratch memory)
        {
            // Many rows of q: in the second-level cache, beside them and their sums.
            const int BlockFloats = 96 * 1024;
            var rows = new ContextRows(context, queries.Rows, query, count);
            int c = context.Window.Columns, width = (c + Tile.Width - 1) / Tile.Width * Tile.Width, m = count * sinks.Columns;
            int stride = RowStride(c), scoreStride = ScoreStride(rows.Count), block = BlockRows(rows.Count, stride, BlockFloats);
            Span<float> floats = memory.Floats(checked((block * stride) + (m * scoreStride) + (m * width) + m));
            Span<float> decoded = floats[..(block * stride)], scores = floats.Slice(block * stride, m * scoreStride);
            Span<float> sums = floats.Slice((block * stride) + (m * scoreStride), m * width), inverses = floats[^m..];

            ReadOnlySpan<float> q = queries.Slice(query, count).Span<float>();
            for (int first = 0; first < rows.Count; first += block)
            {
                int inBlock = Math.Min(block, rows.Count - first);
                rows.Load(first, inBlock, 0, c, decoded, stride);
                int steps = (inBlock + RowProducts.Step - 1) / RowProducts.Step * RowProducts.Step;
                RowProducts.Run(q, c, decoded, stride, steps, scale, scores[first..], scoreStride);
            }
            Weigh(rows, sinks.Span<float>(), scores, scoreStride, inverses);
            sums.Clear();
            for (int first = 0; first < rows.Count; first += block)
            {
                int inBlock = Math.Min(block, rows.Count - first);
                if (rows.Count > block)
                {
                    rows.Load(first, inBlock, 0, c, decoded, stride);
                }
                Kernels.SparseAttention.AddValues(scores[first..], scoreStride, decoded, stride, inBlock, sums, m * Tile.Width, m, width);
            }
            Write(sums, inverses, outputs.Slice(query, count).Span<float>(), 0, c, c);
        }
    }

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

    // Columns first … of the outputs, (m, c), from sums in tiles.
    private static void Write(ReadOnlySpan<float> sums, ReadOnlySpan<float> inverses, Span<float> outputs, int first, int columns, int c)
    {
        int m = inverses.Length;
        for (int u = 0; u < columns; u += Tile.Width)
        {
            int inTile = Math.Min(Tile.Width, columns - u);
            for (int i = 0; i < m; i++)
            {
                Rows.Scale(sums.Slice((u * m) + (i * Tile.Width), inTile), inverses[i], outputs.Slice((i * c) + first + u, inTile));
            }
        }
    }
}
