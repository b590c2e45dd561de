using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Fathom.Cpu.Kernels;
using Fathom.Train.Autograd.Kernels;

namespace Fathom.Train.Autograd.Ops;

/// <summary>The trained tensors of one hyper-connection.</summary>
/// <param name="Fn">(m, n · d), with m = 2n + n², or n at the head</param> <param name="Base">(1, m)</param> <param name="Scale">(1, 3), or (1, 1)</param>
internal sealed record HyperConnectionWeights(Variable Fn, Variable Base, Variable Scale);

/// <summary>Constants of the hyper-connections.</summary>
/// <param name="Streams">n</param> <param name="Iterations">Sinkhorn rounds</param> <param name="Epsilon">ε of the mixing weights</param>
/// <param name="NormEpsilon">ε of the RMS statistic</param>
internal sealed record HyperConnectionShape(int Streams, int Iterations, float Epsilon, float NormEpsilon);

/// <summary>The mixing weights pre, post and C of every token, (T, m); post's and C's gradients come from <see cref="HcPost"/>.</summary>
internal sealed record HyperMix(Variable Weights);

/// <summary>Copies of the embedding as streams: X_i = x.</summary>
internal static class HcExpand
{
    public static Variable Apply(Tape tape, Variable x, int streams)
    {
        int d = x.Columns;
        Variable y = tape.New(x.Rows, streams * d);
        tape.Parallel(x.Rows * streams, d, (first, end, _) =>
        {
            for (int i = first; i < end; i++)
            {
                x.Row(i / streams).CopyTo(y.Value.Span[(i * d)..]);
            }
        });
        tape.Record(() => tape.Parallel(x.Rows, streams * d, (first, end, _) =>
        {
            for (int i = first * streams; i < end * streams; i++)
            {
                Rows.Add(y.Gradient.Span.Slice(i * d, d), x.GradientRow(i / streams));
            }
        }));
        return y;
    }
}

/// <summary>
/// h = Σ_i pre_i X_i, with pre, post and C from the streams: mix = ρ fn vec(X), pre = σ(α₁ mix + b) + ε, post = 2σ(α₂ mix + b),
/// C = Sinkhorn(α₃ mix + b). At the head there is pre alone.
/// </summary>
/// <remarks>
/// dpre_i = ⟨x_i, dh⟩; da = dpre s(1 − s), dpost post(1 − post/2), SinkhornBackward(dC); db = da; dα = ⟨da, mix⟩; dmix = α da;
/// dfn = ρ dmix vec(X)ᵀ; dX = pre dh + ρ fnᵀ dmix − (ρ²/N) ⟨dmix, mix⟩ X. Of the mixing, m numbers a token are kept.
/// </remarks>
internal static class HcPre
{
    private const int ChunkRows = 256;

    /// <param name="tape">where to record</param> <param name="x">streams, (T, n · d)</param> <param name="w">trained tensors</param>
    /// <param name="shape">constants</param>
    /// <returns>h, (T, d), and the mixing weights</returns>
    public static (Variable Input, HyperMix Mix) Apply(Tape tape, Variable x, HyperConnectionWeights w, HyperConnectionShape shape)
    {
        int m = w.Fn.Rows, rows = x.Rows, d = x.Columns / shape.Streams;
        Memory<float> mixes = Project(tape, x, w.Fn, shape.Streams), inverse = tape.Take(rows);
        Variable weights = tape.New(rows, m), h = tape.New(rows, d);
        tape.Parallel((rows + SinkhornLanes.Tokens - 1) / SinkhornLanes.Tokens, 400 * m, (first, end, worker) =>
        {
            (int from, int to) = (first * SinkhornLanes.Tokens, Math.Min(rows, end * SinkhornLanes.Tokens));
            for (int t = from; t < to; t++)
            {
                Span<float> row = x.Row(t), mix = mixes.Span.Slice(t * m, m);
                inverse.Span[t] = 1 / MathF.Sqrt((Rows.Dot(row, row) / row.Length) + shape.NormEpsilon);
                Rows.Scale(mix, inverse.Span[t], mix);
                Activate(mix, w, shape, weights.Row(t));
            }
            Sinkhorn(weights, shape, (from, to), tape.Scratch(worker, m * SinkhornLanes.Tokens));
            for (int t = from; t < to; t++)
            {
                Cpu.Kernels.HyperConnection.Mix(x.Row(t), weights.Row(t)[..shape.Streams], h.Row(t));
            }
        });
        tape.Record(() => Backward(tape, x, w, shape, (mixes, inverse), weights, h));
        return (h, new HyperMix(weights));
    }

