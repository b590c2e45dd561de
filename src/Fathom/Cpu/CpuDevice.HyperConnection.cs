using System.Runtime.InteropServices;
using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    private readonly Scratch _products = new();

    /// <inheritdoc/>
    public override void HcExpand(in Tensor x, in Tensor streams)
    {
        int d = x.Columns;
        for (int t = 0; t < x.Rows; t++)
        {
            Span<float> row = streams.Row(t).Span<float>();
            for (int i = 0; i < row.Length; i += d)
            {
                x.Row(t).Span<float>().CopyTo(row[i..]);
            }
        }
    }

    /// <inheritdoc/>
    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix) =>
        RunRows(streams, streams.Columns * 2L, new HcPreJob(streams, hc, y, mix, Project(streams, hc.Projection, y.Columns)));

    /// <inheritdoc/>
    public override void HcPost(in Tensor streams, in Tensor f, in Tensor mix) =>
        RunRows(streams, (long)streams.Columns * (streams.Columns / f.Columns), new HcPostJob(streams, f, mix));

    /// <inheritdoc/>
    public override void HcHead(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix) =>
        RunRows(streams, streams.Columns * 2L, new HcHeadJob(streams, hc, y, mix, Project(streams, hc.Projection, y.Columns)));

    // fn · v of flattened streams, as the sum of one chain for each stream in the order of streams. The projection is a panel or a few, so as a whole it
    // would be the work of one thread; its pieces depend on the model alone, and so do the bits.
    private StreamProducts Project(in Tensor streams, WeightMatrix projection, int d)
    {
        // A multiple of the rows of the largest tile, few enough for several items a thread.
        const int RowsEach = 48;
        // Panels of block formats cannot be cut between columns.
        int pieces = projection.Format is WeightFormat.F32 or WeightFormat.Bf16 ? streams.Columns / d : 1;
        int groups = (streams.Rows + RowsEach - 1) / RowsEach, rows = Math.Min(RowsEach, streams.Rows), items = groups * pieces * projection.Panels;
        long bytes = (long)projection.Panels * pieces * streams.Rows * Tile.Width * sizeof(float);
        var products = new StreamProducts(_products.Storage(bytes), pieces, streams.Rows);
        long work = (long)rows * (streams.Columns / pieces) * Tile.Width;
        _pool.Run(items, _pool.Chunk(items, work), new ProjectJob(streams, projection, products, RowsEach, _scratch));
        return products;
    }

    // (panels, pieces, T, 32): products of pieces of the streams.
    private readonly struct StreamProducts(HostStorage storage, int pieces, int rows)
    {
        public int Pieces => pieces;

        public Span<float> Of(int panel, int piece, int first, int count) => MemoryMarshal.Cast<byte, float>(
            storage.Span(((((long)panel * pieces) + piece) * rows + first) * Tile.Width * sizeof(float), count * Tile.Width * sizeof(float)));

        /// <summary>The sum over the pieces, for one row.</summary>
        public void Sum(int row, Span<float> sums)
        {
            for (int first = 0; first < sums.Length; first += Tile.Width)
            {
                Span<float> part = sums[first..Math.Min(first + Tile.Width, sums.Length)];
                Of(first / Tile.Width, 0, row, 1)[..part.Length].CopyTo(part);
                for (int piece = 1; piece < pieces; piece++)
                {
                    Rows.Add(Of(first / Tile.Width, piece, row, 1)[..part.Length], part);
                }
            }
        }
    }

    private readonly struct ProjectJob(Tensor streams, WeightMatrix w, StreamProducts products, int rowsEach, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int columns = w.Columns / products.Pieces, bytes = w.PanelBytes / products.Pieces;
            for (int item = first; item < first + count; item++)
            {
                (int rest, int piece) = Math.DivRem(item, products.Pieces);
                (int group, int panel) = Math.DivRem(rest, w.Panels);
                int row = group * rowsEach, rows = Math.Min(rowsEach, streams.Rows - row);
                Kernels.MatMul.RunPanel(
                    w.Format, w.Panel(0, panel).Slice(piece * bytes, bytes), columns, streams.Slice(row, rows).Span<float>()[(piece * columns)..],
                    FactorLayout.Whole(streams.Columns), products.Of(panel, piece, row, rows), scratch[worker].Floats(Kernels.MatMul.ScratchFloats));
            }
        }
    }

    private readonly struct HcPreJob(Tensor streams, HyperConnectionOperand hc, Tensor y, Tensor mix, StreamProducts products) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int n = streams.Columns / y.Columns;
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<float> x = streams.Row(t).Span<float>();
                Span<float> weights = mix.Row(t).Span<float>();
                products.Sum(t, weights);
                float inverseRoot = Kernels.RmsNorm.InverseRoot(x, hc.NormEpsilon);
                HyperConnection.Split(weights, inverseRoot, hc.Scale.Span<float>(), hc.Bias.Span<float>(), n, hc.Iterations, hc.Epsilon);
                HyperConnection.Mix(x, weights[..n], y.Row(t).Span<float>());
            }
        }
    }

    private readonly struct HcPostJob(Tensor streams, Tensor f, Tensor mix) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            int n = streams.Columns / f.Columns;
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<float> weights = mix.Row(t).Span<float>();
                HyperConnection.Post(streams.Row(t).Span<float>(), f.Row(t).Span<float>(), weights.Slice(n, n), weights[(2 * n)..]);
            }
        }
    }

    private readonly struct HcHeadJob(Tensor streams, HyperConnectionOperand hc, Tensor y, Tensor mix, StreamProducts products) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<float> x = streams.Row(t).Span<float>();
                Span<float> weights = mix.Row(t).Span<float>();
                products.Sum(t, weights);
                float factor = Kernels.RmsNorm.InverseRoot(x, hc.NormEpsilon) * hc.Scale.Span<float>()[0];
                ReadOnlySpan<float> bias = hc.Bias.Span<float>();
                for (int i = 0; i < weights.Length; i++)
                {
                    weights[i] = Rows.Sigmoid((weights[i] * factor) + bias[i]) + hc.Epsilon;
                }
                HyperConnection.Mix(x, weights, y.Row(t).Span<float>());
            }
        }
    }
}
