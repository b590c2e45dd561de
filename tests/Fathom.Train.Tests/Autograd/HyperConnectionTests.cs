using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Xunit;
using ReferenceMix = Fathom.Tests.Reference.HyperMix;
using TrainedMix = Fathom.Train.Autograd.Ops.HyperMix;
using static Fathom.Train.Tests.Autograd.Loops;

namespace Fathom.Train.Tests.Autograd;

public class HyperConnectionTests
{
    private const int Rows = 37;

    [Theory]
    [InlineData(4, 20, 20, 0.5)]
    [InlineData(4, 18, 20, 3)]
    [InlineData(2, 16, 3, 1)]
    [InlineData(1, 5, 1, 1)]
    public void A_sublayer_between_pre_and_post(int n, int d, int iterations, double deviation)
    {
        int m = (2 * n) + (n * n);
        var shape = new HyperConnectionShape(n, iterations, 1e-6f, 1e-6f);
        new GradientCheck(n).Input("streams", Rows, n * d).Input("fn", m, n * d, deviation / Math.Sqrt(n * d)).Input("base", 1, m, deviation)
            .Input("scale", 1, 3, 0.5, 1).Input("u", d, d, 0.3).Run(
            (tape, v) =>
            {
                (Variable h, TrainedMix mix) = HcPre.Apply(tape, v[0], new HyperConnectionWeights(v[1], v[2], v[3]), shape);
                return HcPost.Apply(tape, v[0], MatMul.Apply(tape, h, v[4]), mix);
            },
            v => Flat(v[0].Chunk(n * d).Select(row =>
            {
                ReferenceMix mix = Split(row, v, n, iterations);
                double[] f = Times(ReferenceHyperConnection.Gather(row, mix.Pre), v[4], d);
                return ReferenceHyperConnection.Post(f, row, mix);
            })));
    }

    [Fact]
    public void The_head_collapses_the_streams() =>
        new GradientCheck(9).Input("streams", Rows, 4 * 20).Input("fn", 4, 80, 0.2).Input("base", 1, 4).Input("scale", 1, 1, 0, 0.7).Run(
            (tape, v) => HcPre.Apply(tape, v[0], new HyperConnectionWeights(v[1], v[2], v[3]), new HyperConnectionShape(4, 20, 1e-6f, 1e-6f)).Input,
            v => Flat(v[0].Chunk(80).Select(row =>
                ReferenceHyperConnection.Head(row, new ReferenceTensor([4, 80], v[1]), v[3][0], v[2], 1e-6f, 1e-6f))));

    [Fact]
    public void Streams_begin_equal() => new GradientCheck(10).Input("x", Rows, 20).Run(
        (tape, v) => HcExpand.Apply(tape, v[0], 4), v => Flat(v[0].Chunk(20).SelectMany(row => Enumerable.Repeat(row, 4))));

    private static ReferenceMix Split(double[] row, double[][] v, int n, int iterations)
    {
        double[] mixes = ReferenceHyperConnection.Mixes(new ReferenceTensor([v[2].Length, row.Length], v[1]), row, 1e-6f);
        return ReferenceHyperConnection.Split(mixes, v[3], v[2], n, iterations, 1e-6f);
    }
}
