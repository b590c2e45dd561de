using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Cpu;

public sealed partial class CpuDevice
{
    private readonly ExpertGroups _groups = new();
    private readonly Scratch _pairs = new();

    /// <inheritdoc/>
    public override void WillNeed(ExpertOperand routed, in Tensor table, in Tensor ids)
    {
        if (!((HostStorage)routed.Gate.Storage).IsPaged)
        {
            return;
        }
        foreach (int token in ids.Span<int>())
        {
            foreach (int expert in table.Row(token).Span<int>())
            {
                routed.WillNeed(expert);
            }
        }
    }

    /// <inheritdoc/>
    public override void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights) =>
        RunRows(logits, logits.Columns * 16L, new ScoreJob(logits, bias, routing, experts, weights));

    /// <inheritdoc/>
    public override void RouteByHash(
        in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights) =>
        RunRows(logits, logits.Columns * 16L, new HashJob(logits, table, ids, routing, experts, weights));

    /// <inheritdoc/>
    public override void Experts(
        in Tensor x, in Tensor experts, in Tensor weights, ExpertOperand routed, ExpertOperand? sharedExpert, float limit, in Tensor y)
    {
        // Integers have a layout of their own.
        bool cut = NumericMode == NumericMode.Exact;
        _groups.Sort(experts, weights, routed, sharedExpert, cut);
        _groups.WillNeed();
        int d = x.Columns, hidden = Math.Max(routed.Gate.Rows, sharedExpert?.Gate.Rows ?? 0), pairs = _groups.Pairs;
        int columns = cut ? FactorLayout.Padded(d) : d, hiddenColumns = cut ? FactorLayout.Padded(hidden) : hidden;
        Storage storage = _pairs.Storage((long)pairs * ((2 * columns) + hiddenColumns) * sizeof(float));
        var inputs = new Tensor(storage, 0, DType.F32, 1, pairs, columns);
        var outputs = new Tensor(storage, inputs.Count * sizeof(float), DType.F32, 1, pairs, d);
        var products = new Tensor(storage, 2 * inputs.Count * sizeof(float), DType.F32, 1, pairs, hiddenColumns);
        RunRows(inputs, d, new GatherJob(_groups, x, inputs));
        bool integers = TakesIntegers(routed.Gate) || TakesIntegers(sharedExpert?.Gate);
        IntegerRows codes = integers ? Encode(inputs, pieces: 1) : default;
        integers = TakesIntegers(routed.Down) || TakesIntegers(sharedExpert?.Down);
        IntegerRows hiddenCodes = integers ? new IntegerRows(_hiddenIntegers, pairs, hidden) : default;
        // Multiply-adds of an average panel: 2 for gate and up, 32 outputs, and the rows of a group.
        long work = 64L * d * pairs / _groups.Count;
        int items = _groups.CountPanels(down: false);
        _pool.Run(items, _pool.Chunk(items, work), new GateUpJob(_groups, inputs, codes, limit, products, hiddenCodes, _scratch));
        items = _groups.CountPanels(down: true);
        _pool.Run(items, _pool.Chunk(items, work * hidden / d / 2), new DownJob(_groups, products, hiddenCodes, outputs, _scratch));
        RunRows(x, (long)d * pairs / x.Rows, new SumJob(_groups, outputs, y));
    }

    private readonly struct ScoreJob(Tensor logits, Tensor bias, RoutingOperand routing, Tensor experts, Tensor weights) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int t = first; t < first + count; t++)
            {
                Span<float> scores = logits.Row(t).Span<float>();
                Span<int> chosen = experts.Row(t).Span<int>();
                Router.Score(scores, routing.Scoring);
                Router.Choose(scores, bias.Span<float>(), chosen);
                Router.Weigh(scores, chosen, routing.Normalize, routing.Factor, weights.Row(t).Span<float>());
            }
        }
    }

    private readonly struct HashJob(
        Tensor logits, Tensor table, Tensor ids, RoutingOperand routing, Tensor experts, Tensor weights) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            ReadOnlySpan<int> tokens = ids.Span<int>();
            for (int t = first; t < first + count; t++)
            {
                Span<float> scores = logits.Row(t).Span<float>();
                Span<int> chosen = experts.Row(t).Span<int>();
                Router.Score(scores, routing.Scoring);
                table.Row(tokens[t]).Span<int>().CopyTo(chosen);
                Router.Weigh(scores, chosen, routing.Normalize, routing.Factor, weights.Row(t).Span<float>());
            }
        }
    }

    private static RowFactors Factors(in Tensor x, in IntegerRows codes, in ExpertGroup group) =>
        new(x.Slice(group.FirstPair, group.Rows).Span<float>(), group.Layout(x.Columns), codes, group.FirstPair);

    // A row for each pair; those of a group together.
    private readonly struct GatherJob(ExpertGroups groups, Tensor x, Tensor inputs) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int pair = first; pair < first + count; pair++)
            {
                ExpertGroup group = groups.OfPair(pair);
                Span<float> rows = inputs.Slice(group.FirstPair, group.Rows).Span<float>();
                group.Layout(inputs.Columns).Store(x.Row(groups.RowOf(pair)).Span<float>(), pair - group.FirstPair, rows);
            }
        }
    }

    // One panel of one expert: 32 hidden units of all its rows.
    private readonly struct GateUpJob(
        ExpertGroups groups, Tensor inputs, IntegerRows codes, float limit, Tensor products, IntegerRows hiddenCodes, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int item = first; item < first + count; item++)
            {
                ExpertGroup group = groups.Find(item, down: false, out int panel);
                WeightMatrix gate = group.Expert.Gate, up = group.Expert.Up, down = group.Expert.Down;
                int size = group.Rows * Tile.Width;
                int rest = Math.Max(RowFactors.ScratchFloats(gate, codes), RowFactors.ScratchFloats(up, codes));
                Span<float> acc = scratch[worker].Floats((2 * size) + rest), gates = acc[..size], ups = acc.Slice(size, size);
                RowFactors x = Factors(inputs, codes, group);
                if (group.Rows == 1 && gate.Format == up.Format)
                {
                    x.RunPair(gate, gate.Panel(group.Matrix, panel), up.Panel(group.Matrix, panel), acc);
                }
                else
                {
                    x.RunPanel(gate, gate.Panel(group.Matrix, panel), gates, acc[(2 * size)..]);
                    x.RunPanel(up, up.Panel(group.Matrix, panel), ups, acc[(2 * size)..]);
                }
                int column = panel * Tile.Width, valid = Math.Min(Tile.Width, gate.Rows - column);
                FactorLayout layout = group.Layout(products.Columns);
                for (int r = 0; r < group.Rows; r++)
                {
                    Span<float> units = products.Slice(group.FirstPair, group.Rows).Span<float>().Slice(layout.Place(r, column), valid);
                    Kernels.SwiGlu.Run(
                        gates.Slice(r * Tile.Width, valid), ups.Slice(r * Tile.Width, valid), limit, groups.WeightOf(group.FirstPair + r), units);
                    if (hiddenCodes.Fit(down))
                    {
                        hiddenCodes.Encode(group.FirstPair, r, down.Columns, column, units);
                    }
                }
            }
        }
    }

    private readonly struct DownJob(ExpertGroups groups, Tensor products, IntegerRows hiddenCodes, Tensor outputs, Scratch[] scratch) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            while (count > 0)
            {
                ExpertGroup group = groups.Find(first, down: true, out int panel);
                int panels = Math.Min(count, group.Expert.Down.Panels - panel);
                Multiply(group, panel, panels, scratch[worker]);
                (first, count) = (first + panels, count - panels);
            }
        }

        private void Multiply(in ExpertGroup group, int panel, int count, Scratch own)
        {
            WeightMatrix down = group.Expert.Down;
            int size = Math.Max(group.Rows, 2) * Tile.Width;
            Span<float> acc = own.Floats(size + RowFactors.ScratchFloats(down, hiddenCodes)), sums = acc[..(group.Rows * Tile.Width)];
            RowFactors x = Factors(products, hiddenCodes, group);
            // Halves of one row's panels go side by side: see MatMulJob.
            int pairs = group.Rows == 1 ? count / 2 : 0;
            for (int end = panel + pairs; panel < end; panel++)
            {
                x.RunPair(down, down.Panel(group.Matrix, panel), down.Panel(group.Matrix, panel + pairs), acc);
                Store(group, panel, sums);
                Store(group, panel + pairs, acc.Slice(Tile.Width, Tile.Width));
            }
            panel += pairs;
            for (int end = panel + count - (2 * pairs); panel < end; panel++)
            {
                x.RunPanel(down, down.Panel(group.Matrix, panel), sums, acc[size..]);
                Store(group, panel, sums);
            }
        }

        private void Store(in ExpertGroup group, int panel, ReadOnlySpan<float> acc)
        {
            int column = panel * Tile.Width, valid = Math.Min(Tile.Width, group.Expert.Down.Rows - column);
            Kernels.MatMul.Store(acc, valid, outputs.Slice(group.FirstPair, group.Rows).Span<float>(), outputs.Columns, column);
        }
    }

    private readonly struct SumJob(ExpertGroups groups, Tensor outputs, Tensor y) : IRangeJob
    {
        public void Run(int first, int count, int worker)
        {
            for (int t = first; t < first + count; t++)
            {
                ReadOnlySpan<int> pairs = groups.PairsOf(t);
                Span<float> sum = y.Row(t).Span<float>();
                outputs.Row(pairs[0]).Span<float>().CopyTo(sum);
                foreach (int pair in pairs[1..])
                {
                    Rows.Add(outputs.Row(pair).Span<float>(), sum);
                }
            }
        }
    }
}
