using Fathom.Cpu;
using Fathom.Model;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Optimizers;
using Xunit;

namespace Fathom.Train.Tests.Optimizers;

public class MuonTests
{
    private const int Steps = 3;
    private const float Rate = 0.02f, Decay = 0.1f;

    [Theory]
    [InlineData(16, 16)]
    [InlineData(16, 48)]
    [InlineData(70, 33)]
    [InlineData(1, 40)]
    [InlineData(24, 640)]
    public void Ten_steps_make_the_short_side_orthonormal(int rows, int columns)
    {
        float[] x = Random(rows * columns, 1);
        NewtonSchulz.Run(x, rows, columns, new float[NewtonSchulz.ScratchFloats(rows, columns)]);
        (int lines, int length, int step, int next) = rows <= columns ? (rows, columns, columns, 1) : (columns, rows, 1, columns);
        double worst = 0, squares = x.Sum(value => (double)value * value);
        for (int i = 0; i < lines; i++)
        {
            for (int j = 0; j < lines; j++)
            {
                double product = Enumerable.Range(0, length).Sum(k => (double)x[(i * step) + (k * next)] * x[(j * step) + (k * next)]);
                worst = Math.Max(worst, Math.Abs(product - (i == j ? 1 : 0)));
            }
        }
        Assert.True(worst < 2e-2, $"({rows}, {columns}): worst {worst:E2}");
        Assert.Equal(1, Math.Sqrt(squares / lines), 5e-3);
    }

    /// <summary>Squares of such gradients are no normal numbers any more: their direction is noise, and dividing by their norm is worse.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1e-20f)]
    [InlineData(1e-24f)]
    public void A_matrix_without_a_direction_stays_finite(float gradient)
    {
        var parameter = new Parameter(new ExpectedWeight(new WeightKey(WeightPart.QueryUp, 0), "q", WeightRole.Linear, 20, 7, false));
        float[] before = Random(140, 3);
        before.CopyTo(parameter.Value.Span);
        Random(140, 4).Select(value => value * gradient).ToArray().CopyTo(parameter.Gradient.Span);
        using var pool = new WorkerPool(1);
        new Muon([parameter], TinyModels.Flash).Update(new Tape(pool), _ => Rate, 0);
        Assert.Equal(before, parameter.Value.ToArray());
    }

    /// <summary>Momentum, orthogonalisation, scale and decay against loops in double precision; every output group is a matrix of its own.</summary>
    [Fact]
    public void Updates_are_the_reference_s()
    {
        ModelConfig config = TinyModels.Flash;
        Parameter[] parameters =
        [
            new(new ExpectedWeight(new WeightKey(WeightPart.QueryUp, 0), "q", WeightRole.Linear, 20, 7, false)),
            new(new ExpectedWeight(new WeightKey(WeightPart.OutputDown, 0), "o", WeightRole.Linear, 2 * 6, 9, false)),
        ];
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        var muon = new Muon(parameters, config);
        double[][] weights = [new double[140], new double[54], new double[54]], momenta = [new double[140], new double[54], new double[54]];
        for (int step = 0; step < Steps; step++)
        {
            float[] query = Random(140, 10 + step), output = Random(108, 20 + step);
            query.CopyTo(parameters[0].Gradient.Span);
            output.CopyTo(parameters[1].Gradient.Span);
            muon.Update(tape, _ => Rate, Decay);
            Reference(weights[0], momenta[0], query, 20, 7);
            Reference(weights[1], momenta[1], output[..54], 6, 9);
            Reference(weights[2], momenta[2], output[54..], 6, 9);
        }
        double[] expected = [.. weights[0], .. weights[1], .. weights[2]];
        float[] found = [.. parameters[0].Value.ToArray(), .. parameters[1].Value.ToArray()];
        double worst = found.Zip(expected, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(worst < 1e-5, $"worst {worst:E2}");
    }

    [Fact]
    public void Embedding_head_vectors_and_position_biases_are_not_its_business()
    {
        WeightPart[] others = [.. ExpectedWeights.Of(TinyModels.Flash).Where(weight => weight.Role != WeightRole.Ids && !weight.IsVector && !Muon.Trains(weight))
            .Select(weight => weight.Key.Part).Distinct().Order()];
        Assert.Equal(
            new[] { WeightPart.Embedding, WeightPart.Head, WeightPart.CompressorPositionBias, WeightPart.IndexCompressorPositionBias }.Order(), others);
        Assert.DoesNotContain(ExpectedWeights.Of(TinyModels.Flash), weight => weight.IsVector && Muon.Trains(weight));
    }

    private static void Reference(double[] w, double[] momentum, float[] gradient, int rows, int columns)
    {
        for (int i = 0; i < w.Length; i++)
        {
            momentum[i] = (0.95 * momentum[i]) + gradient[i];
        }
        double[] x = [.. momentum.Select((m, i) => (0.95 * m) + gradient[i])];
        double norm = Math.Sqrt(x.Sum(value => value * value));
        x = [.. x.Select(value => value / norm)];
        for (int step = 0; step < 10; step++)
        {
            (double a, double b, double c) = step < 8 ? (3.4445, -4.7750, 2.0315) : (2, -1.5, 0.5);
            double[] gram = Times(x, Transposed(x, rows, columns), rows, columns, rows), square = Times(gram, gram, rows, rows, rows);
            double[] polynomial = [.. gram.Zip(square, (g, s) => (b * g) + (c * s))];
            x = [.. x.Zip(Times(polynomial, x, rows, rows, columns), (old, add) => (a * old) + add)];
        }
        for (int i = 0; i < w.Length; i++)
        {
            w[i] = ((1 - (Rate * Decay)) * w[i]) - (Rate * 0.18 * Math.Sqrt(Math.Max(rows, columns)) * x[i]);
        }
    }

    private static double[] Transposed(double[] x, int rows, int columns) =>
        [.. Enumerable.Range(0, rows * columns).Select(i => x[(i % rows * columns) + (i / rows)])];

    private static double[] Times(double[] a, double[] b, int rows, int inner, int columns) =>
        [.. Enumerable.Range(0, rows * columns).Select(i =>
            Enumerable.Range(0, inner).Sum(k => a[(i / columns * inner) + k] * b[(k * columns) + (i % columns)]))];

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
    }
}
