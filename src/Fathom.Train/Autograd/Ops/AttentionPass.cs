using Fathom.Cpu.Kernels;
using Fathom.Train.Autograd.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>One attention: forward and backward of a block of queries against the keys that any of them sees.</summary>
internal sealed class AttentionPass(AttentionInputs x, AttentionPlan plan, Variable y, Memory<float> logSums)
{
    private const int Width = KeyBlock.Width;

    private readonly int _heads = x.Sinks.Columns;
    private readonly int _c = x.Window.Columns;
    private readonly float _scale = 1 / MathF.Sqrt(x.Window.Columns);

    public int ScratchFloats(QueryBlock block)
    {
        int panels = WindowPanels(block) + EntryPanels(block.End), rows = block.Count * _heads;
        return KeyBlock.ScratchFloats(panels, _c) + (2 * panels * rows * Width) + (rows * Width) + rows;
    }

    /// <summary>Floats for a group's sums of key gradients: its window rows, then the entries, both in whole panels and one more.</summary>
    public int SumFloats(QueryGroup group) => (WindowKeys(group) + EntryKeys(group)) * KeyBlock.Padded(_c);

    public void Forward(QueryBlock block, Span<float> scratch, Variable? teacher)
    {
        Parts parts = Load(block, scratch);
        int rows = block.Count * _heads, firstRow = FirstRow(block);
        parts.Keys.Score(BlockOf(x.Queries.Value, block), parts.Scores);
        for (int r = 0; r < rows; r++)
        {
            Hide(parts.Scores, block, r);
            float sink = x.Sinks.Value.Span[r % _heads];
            float most = PanelRows.Max(parts.Scores, rows, r) * _scale;
            most = MathF.Max(most, sink);
            float sum = PanelRows.Exponentials(parts.Scores, rows, r, _scale, most) + MathF.Exp(sink - most);
            parts.Factors[r] = 1 / sum;
            logSums.Span[(firstRow * _heads) + r] = most + MathF.Log(sum);
        }
        parts.Keys.AddWeighted(parts.Scores, parts.Factors, parts.Acc, BlockOf(y.Value, block));
        if (teacher is not null)
        {
            Teach(block, parts, teacher);
        }
    }

    public void Backward(QueryBlock block, QueryGroup group, Span<float> scratch, Span<float> keySums, Span<float> sinkSums)
    {
        Parts parts = Load(block, scratch);
        int rows = block.Count * _heads, firstRow = FirstRow(block);
        ReadOnlySpan<float> q = BlockOf(x.Queries.Value, block), g = BlockOf(y.Gradient, block);
        parts.Keys.Score(q, parts.Scores);
        parts.Keys.Score(g, parts.Gradients);
        for (int r = 0; r < rows; r++)
        {
            Hide(parts.Scores, block, r);
            float logSum = logSums.Span[(firstRow * _heads) + r];
            PanelRows.Exponentials(parts.Scores, rows, r, _scale, logSum);
            float delta = PanelRows.Dot(parts.Scores, parts.Gradients, rows, r);
            PanelRows.SoftmaxBackward(parts.Scores, parts.Gradients, rows, r, delta, _scale);
            sinkSums[r % _heads] -= MathF.Exp(x.Sinks.Value.Span[r % _heads] - logSum) * delta;
        }
        parts.Keys.AddWeighted(parts.Gradients, default, parts.Acc, BlockOf(x.Queries.Gradient, block));
        int inWindow = WindowPanels(block), keys = WindowKeys(group), entries = EntryKeys(group), padded = KeyBlock.Padded(_c);
        for (int p = 0; p < parts.Keys.Panels; p++)
        {
            bool isWindow = p < inWindow;
            Span<float> sums = isWindow ? keySums[..(keys * padded)] : keySums.Slice(keys * padded, entries * padded);
            int first = isWindow ? FirstKey(block.First) - FirstKey(group.First) + (p * Width) : (p - inWindow) * Width;
            ReadOnlySpan<float> dz = parts.Gradients.Slice(p * rows * Width, rows * Width), weights = parts.Scores.Slice(p * rows * Width, rows * Width);
            KeyBlock.AddToKeys(dz, q, _c, parts.Acc, sums, isWindow ? keys : entries, first);
            KeyBlock.AddToKeys(weights, g, _c, parts.Acc, sums, isWindow ? keys : entries, first);
        }
    }