    // fn vec(X), (T, m), as the sum of one chain for each stream in the order of streams, like the engine's.
    private static Memory<float> Project(Tape tape, Variable x, Variable fn, int streams)
    {
        int m = fn.Rows, d = x.Columns / streams;
        Memory<float> products = tape.Take(x.Rows * streams * m), sums = tape.Take(x.Rows * m);
        var pieces = new Segment[streams];
        for (int i = 0; i < streams; i++)
        {
            Memory<float> piece = tape.Take(m * d);
            for (int row = 0; row < m; row++)
            {
                fn.Row(row).Slice(i * d, d).CopyTo(piece.Span[(row * d)..]);
            }
            pieces[i] = new Segment(piece, 0, x.Rows, XOffset: i * d, YOffset: i * m);
        }
        Product.TimesTransposed(tape, pieces, new Operand(x.Value, x.Columns), new Operand(products, streams * m), d, m);
        tape.Parallel(x.Rows, streams * m, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Span<float> sum = sums.Span.Slice(t * m, m), parts = products.Span.Slice(t * streams * m, streams * m);
                parts[..m].CopyTo(sum);
                for (int i = 1; i < streams; i++)
                {
                    Rows.Add(parts.Slice(i * m, m), sum);
                }
            }
        });
        return sums;
    }

    // C's part is left as logits.
    private static void Activate(ReadOnlySpan<float> mix, HyperConnectionWeights w, HyperConnectionShape shape, Span<float> weights)
    {
        int n = shape.Streams;
        Affine(mix, w, n, weights);
        for (int i = 0; i < n; i++)
        {
            weights[i] = Rows.Sigmoid(weights[i]) + shape.Epsilon;
        }
        for (int i = n; i < Math.Min(2 * n, mix.Length); i++)
        {
            weights[i] = 2 * Rows.Sigmoid(weights[i]);
        }
    }

    private static void Affine(ReadOnlySpan<float> mix, HyperConnectionWeights w, int n, Span<float> a)
    {
        ReadOnlySpan<float> scale = w.Scale.Value.Span, bias = w.Base.Value.Span;
        for (int i = 0; i < mix.Length; i++)
        {
            a[i] = (mix[i] * scale[Part(i, n)]) + bias[i];
        }
    }

    private static int Part(int i, int n) => Math.Min(i / n, 2);

    private static void Sinkhorn(Variable weights, HyperConnectionShape shape, (int First, int End) rows, Span<float> scratch)
    {
        int n = shape.Streams, m = weights.Columns;
        if (m == n)
        {
            return;
        }
        Span<Vector512<float>> c = MemoryMarshal.Cast<float, Vector512<float>>(scratch)[..(n * n)];
        for (int t = rows.First; t < rows.End; t += SinkhornLanes.Tokens)
        {
            int tokens = Math.Min(SinkhornLanes.Tokens, rows.End - t);
            Span<float> place = weights.Value.Span.Slice(t * m, tokens * m);
            Streams.Gather(place, m, tokens, 2 * n, c);
            SinkhornLanes.Forward(c, n, shape.Iterations, shape.Epsilon);
            Streams.Scatter(c, place, m, tokens, 2 * n);
        }
    }

    private static void Backward(
        Tape tape, Variable x, HyperConnectionWeights w, HyperConnectionShape shape, (Memory<float> Mixes, Memory<float> Inverse) kept,
        Variable weights, Variable h)
    {
        int n = shape.Streams, m = weights.Columns, rows = x.Rows, scales = w.Scale.Columns;
        Memory<float> dProjected = tape.Take(rows * m), sums = tape.TakeZeroed(m + scales);
        tape.Reduce(rows, ChunkRows, sums, (first, end, chunk, worker) =>
        {
            BackwardMixing(tape, w, shape, kept.Mixes, weights, (x, h), (first, end), worker);
            for (int t = first; t < end; t++)
            {
                Span<float> da = weights.GradientRow(t), mix = kept.Mixes.Span.Slice(t * m, m), dMix = dProjected.Span.Slice(t * m, m);
                float along = 0, r = kept.Inverse.Span[t];
                for (int i = 0; i < m; i++)
                {
                    int part = Part(i, n);
                    chunk[i] += da[i];
                    chunk[m + part] += da[i] * mix[i];
                    float d = da[i] * w.Scale.Value.Span[part];
                    along += d * mix[i];
                    dMix[i] = d * r;
                }
                Rows.AddScaled(x.Row(t), -r * r * along / x.Columns, x.GradientRow(t));
                for (int i = 0; i < n; i++)
                {
                    Rows.AddScaled(h.GradientRow(t), weights.Row(t)[i], x.GradientRow(t).Slice(i * h.Columns, h.Columns));
                }
            }
        });
        if (w.Base.NeedsGradient)
        {
            Rows.Add(sums.Span[..m], w.Base.Gradient.Span);
            Rows.Add(sums.Span[m..], w.Scale.Gradient.Span);
        }
        Product.AddTimes(tape, [new Segment(w.Fn.Value, 0, rows)], new Operand(dProjected, m), new Operand(x.Gradient, x.Columns), m, x.Columns);
        if (w.Fn.NeedsGradient)
        {
            Product.AddOuter(
                tape, [new Segment(w.Fn.Gradient, 0, rows)], new Operand(dProjected, m), new Operand(x.Value, x.Columns), m, x.Columns);
        }
    }

    // The gradient of the mixing weights becomes da, that of what goes into σ and Sinkhorn.
    private static void BackwardMixing(
        Tape tape, HyperConnectionWeights w, HyperConnectionShape shape, Memory<float> mixes, Variable weights, (Variable X, Variable H) mixed,
        (int First, int End) rows, int worker)
    {
        int n = shape.Streams, m = weights.Columns, d = mixed.H.Columns;
        for (int t = rows.First; t < rows.End; t++)
        {
            Span<float> value = weights.Row(t), gradient = weights.GradientRow(t);
            for (int i = 0; i < n; i++)
            {
                float s = value[i] - shape.Epsilon;
                gradient[i] = Rows.Dot(mixed.X.Row(t).Slice(i * d, d), mixed.H.GradientRow(t)) * s * (1 - s);
            }
            for (int i = n; i < Math.Min(2 * n, m); i++)
            {
                gradient[i] *= value[i] * (1 - (value[i] / 2));
            }
        }
        if (m == n)
        {
            return;
        }
        int history = SinkhornLanes.HistoryVectors(n, shape.Iterations), lanes = SinkhornLanes.Tokens;
        Span<float> scratch = tape.Scratch(worker, ((history + (2 * n * n)) * lanes) + (m * lanes));
        Span<float> logits = scratch[((history + (2 * n * n)) * lanes)..];
        Span<Vector512<float>> vectors = MemoryMarshal.Cast<float, Vector512<float>>(scratch);
        Span<Vector512<float>> c = vectors[..(n * n)], g = vectors.Slice(n * n, n * n), past = vectors.Slice(2 * n * n, history);
        for (int t = rows.First; t < rows.End; t += lanes)
        {
            int tokens = Math.Min(lanes, rows.End - t);
            for (int i = 0; i < tokens; i++)
            {
                Affine(mixes.Span.Slice((t + i) * m, m), w, n, logits.Slice(i * m, m));
            }
            Span<float> place = weights.Gradient.Span.Slice(t * m, tokens * m);
            Streams.Gather(logits, m, tokens, 2 * n, c);
            Streams.Gather(place, m, tokens, 2 * n, g);
            SinkhornLanes.Backward(c, g, past, n, shape.Iterations, shape.Epsilon);
            Streams.Scatter(g, place, m, tokens, 2 * n);
        }
    }
}

