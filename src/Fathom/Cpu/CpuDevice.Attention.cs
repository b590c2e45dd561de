using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    /// <inheritdoc/>
    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs)
    {
        int heads = sinks.Columns, items = queries.Rows * heads;
        int headDim = queries.Columns / heads, window = context.Window.Rows - queries.Rows + 1;
        int last = context.FirstPosition + queries.Rows - 1;
        int seen = window + (context.Selection.IsNone ? context.Visible(last) : context.Selection.Columns);
        // A single query's heads go out in as few pieces as there are threads: each piece decodes the rows for itself.
        int chunk = Math.Max(_pool.Chunk(items, 2L * seen * headDim), queries.Rows == 1 ? (heads + Threads - 1) / Threads : 1);
        _pool.Run(items, chunk, new AttentionJob(queries, context, sinks, scale, outputs, _scratch));
    }

    /// <inheritdoc/>
    public override void SelectRows(
        in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
        // Queries that share a pass over the keys: enough to pay for decoding them, few enough to keep their scores in the cache.
        const int Together = 16;
        int visible = (firstPosition + queries.Rows) / ratio;
        long work = visible <= selection.Columns ? visible : (long)visible * queries.Columns;
        int chunk = Math.Min(Together, _pool.Chunk(queries.Rows, work));
        _pool.Run(queries.Rows, chunk, new SelectJob(queries, weights, keys, ratio, firstPosition, selection, _scratch));
    }

    private readonly struct AttentionJob(
        Tensor queries, ContextOperand context, Tensor sinks, float scale, Tensor outputs, Scratch[] scratch) : IRangeJob
    {
        // Items are (query, head) pairs, queries outermost.
        public void Run(int first, int count, int worker)
        {
            int heads = sinks.Columns, headDim = queries.Columns / heads, window = context.Window.Rows - queries.Rows + 1;
            int lastVisible = context.Visible(context.FirstPosition + ((first + count - 1) / heads));
            int capacity = context.Selection.IsNone ? lastVisible : context.Selection.Columns;
            Span<float> floats = scratch[worker].Floats((capacity * headDim) + capacity + window);
            Span<float> compressed = floats[..(capacity * headDim)], scores = floats[(capacity * headDim)..];
            if (context.Selection.IsNone)
            {
                Decode(context.Compressed, 0, lastVisible, compressed);
            }
            for (int item = first; item < first + count;)
            {
                (int t, int head) = Math.DivRem(item, heads);
                int end = Math.Min(heads, head + first + count - item), position = context.FirstPosition + t;
                int visible = context.Selection.IsNone ? context.Visible(position) : Select(t, compressed);
                int inWindow = Math.Min(window, position + 1);
                Kernels.SparseAttention.Run(
                    queries.Row(t).Span<float>()[(head * headDim)..(end * headDim)],
                    context.Window.Slice(t + window - inWindow, inWindow).Span<float>(),
                    compressed[..(visible * headDim)],
                    sinks.Span<float>()[head..end],
                    scale, scores,
                    outputs.Row(t).Span<float>()[(head * headDim)..(end * headDim)]);
                item += end - head;
            }
        }

        private int Select(int t, Span<float> rows)
        {
            ReadOnlySpan<int> selection = context.Selection.Row(t).Span<int>();
            int headDim = context.Window.Columns, n = 0;
            while (n < selection.Length && selection[n] >= 0)
            {
                Decode(context.Compressed, selection[n], 1, rows.Slice(n * headDim, headDim));
                n++;
            }
            return n;
        }
    }

    private readonly struct SelectJob(
        Tensor queries, Tensor weights, RowBlocks keys, int ratio, int firstPosition, Tensor selection, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int visible = (firstPosition + first + count) / ratio;
            int stride = (visible + Tile.Width - 1) / Tile.Width * Tile.Width;
            bool scoring = visible > selection.Columns;
            Span<float> scores = default;
            if (scoring)
            {
                int dim = keys.Format.Dim, products = weights.Columns * Tile.Width;
                Span<float> floats = scratch[worker].Floats((count * stride) + (2 * Tile.Width * dim) + products);
                scores = floats[..(count * stride)];
                Score(first, count, visible, scores, floats[(count * stride)..]);
            }
            for (int t = first; t < first + count; t++)
            {
                int seen = (firstPosition + t + 1) / ratio;
                // Below k every visible entry is chosen, unscored.
                TopK.Run(scoring ? scores.Slice((t - first) * stride, seen) : default, seen, selection.Row(t).Span<int>());
            }
        }

        private void Score(int first, int count, int visible, Span<float> scores, Span<float> buffers)
        {
            int dim = keys.Format.Dim, stride = scores.Length / count;
            Span<float> rows = buffers[..(Tile.Width * dim)], transposed = buffers.Slice(Tile.Width * dim, Tile.Width * dim);
            Span<float> products = buffers.Slice(2 * Tile.Width * dim, weights.Columns * Tile.Width);
            for (int w = 0; w < visible; w += Tile.Width)
            {
                int present = Math.Min(Tile.Width, visible - w);
                Decode(keys, w, present, rows);
                Transpose(rows, dim, present, transposed);
                for (int t = 0; t < count; t++)
                {
                    Kernels.IndexerScores.Run(
                        queries.Row(first + t).Span<float>(), weights.Row(first + t).Span<float>(), transposed, products, scores.Slice((t * stride) + w, Tile.Width));
                }
            }
        }

        private static void Transpose(ReadOnlySpan<float> rows, int dim, int count, Span<float> transposed)
        {
            for (int r = 0; r < count; r++)
            {
                for (int u = 0; u < dim; u++)
                {
                    transposed[(u * Tile.Width) + r] = rows[(r * dim) + u];
                }
            }
        }
    }

    private static void Decode(RowBlocks blocks, int first, int count, Span<float> rows)
    {
        int dim = blocks.Format.Dim, bytes = blocks.Format.Bytes;
        for (int done = 0; done < count;)
        {
            ReadOnlySpan<byte> run = blocks.Run(first + done, count - done, out int inBlock);
            for (int i = 0; i < inBlock; i++, done++)
            {
                CacheRow.Decode(run.Slice(i * bytes, bytes), blocks.Format, rows.Slice(done * dim, dim));
            }
        }
    }
}