    /// <summary>Adds a group's sums to the keys' gradients.</summary>
    public void AddKeySums(QueryGroup group, ReadOnlySpan<float> sums)
    {
        Sample sample = plan.Entries.Samples[group.Sample];
        int first = FirstKey(group.First), keys = WindowKeys(group), entries = EntryKeys(group);
        for (int place = first; place < group.End; place++)
        {
            KeyBlock.AddSums(sums, keys, place - first, x.Window.GradientRow(sample.FirstRow + place));
        }
        if (x.Compressed is null)
        {
            return;
        }
        for (int e = 0; e < plan.Entries.VisibleAt(group.End - 1); e++)
        {
            KeyBlock.AddSums(
                sums[(keys * KeyBlock.Padded(_c))..], entries, e, x.Compressed.GradientRow(plan.Entries.FirstOf(group.Sample) + e));
        }
    }

    private Parts Load(QueryBlock block, Span<float> scratch)
    {
        int inWindow = WindowPanels(block), panels = inWindow + EntryPanels(block.End), rows = block.Count * _heads, size = panels * rows * Width;
        int keyFloats = KeyBlock.ScratchFloats(panels, _c), first = FirstKey(block.First);
        var keys = new KeyBlock(scratch[..keyFloats], panels, _c);
        keys.Load(0, x.Window.Value.Span.Slice((plan.Entries.Samples[block.Sample].FirstRow + first) * _c, (block.End - first) * _c));
        int visible = plan.Entries.VisibleAt(block.End - 1);
        if (visible > 0 && x.Compressed is not null)
        {
            keys.Load(inWindow, x.Compressed.Value.Span.Slice(plan.Entries.FirstOf(block.Sample) * _c, visible * _c));
        }
        return new Parts(
            keys, scratch.Slice(keyFloats, size), scratch.Slice(keyFloats + size, size),
            scratch.Slice(keyFloats + (2 * size), rows * Width), scratch.Slice(keyFloats + (2 * size) + (rows * Width), rows));
    }

    // Row r's invisible keys get −∞.
    private void Hide(Span<float> scores, QueryBlock block, int r)
    {
        int rows = block.Count * _heads, place = block.First + (r / _heads), first = FirstKey(block.First), inWindow = WindowPanels(block);
        PanelRows.Keep(scores, rows, r, (0, inWindow), (Math.Max(0, place - plan.WindowSize + 1) - first, place - first + 1));
        int panels = scores.Length / (rows * Width), visible = plan.Entries.VisibleAt(place);
        PanelRows.Keep(scores, rows, r, (inWindow, panels), (0, visible));
        if (plan.Selected is null)
        {
            return;
        }
        ReadOnlySpan<float> selected = plan.Selected.Row(plan.Entries.Samples[block.Sample].FirstRow + place);
        for (int e = 0; e < visible; e++)
        {
            if (selected[e] == 0)
            {
                scores[((((inWindow + (e / Width)) * rows) + r) * Width) + (e % Width)] = float.NegativeInfinity;
            }
        }
    }

    private void Teach(QueryBlock block, in Parts parts, Variable teacher)
    {
        int rows = block.Count * _heads, inWindow = WindowPanels(block);
        for (int r = 0; r < rows; r++)
        {
            int place = block.First + (r / _heads), visible = plan.Entries.VisibleAt(place);
            Span<float> mass = teacher.Row(plan.Entries.Samples[block.Sample].FirstRow + place);
            for (int e = 0; e < visible; e += Width)
            {
                int width = Math.Min(Width, visible - e);
                Rows.AddScaled(parts.Scores.Slice((((inWindow + (e / Width)) * rows) + r) * Width, width), parts.Factors[r], mass.Slice(e, width));
            }
        }
    }

    private int FirstRow(QueryBlock block) => plan.Entries.Samples[block.Sample].FirstRow + block.First;

    // (queries · heads, c) of the block.
    private Span<float> BlockOf(Memory<float> numbers, QueryBlock block) => numbers.Span.Slice(FirstRow(block) * _heads * _c, block.Count * _heads * _c);

    private int FirstKey(int place) => Math.Max(0, place - plan.WindowSize + 1);

    private int WindowPanels(QueryBlock block) => KeyBlock.Padded(block.End - FirstKey(block.First)) / Width;

    private int EntryPanels(int end) => KeyBlock.Padded(plan.Entries.VisibleAt(end - 1)) / Width;

    private int WindowKeys(QueryGroup group) => KeyBlock.Padded(group.End - FirstKey(group.First)) + Width;

    private int EntryKeys(QueryGroup group) => EntryPanels(group.End) * Width;

    private readonly ref struct Parts(KeyBlock keys, Span<float> scores, Span<float> gradients, Span<float> acc, Span<float> factors)
    {
        public readonly KeyBlock Keys = keys;
        public readonly Span<float> Scores = scores;
        public readonly Span<float> Gradients = gradients;
        public readonly Span<float> Acc = acc;
        public readonly Span<float> Factors = factors;
    }
}
