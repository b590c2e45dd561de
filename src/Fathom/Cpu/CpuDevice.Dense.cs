using Fathom.Cpu.Kernels;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    // Panels of a matrix for which copying the rows once costs less than it saves.
    private const int PanelsWorthCutting = 32;

    private const int NotCut = -1;

    private readonly Scratch _blocks = new();

    /// <inheritdoc/>
    public override void Embed(in Tensor table, in Tensor ids, in Tensor y)
    {
        ReadOnlySpan<int> rows = ids.Span<int>();
        for (int t = 0; t < rows.Length; t++)
        {
            Tensor row = table.Row(rows[t]);
            Span<float> target = y.Row(t).Span<float>();
            if (table.Type == DType.F32)
            {
                row.Span<float>().CopyTo(target);
            }
            else
            {
                Bf16Rows.Widen(row.Span<ushort>(), target);
            }
        }
    }

    /// <inheritdoc/>
    public override void MatMul(WeightMatrix w, in Tensor x, in Tensor y) => Multiply(w, x, y);

    /// <inheritdoc/>
    public override void GroupedMatMul(WeightMatrix w, in Tensor x, in Tensor y) => Multiply(w, x, y);

    /// <inheritdoc/>
    public override void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y) =>
        RunRows(x, x.Columns, new NormJob(x, weight, epsilon, y));

    /// <inheritdoc/>
    public override void Add(in Tensor x, in Tensor y) => Rows.Add(y.Span<float>(), x.Span<float>());

    /// <inheritdoc/>
    public override void Gather(in Tensor x, in Tensor rows, in Tensor y)
    {
        ReadOnlySpan<int> indices = rows.Span<int>();
        for (int t = 0; t < indices.Length; t++)
        {
            x.Row(indices[t]).Span<float>().CopyTo(y.Row(t).Span<float>());
        }
    }

    /// <inheritdoc/>
    public override void RopeAngles(in Tensor positions, in Tensor frequencies, in Tensor angles)
    {
        ReadOnlySpan<int> places = positions.Span<int>();
        for (int t = 0; t < places.Length; t++)
        {
            Kernels.Rope.Angles(places[t], frequencies.Span<float>(), angles.Row(t).Span<float>());
        }
    }

    /// <inheritdoc/>
    public override void Rope(in Tensor x, int headDim, in Tensor angles, bool inverse) =>
        RunRows(x, x.Columns, new RopeJob(x, headDim, angles, inverse));

    /// <inheritdoc/>
    public override void RoundToBf16(in Tensor x) => RunRows(x, x.Columns, new Bf16Job(x));

    /// <inheritdoc/>
    public override void Hadamard(in Tensor x) => RunRows(x, x.Columns * 8L, new HadamardJob(x));

    // A matrix of its own and a group of a stack are the same job: panel i of matrix g reads piece g of every row of x.
    private void Multiply(WeightMatrix w, in Tensor x, in Tensor y)
    {
        int items = w.Count * w.Panels;
        long work = (long)x.Rows * w.Columns * PanelLayout.Rows;
        bool integers = TakesIntegers(w);
        if (!integers && x.Rows >= Kernels.MatMul.ManyRows && w.Panels >= PanelsWorthCutting)
        {
            int columns = FactorLayout.Padded(w.Columns);
            var blocks = new Tensor(_blocks.Storage((long)x.Rows * columns * sizeof(float)), 0, DType.F32, 1, x.Rows, columns);
            for (int group = 0; group < w.Count; group++)
            {
                RunRows(x, w.Columns, new CutJob(x, group * w.Columns, w.Columns, blocks));
                _pool.Run(w.Panels, _pool.Chunk(w.Panels, work), new MatMulJob(w, group, blocks, default, y, _scratch));
            }
            return;
        }
        IntegerRows codes = integers ? Encode(x, w.Count) : default;
        // Of one row, panels go in pairs, unless that would leave a thread without any.
        int least = x.Rows == 1 && items >= 2 * _pool.Threads ? 2 : 1;
        _pool.Run(items, Math.Max(least, _pool.Chunk(items, work)), new MatMulJob(w, NotCut, x, codes, y, _scratch));
    }

    private void RunRows<TJob>(in Tensor x, long work, in TJob job) where TJob : struct, IRangeJob =>
        _pool.Run(x.Rows, _pool.Chunk(x.Rows, work), job);

    // Columns of every row, cut into blocks.
    private readonly struct CutJob(Tensor x, int firstColumn, int columns, Tensor blocks) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            FactorLayout layout = FactorLayout.Blocks(x.Rows);
            for (int t = first; t < first + count; t++)
            {
                layout.Store(x.Row(t).Span<float>().Slice(firstColumn, columns), t, blocks.Span<float>());
            }
        }
    }

    // Of the stack's one matrix whose rows x holds, cut into blocks; or of all, where x holds whole rows of pieces.
    private readonly struct MatMulJob(WeightMatrix w, int cutGroup, Tensor x, IntegerRows codes, Tensor y, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            Span<float> acc = scratch[worker].Floats((Math.Max(x.Rows, 2) * Tile.Width) + RowFactors.ScratchFloats(w, codes));
            while (count > 0)
            {
                (int group, int panel) = Math.DivRem(first, w.Panels);
                int panels = Math.Min(count, w.Panels - panel);
                Multiply(cutGroup == NotCut ? group : cutGroup, panel, panels, acc);
                (first, count) = (first + panels, count - panels);
            }
        }

        private void Multiply(int group, int panel, int count, Span<float> acc)
        {
            int rows = x.Rows, size = Math.Max(rows, 2) * Tile.Width;
            RowFactors factors = cutGroup == NotCut
                ? new(x.Span<float>()[(group * w.Columns)..], FactorLayout.Whole(x.Columns), codes, group * rows)
                : new(x.Span<float>(), FactorLayout.Blocks(rows), default, 0);
            // Of one row, the first half of the panels goes along with the second, so that both run through memory without a gap.
            int pairs = rows == 1 ? count / 2 : 0;
            for (int end = panel + pairs; panel < end; panel++)
            {
                factors.RunPair(w, w.Panel(group, panel), w.Panel(group, panel + pairs), acc);
                Store(group, panel, acc[..Tile.Width]);
                Store(group, panel + pairs, acc.Slice(Tile.Width, Tile.Width));
            }
            Span<float> sums = acc[..(rows * Tile.Width)];
            panel += pairs;
            for (int end = panel + count - (2 * pairs); panel < end; panel++)
            {
                factors.RunPanel(w, w.Panel(group, panel), sums, acc[size..]);
                Store(group, panel, sums);
            }
        }

        private void Store(int group, int panel, ReadOnlySpan<float> acc)
        {
            int column = panel * PanelLayout.Rows;
            Kernels.MatMul.Store(acc, Math.Min(PanelLayout.Rows, w.Rows - column), y.Span<float>(), y.Columns, (group * w.Rows) + column);
        }
    }

    private readonly struct NormJob(Tensor x, Tensor weight, float epsilon, Tensor y) : IRangeJob
    {
        public void Run(int first, int count, int worker) => Kernels.RmsNorm.Run(
            x.Slice(first, count).Span<float>(), x.Columns, weight.IsNone ? default : weight.Span<float>(), epsilon, y.Slice(first, count).Span<float>());
    }

    private readonly struct RopeJob(Tensor x, int headDim, Tensor angles, bool inverse) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int t = first; t < first + count; t++)
            {
                Kernels.Rope.Run(x.Row(t).Span<float>(), headDim, angles.Row(t).Span<float>(), inverse);
            }
        }
    }

    private readonly struct Bf16Job(Tensor x) : IRangeJob
    {
        public void Run(int first, int count, int worker) => Bf16Rows.Round(x.Slice(first, count).Span<float>());
    }

    private readonly struct HadamardJob(Tensor x) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int t = first; t < first + count; t++)
            {
                Kernels.Hadamard.Run(x.Row(t).Span<float>());
            }
        }
    }
}
