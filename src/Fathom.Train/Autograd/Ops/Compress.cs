using System.Numerics.Tensors;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>
/// Entries pooled channel by channel: e_u = Σ_s π_s,u a_s,u with π = softmax over the slots of b + B. With overlap the tokens of the window
/// before give their first half of channels, those of the own window their second; a sample's first entry has no window before it.
/// </summary>
/// <remarks>da = π g; db = π (a − e) g; dB = Σ over entries of db. π is computed again.</remarks>
internal static class Compress
{
    private const int ChunkEntries = 16;

    /// <param name="tape">where to record</param> <param name="values">a, (T, w · c)</param> <param name="gates">b, (T, w · c)</param>
    /// <param name="bias">B, (ratio, w · c)</param> <param name="entries">where the windows lie</param>
    /// <returns>(entries, c)</returns>
    public static Variable Apply(Tape tape, Variable values, Variable gates, Variable bias, Entries entries, int columns)
    {
        Variable y = tape.New(entries.Count, columns);
        tape.Parallel(entries.Count, 20 * entries.Ratio * values.Columns, (first, end, worker) =>
        {
            for (int e = first; e < end; e++)
            {
                Pooling pooling = new(gates, bias, entries.Windows[e], entries.Ratio, columns);
                Span<float> weights = tape.Scratch(worker, (pooling.Slots + 1) * columns), entry = y.Row(e);
                pooling.Weights(weights);
                entry.Clear();
                for (int s = 0; s < pooling.Slots; s++)
                {
                    TensorPrimitives.MultiplyAdd(weights.Slice(s * columns, columns), pooling.Of(values.Value.Span, s), entry, entry);
                }
            }
        });
        tape.Record(() => tape.Reduce(entries.Count, ChunkEntries, bias.Gradient, (first, end, sums, worker) =>
        {
            for (int e = first; e < end; e++)
            {
                Backward(tape, new Pooling(gates, bias, entries.Windows[e], entries.Ratio, columns), (values, gates), (y, e), sums, worker);
            }
        }));
        return y;
    }

    private static void Backward(Tape tape, in Pooling pooling, (Variable Values, Variable Gates) x, (Variable Y, int Entry) of, Span<float> sums, int worker)
    {
        int c = of.Y.Columns;
        Span<float> scratch = tape.Scratch(worker, (pooling.Slots + 3) * c), d = scratch.Slice((pooling.Slots + 1) * c, c), difference = scratch.Slice((pooling.Slots + 2) * c, c);
        ReadOnlySpan<float> entry = of.Y.Row(of.Entry), g = of.Y.GradientRow(of.Entry);
        pooling.Weights(scratch[..((pooling.Slots + 1) * c)]);
        for (int s = 0; s < pooling.Slots; s++)
        {
            TensorPrimitives.Multiply(scratch.Slice(s * c, c), g, d);
            Rows.Add(d, pooling.Of(x.Values.Gradient.Span, s));
            TensorPrimitives.Subtract(pooling.Of(x.Values.Value.Span, s), entry, difference);
            TensorPrimitives.Multiply<float>(d, difference, d);
            Rows.Add(d, pooling.Of(x.Gates.Gradient.Span, s));
            Rows.Add(d, pooling.OfBias(sums, s));
        }
    }

    /// <summary>The slots of one entry: tokens and the channels they are read through.</summary>
    private readonly struct Pooling(Variable gates, Variable bias, EntryWindow window, int ratio, int c)
    {
        private readonly bool _overlaps = gates.Columns > c;

        public int Slots => _overlaps && window.HasBefore ? 2 * ratio : ratio;

        /// <summary>A slot's channels among those of all tokens.</summary>
        public Span<float> Of(Span<float> tokens, int slot) =>
            tokens.Slice(((window.FirstRow + Offset(slot)) * gates.Columns) + FirstChannel(slot), c);

        /// <summary>A slot's channels of the position bias.</summary>
        public Span<float> OfBias(Span<float> rows, int slot) => rows.Slice((slot % ratio * gates.Columns) + FirstChannel(slot), c);

        /// <summary>π, (slots, c), with one more row of scratch behind it.</summary>
        public void Weights(Span<float> weights)
        {
            Span<float> line = weights.Slice(Slots * c, c);
            line.Fill(float.NegativeInfinity);
            for (int s = 0; s < Slots; s++)
            {
                Span<float> score = weights.Slice(s * c, c);
                TensorPrimitives.Add<float>(Of(gates.Value.Span, s), OfBias(bias.Value.Span, s), score);
                TensorPrimitives.Max<float>(line, score, line);
            }
            for (int s = 0; s < Slots; s++)
            {
                Span<float> score = weights.Slice(s * c, c);
                TensorPrimitives.Subtract<float>(score, line, score);
                TensorPrimitives.Exp<float>(score, score);
            }
            line.Clear();
            for (int s = 0; s < Slots; s++)
            {
                Rows.Add(weights.Slice(s * c, c), line);
            }
            for (int s = 0; s < Slots; s++)
            {
                TensorPrimitives.Divide<float>(weights.Slice(s * c, c), line, weights.Slice(s * c, c));
            }
        }

        // Without a window before, slots begin at the own window.
        private int Offset(int slot) => Slots > ratio ? slot - ratio : slot;

        private int FirstChannel(int slot) => _overlaps && Offset(slot) >= 0 ? c : 0;
    }
}