/// <summary>X'_k = post_k f + Σ_j C[j, k] X_j.</summary>
/// <remarks>df = Σ post_k dy_k; dx_j = Σ_k C[j, k] dy_k; dpost_k = ⟨f, dy_k⟩; dC[j, k] = ⟨x_j, dy_k⟩.</remarks>
internal static class HcPost
{
    /// <param name="tape">where to record</param> <param name="x">streams before the sublayer, (T, n · d)</param>
    /// <param name="f">the sublayer's output, (T, d)</param> <param name="mix">from <see cref="HcPre"/></param>
    public static Variable Apply(Tape tape, Variable x, Variable f, HyperMix mix)
    {
        int n = x.Columns / f.Columns;
        Variable y = tape.New(x.Rows, x.Columns);
        tape.Parallel(x.Rows, n * x.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                ReadOnlySpan<float> weights = mix.Weights.Row(t);
                Streams.Post(x.Row(t), f.Row(t), weights.Slice(n, n), weights[(2 * n)..], y.Row(t));
            }
        });
        tape.Record(() => tape.Parallel(x.Rows, 3 * n * x.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                Streams.PostBackward(
                    new StreamsOperand(x.Row(t), x.GradientRow(t)), f.Row(t), f.GradientRow(t), mix.Weights.Row(t), y.GradientRow(t),
                    mix.Weights.GradientRow(t));
            }
        }));
        return y;
    }
}
