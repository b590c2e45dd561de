using Fathom.Train.Autograd.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>I_p = Σ_h ω_h ReLU(⟨q_h, k_p⟩) / √(n_h c) for every entry p that a query sees; zero for the others. T is the number of queries.</summary>
/// <remarks>With u_h = ⟨q_h, k_p⟩: dω_h = Σ_p dI_p ReLU(u_h); dq_h = Σ_p dI_p ω_h 1[u_h &gt; 0] k_p; dk_p = Σ_h dI_p ω_h 1[u_h &gt; 0] q_h.</remarks>
internal static class IndexerScores
{
    /// <param name="tape">where to record</param> <param name="queries">(T, n_h · c), rotated</param> <param name="weights">ω, (T, n_h)</param>
    /// <param name="keys">(entries, c), rotated</param> <param name="entries">where they lie</param>
    /// <returns>(T, entries of the longest sample)</returns>
    public static Variable Apply(Tape tape, Variable queries, Variable weights, Variable keys, Entries entries)
    {
        Variable scores = tape.New(queries.Rows, Math.Max(1, entries.Most));
        scores.Value.Span.Clear();
        var pass = new IndexerPass(queries, weights, keys, entries, scores);
        QueryGroup[] groups = QueryGroups.Of(entries.Queries);
        tape.ParallelLarge(groups.Length, (i, worker) => groups[i].ForEachBlock(block =>
            pass.Forward(block, tape.Scratch(worker, pass.ScratchFloats(block)))));
        tape.Record(() =>
        {
            var sums = new Memory<float>[groups.Length];
            for (int i = 0; i < groups.Length; i++)
            {
                sums[i] = tape.TakeZeroed(pass.SumFloats(groups[i]));
            }
            tape.ParallelLarge(groups.Length, (i, worker) => groups[i].ForEachBlock(block =>
                pass.Backward(block, groups[i], tape.Scratch(worker, pass.ScratchFloats(block)), sums[i].Span)));
            for (int i = 0; i < groups.Length; i++)
            {
                pass.AddKeySums(groups[i], sums[i].Span);
            }
        });
        return scores;
    }

    private sealed class IndexerPass(Variable queries, Variable weights, Variable keys, Entries entries, Variable scores)
    {
        private const int Width = KeyBlock.Width;

        private readonly int _heads = weights.Columns;
        private readonly int _c = keys.Columns;
        private readonly float _scale = 1 / MathF.Sqrt(weights.Columns * keys.Columns);

        public int ScratchFloats(QueryBlock block)
        {
            int panels = Panels(block.End), rows = block.Count * _heads;
            return KeyBlock.ScratchFloats(panels, _c) + ((panels + 1) * rows * Width);
        }

        public int SumFloats(QueryGroup group) => Panels(group.End) * Width * KeyBlock.Padded(_c);

        public void Forward(QueryBlock block, Span<float> scratch)
        {
            if (Panels(block.End) == 0)
            {
                return;
            }
            Load(block, scratch, out Span<float> products, out _);
            int rows = block.Count * _heads;
            for (int r = 0; r < rows; r++)
            {
                int place = block.First + (r / _heads), row = entries.Queries[block.Sample].FirstRow + place, visible = entries.VisibleTo(place);
                float weight = weights.Row(row)[r % _heads] * _scale;
                for (int e = 0; e < visible; e += Width)
                {
                    Span<float> sum = scores.Row(row)[e..Math.Min(visible, e + Width)];
                    PositivePart.AddScaled(products.Slice((((e / Width) * rows) + r) * Width, sum.Length), weight, sum);
                }
            }
        }

        public void Backward(QueryBlock block, QueryGroup group, Span<float> scratch, Span<float> sums)
        {
            int panels = Panels(block.End), rows = block.Count * _heads, firstRow = entries.Queries[block.Sample].FirstRow + block.First;
            if (panels == 0)
            {
                return;
            }
            KeyBlock all = Load(block, scratch, out Span<float> products, out Span<float> acc);
            for (int r = 0; r < rows; r++)
            {
                BackwardRow(products, rows, r, firstRow + (r / _heads), entries.VisibleTo(block.First + (r / _heads)), panels);
            }
            int first = firstRow * _heads * _c;
            all.AddWeighted(products, default, acc, queries.Gradient.Span.Slice(first, rows * _c));
            for (int p = 0; p < panels; p++)
            {
                KeyBlock.AddToKeys(
                    products.Slice(p * rows * Width, rows * Width), queries.Value.Span.Slice(first, rows * _c), _c, acc, sums,
                    Panels(group.End) * Width, p * Width);
            }
        }

        public void AddKeySums(QueryGroup group, ReadOnlySpan<float> sums)
        {
            for (int e = 0; e < entries.VisibleTo(group.End - 1); e++)
            {
                KeyBlock.AddSums(sums, Panels(group.End) * Width, e, keys.GradientRow(entries.FirstOf(group.Sample) + e));
            }
        }

        // Products become their own gradients; the head's weight gets its.
        private void BackwardRow(Span<float> products, int rows, int r, int row, int visible, int panels)
        {
            ReadOnlySpan<float> gradient = scores.GradientRow(row);
            float weight = weights.Row(row)[r % _heads] * _scale, sum = 0;
            for (int e = 0; e < panels * Width; e += Width)
            {
                Span<float> part = products.Slice((((e / Width) * rows) + r) * Width, Width);
                int width = Math.Clamp(visible - e, 0, Width);
                sum += PositivePart.Backward(part[..width], gradient.Slice(Math.Min(e, visible), width), weight);
                part[width..].Clear();
            }
            weights.GradientRow(row)[r % _heads] += sum * _scale;
        }

        private KeyBlock Load(QueryBlock block, Span<float> scratch, out Span<float> products, out Span<float> acc)
        {
            int panels = Panels(block.End), rows = block.Count * _heads, keyFloats = KeyBlock.ScratchFloats(panels, _c);
            var all = new KeyBlock(scratch[..keyFloats], panels, _c);
            all.Load(0, keys.Value.Span.Slice(entries.FirstOf(block.Sample) * _c, entries.VisibleTo(block.End - 1) * _c));
            products = scratch.Slice(keyFloats, panels * rows * Width);
            acc = scratch.Slice(keyFloats + products.Length, rows * Width);
            int first = (entries.Queries[block.Sample].FirstRow + block.First) * _heads * _c;
            all.Score(queries.Value.Span.Slice(first, rows * _c), products);
            return all;
        }

        private int Panels(int end) => KeyBlock.Padded(entries.VisibleTo(end - 1)) / Width;
    }
}
