using Fathom.Cpu.Kernels;
using Fathom.Train.Autograd.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>The three projections of every routed expert.</summary>
/// <param name="Gate">w1, E × (w, d)</param> <param name="Up">w3, E × (w, d)</param> <param name="Down">w2, E × (d, w)</param>
internal sealed record ExpertStack(Variable[] Gate, Variable[] Up, Variable[] Down);

/// <summary>
/// y = Σ_i w2 (weight_i · silu(min(w1 x, limit)) ⊙ clamp(w3 x, ±limit)) over a token's experts. Tokens are sorted by expert, so that each
/// expert's projections are one product.
/// </summary>
/// <remarks>dweight = ⟨da, a⟩ / weight; the clamps as in <see cref="SwiGlu"/>.</remarks>
internal static class Experts
{
    public static Variable Apply(Tape tape, Variable x, Routing routing, ExpertStack w, float limit)
    {
        int d = x.Columns, width = w.Gate[0].Rows, k = routing.Weights.Columns, slots = x.Rows * k;
        var order = new SlotOrder(routing.Experts, w.Gate.Length);
        Memory<float> sorted = tape.Take(slots * d), a = tape.Take(slots * width), outputs = tape.Take(slots * d);
        Memory<float> gate = tape.Take(slots * width), up = tape.Take(slots * width);
        Variable y = tape.New(x.Rows, d);
        tape.Parallel(slots, d, (first, end, _) =>
        {
            for (int i = first; i < end; i++)
            {
                x.Row(i / k).CopyTo(sorted.Span[(order.PlaceOf[i] * d)..]);
            }
        });
        Product.TimesTransposed(tape, order.Segments(w.Gate, ofGradient: false), new Operand(sorted, d), new Operand(gate, width), d, width);
        Product.TimesTransposed(tape, order.Segments(w.Up, ofGradient: false), new Operand(sorted, d), new Operand(up, width), d, width);
        tape.Parallel(slots, 20 * width, (first, end, _) =>
        {
            for (int i = first; i < end; i++)
            {
                int place = order.PlaceOf[i] * width;
                GatedUnit.Forward(
                    gate.Span.Slice(place, width), up.Span.Slice(place, width), limit, routing.Weights.Value.Span[i], a.Span.Slice(place, width));
            }
        });
        Product.TimesTransposed(tape, order.Segments(w.Down, ofGradient: false), new Operand(a, width), new Operand(outputs, d), width, d);
        SumSlots(tape, outputs, order, k, y.Value, clear: true, d);
        tape.Record(() => Backward(tape, (x, y), routing, w, limit, order, (sorted, gate, up, a)));
        return y;
    }

    private static void Backward(
        Tape tape, (Variable X, Variable Y) of, Routing routing, ExpertStack w, float limit, SlotOrder order,
        (Memory<float> Sorted, Memory<float> Gate, Memory<float> Up, Memory<float> A) kept)
    {
        int d = of.X.Columns, width = w.Gate[0].Rows, k = routing.Weights.Columns, slots = of.X.Rows * k;
        Memory<float> dOutputs = tape.Take(slots * d), da = tape.TakeZeroed(slots * width), dSorted = tape.TakeZeroed(slots * d);
        Memory<float> dGate = tape.TakeZeroed(slots * width), dUp = tape.TakeZeroed(slots * width);
        tape.Parallel(slots, d, (first, end, _) =>
        {
            for (int i = first; i < end; i++)
            {
                of.Y.GradientRow(i / k).CopyTo(dOutputs.Span[(order.PlaceOf[i] * d)..]);
            }
        });
        Product.AddTimes(tape, order.Segments(w.Down, ofGradient: false), new Operand(dOutputs, d), new Operand(da, width), d, width);
        Product.AddOuter(tape, order.Segments(w.Down, ofGradient: true), new Operand(dOutputs, d), new Operand(kept.A, width), d, width);
        tape.Parallel(slots, 30 * width, (first, end, _) =>
        {
            for (int i = first; i < end; i++)
            {
                int place = order.PlaceOf[i] * width;
                routing.Weights.Gradient.Span[i] += GatedUnit.Backward(
                    kept.Gate.Span.Slice(place, width), kept.Up.Span.Slice(place, width), limit, routing.Weights.Value.Span[i],
                    da.Span.Slice(place, width), dGate.Span.Slice(place, width), dUp.Span.Slice(place, width));
            }
        });
        foreach ((Variable[] weights, Memory<float> gradient) in new[] { (w.Gate, dGate), (w.Up, dUp) })
        {
            Product.AddTimes(tape, order.Segments(weights, ofGradient: false), new Operand(gradient, width), new Operand(dSorted, d), width, d);
            Product.AddOuter(tape, order.Segments(weights, ofGradient: true), new Operand(gradient, width), new Operand(kept.Sorted, d), width, d);
        }
        SumSlots(tape, dSorted, order, k, of.X.Gradient, clear: false, d);
    }

    private static void SumSlots(Tape tape, Memory<float> slots, SlotOrder order, int k, Memory<float> target, bool clear, int d) =>
        tape.Parallel(target.Length / d, k * d, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Span<float> row = target.Span.Slice(t * d, d);
                if (clear)
                {
                    row.Clear();
                }
                for (int i = t * k; i < (t + 1) * k; i++)
                {
                    Rows.Add(slots.Span.Slice(order.PlaceOf[i] * d, d), row);
                }
            }
        });

    /// <summary>Slots (a token's i-th expert) sorted by expert, in the order of tokens within one.</summary>
    private sealed class SlotOrder
    {
        private readonly int[] _first;

        public SlotOrder(int[] experts, int expertCount)
        {
            _first = new int[expertCount + 1];
            foreach (int expert in experts)
            {
                _first[expert + 1]++;
            }
            for (int e = 0; e < expertCount; e++)
            {
                _first[e + 1] += _first[e];
            }
            int[] next = [.. _first];
            PlaceOf = new int[experts.Length];
            for (int i = 0; i < experts.Length; i++)
            {
                PlaceOf[i] = next[experts[i]]++;
            }
        }

        public int[] PlaceOf { get; }

        public Segment[] Segments(Variable[] weights, bool ofGradient)
        {
            var segments = new Segment[weights.Length];
            for (int e = 0; e < weights.Length; e++)
            {
                segments[e] = new Segment(ofGradient ? weights[e].Gradient : weights[e].Value, _first[e], _first[e + 1] - _first[e]);
            }
            return segments;
        }
    }
}
