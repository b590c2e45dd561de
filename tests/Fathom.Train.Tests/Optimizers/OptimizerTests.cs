using Fathom.Cpu;
using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Optimizers;
using Xunit;

namespace Fathom.Train.Tests.Optimizers;

public class OptimizerTests
{
    [Theory]
    [InlineData(WeightPart.Head, 0.1)]
    [InlineData(WeightPart.Sink, 0)]
    public void AdamW_follows_its_formula_and_decays_large_tensors_only(WeightPart part, double decay)
    {
        Parameter parameter = Make(part, 3);
        using var pool = new WorkerPool(1);
        var adam = new AdamW([parameter]);
        double[] w = [1, -2, 0.5], m = new double[3], v = new double[3];
        Array.ConvertAll(w, value => (float)value).CopyTo(parameter.Value.Span);
        for (int step = 1; step <= 4; step++)
        {
            double[] g = [0.3 * step, -1e-3, 0];
            Array.ConvertAll(g, value => (float)value).CopyTo(parameter.Gradient.Span);
            adam.Update(new Tape(pool), step, _ => 0.01f, 0.1f);
            for (int i = 0; i < 3; i++)
            {
                m[i] = (0.9 * m[i]) + (0.1 * g[i]);
                v[i] = (0.95 * v[i]) + (0.05 * g[i] * g[i]);
                w[i] = (w[i] * (1 - (0.01 * decay))) - (0.01 * m[i] / (1 - Math.Pow(0.9, step)) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.95, step))) + 1e-20));
                Assert.Equal(w[i], parameter.Value.Span[i], 1e-5);
            }
        }
    }

    [Fact]
    public void Clipping_scales_a_group_to_the_norm_and_leaves_smaller_ones_alone()
    {
        Parameter a = Make(WeightPart.Sink, 2), b = Make(WeightPart.Sink, 1);
        using var pool = new WorkerPool(1);
        new float[] { 3, 0 }.CopyTo(a.Gradient.Span);
        b.Gradient.Span[0] = 4;
        Assert.Equal(5, GradientNorm.Clip(new Tape(pool), [a, b], 1), 1e-9);
        Assert.Equal([0.6f, 0f, 0.8f], [.. a.Gradient.ToArray(), .. b.Gradient.ToArray()]);
        Assert.Equal(1, GradientNorm.Clip(new Tape(pool), [a, b], 2), 1e-6);
        Assert.Equal(0.8f, b.Gradient.Span[0]);
    }

    [Fact]
    public void The_rate_rises_stays_and_falls()
    {
        var schedule = new Schedule { PeakRate = 1, TotalSteps = 100, WarmupSteps = 10, DecaySteps = 40, FinalFraction = 0.1f };
        Assert.Equal(0.1f, schedule.RateAt(0), 1e-6f);
        Assert.Equal(1, schedule.RateAt(9));
        Assert.Equal(1, schedule.RateAt(59));
        Assert.Equal(0.55f, schedule.RateAt(80), 1e-6f);
        Assert.Equal(0.1f, schedule.RateAt(100), 1e-6f);
        Assert.Equal(0.1f, schedule.RateAt(1000), 1e-6f);
        Assert.Equal(0.55f, (schedule with { Shape = DecayShape.Cosine }).RateAt(80), 1e-6f);
        Assert.True((schedule with { Shape = DecayShape.Cosine }).RateAt(70) > schedule.RateAt(70));
    }

    private static Parameter Make(WeightPart part, int length) => new(new ExpectedWeight(new WeightKey(part), "w", WeightRole.Exact, 1, length, part == WeightPart.Sink));
}
