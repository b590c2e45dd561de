using Fathom.Cpu.Kernels;
using Fathom.Model;
using Fathom.Train.Autograd;

namespace Fathom.Train.Optimizers;

/// <summary>
/// Momentum made orthogonal, for matrices: M ← μ M + G; O = NewtonSchulz(μ M + G) · √max(n, k) · 0.18; W ← (1 − η λ) W − η O. Every expert's
/// projection and every group of the output projection is a matrix of its own.
/// </summary>
internal sealed class Muon
{
    private const float Momentum = 0.95f;
    private const float UpdateRms = 0.18f;
    private const float LeastSquare = 1e-30f;

    private readonly (Parameter Parameter, int First, int Rows)[] _matrices;
    private readonly Memory<float>[] _momenta;

    /// <param name="parameters">those that are matrices</param> <param name="config">for the output groups</param>
    public Muon(IEnumerable<Parameter> parameters, ModelConfig config)
    {
        // The dearest first, so that no thread is left with one at the end. The order has no influence on the result.
        _matrices = [.. parameters.SelectMany(p => Split(p, config)).OrderByDescending(m => Cost(m.Rows, m.Parameter.Columns))];
        _momenta = [.. _matrices.Select(m => Arena.Aligned(m.Rows * m.Parameter.Columns))];
    }

    /// <summary>What must be kept to resume, in a fixed order.</summary>
    public IEnumerable<Memory<float>> State => _momenta;

    /// <summary>Whether Muon trains a weight: matrices, but neither embedding and head nor the compressors' position biases.</summary>
    public static bool Trains(ExpectedWeight weight) => !weight.IsVector && weight.Key.Part is not (WeightPart.Embedding or WeightPart.Head
        or WeightPart.CompressorPositionBias or WeightPart.IndexCompressorPositionBias);

    /// <param name="tape">for threads and scratch</param> <param name="rate">η of a parameter</param> <param name="decay">λ</param>
    public void Update(Tape tape, Func<Parameter, float> rate, float decay) => tape.ParallelLarge(_matrices.Length, (i, worker) =>
    {
        (Parameter parameter, int first, int rows) = _matrices[i];
        float eta = rate(parameter);
        if (eta == 0)
        {
            return;                                 // at rest: its gradients say nothing yet, and directions are dear
        }
        int columns = parameter.Columns, count = rows * columns;
        Span<float> scratch = tape.Scratch(worker, NewtonSchulz.ScratchFloats(rows, columns) + count), update = scratch[..count];
        Span<float> momentum = _momenta[i].Span, gradient = parameter.Gradient.Span.Slice(first * columns, count);
        Rows.Scale(momentum, Momentum, momentum);
        Rows.Add(gradient, momentum);
        gradient.CopyTo(update);
        Rows.AddScaled(momentum, Momentum, update);
        Span<float> weights = parameter.Value.Span.Slice(first * columns, count);
        Rows.Scale(weights, 1 - (eta * decay), weights);
        // A matrix without any gradient yet has no direction, nor has one whose squares have lost their digits.
        if (Rows.Dot(update, update) > LeastSquare)
        {
            NewtonSchulz.Run(update, rows, columns, scratch[count..]);
            Rows.AddScaled(update, -eta * UpdateRms * MathF.Sqrt(Math.Max(rows, columns)), weights);
        }
    });

    private static IEnumerable<(Parameter Parameter, int First, int Rows)> Split(Parameter p, ModelConfig config)
    {
        int parts = p.Weight.Key.Part == WeightPart.OutputDown ? config.OutputGroups : 1, rows = p.Rows / parts;
        return Enumerable.Range(0, parts).Select(part => (p, part * rows, rows));
    }

    private static long Cost(int rows, int columns) => (long)rows * columns * Math.Min(rows, columns);
}
