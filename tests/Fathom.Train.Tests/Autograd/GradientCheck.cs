using Fathom.Cpu;
using Fathom.Train.Autograd;
using Xunit;

namespace Fathom.Train.Tests.Autograd;

/// <summary>
/// Compares an operation in singles with the same thing written as loops in double precision: its values, and its gradients with central
/// differences of the loops. The loss is a random combination of all outputs.
/// </summary>
internal sealed class GradientCheck
{
    private const int PlacesMax = 96;
    private const double Step = 1e-5;
    private const double ValueTolerance = 2e-5;
    private const double GradientTolerance = 2e-4;

    private readonly List<(string Name, int Rows, int Columns, double[] Values)> _inputs = [];
    private readonly Random _random;
    private double[]? _direction;
    private float[]? _gradients;

    public GradientCheck(int seed) => _random = new Random(seed);

    public Random Random => _random;

    /// <summary>Adds a random input.</summary>
    public GradientCheck Input(string name, int rows, int columns, double deviation = 1, double mean = 0)
    {
        var values = new double[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)(mean + (deviation * Normal()));
        }
        _inputs.Add((name, rows, columns, values));
        return this;
    }

    /// <summary>Fails where values or gradients differ; differences are relative to the largest of the tensor.</summary>
    /// <param name="operation">the operation under test</param> <param name="reference">the same in double</param>
    /// <param name="unitDirection">for a loss, which has its own factor: the output is the loss</param>
    public void Run(Func<Tape, Variable[], Variable> operation, Func<double[][], double[]> reference, bool unitDirection = false)
    {
        foreach (int threads in new[] { 1, 3 })
        {
            Run(operation, reference, threads, unitDirection);
        }
    }

    private void Run(Func<Tape, Variable[], Variable> operation, Func<double[][], double[]> reference, int threads, bool unitDirection)
    {
        using var pool = new WorkerPool(threads);
        var tape = new Tape(pool);
        Variable[] variables = [.. _inputs.Select(input => Make(input))];
        Variable y = operation(tape, variables);
        double[][] inputs = [.. _inputs.Select(input => input.Values)];
        double[] expected = reference(inputs);
        Compare("value", y.Value.Span, expected, ValueTolerance);
        _direction ??= [.. expected.Select(_ => unitDirection ? 1 : (double)(float)Normal())];
        double[] direction = _direction;
        for (int i = 0; i < direction.Length; i++)
        {
            y.Gradient.Span[i] = (float)direction[i];
        }
        tape.Backward();
        for (int n = 0; n < inputs.Length; n++)
        {
            if (threads == 1 && variables[n].NeedsGradient)
            {
                int[] places = Places(inputs[n].Length);
                Compare(
                    "gradient of " + _inputs[n].Name, [.. places.Select(i => variables[n].Gradient.Span[i])],
                    [.. places.Select(i => Difference(reference, inputs, (n, i), direction))], GradientTolerance);
            }
        }
        Remember([.. y.Value.ToArray(), .. variables.SelectMany(variable => variable.Gradient.ToArray())]);
    }

    // The same bits for any number of threads.
    private void Remember(float[] gradients)
    {
        _gradients ??= gradients;
        Assert.Equal(_gradients, gradients);
    }

    private int[] Places(int count)
    {
        int[] all = [.. Enumerable.Range(0, count)];
        _random.Shuffle(all);
        return all[..Math.Min(count, PlacesMax)];
    }

    private static double Difference(Func<double[][], double[]> reference, double[][] inputs, (int Input, int Place) at, double[] direction)
    {
        ref double value = ref inputs[at.Input][at.Place];
        double kept = value;
        value = kept + Step;
        double up = Loss(reference(inputs), direction);
        value = kept - Step;
        double down = Loss(reference(inputs), direction);
        value = kept;
        return (up - down) / (2 * Step);
    }

    private static double Loss(double[] y, double[] direction) => y.Zip(direction, (a, b) => a * b).Sum();

    private static void Compare(string what, ReadOnlySpan<float> found, double[] expected, double tolerance)
    {
        Assert.Equal(expected.Length, found.Length);
        double scale = expected.Length == 0 ? 1 : Math.Max(1e-3, expected.Max(Math.Abs)), worst = 0;
        int place = 0;
        for (int i = 0; i < found.Length; i++)
        {
            double error = Math.Abs(found[i] - expected[i]) / scale;
            (worst, place) = error <= worst ? (worst, place) : (error, i);
        }
        Assert.True(worst < tolerance, $"{what}: at {place} found {found.Length switch { 0 => 0, _ => found[place] }:R}, expected {expected[place]:R}: {worst:E2} of {scale:G3}");
        TestContext.Current.TestOutputHelper?.WriteLine($"{what}: worst {worst:E2}");
    }

    private static Variable Make((string Name, int Rows, int Columns, double[] Values) input) => new(
        input.Rows, input.Columns, Array.ConvertAll(input.Values, value => (float)value),
        input.Name.StartsWith('-') ? default : new float[input.Values.Length]);

    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
}
