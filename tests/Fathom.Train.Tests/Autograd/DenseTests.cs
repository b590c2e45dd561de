using Fathom.Train.Autograd;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd.Ops;
using Xunit;
using static Fathom.Train.Tests.Autograd.Loops;

namespace Fathom.Train.Tests.Autograd;

public class DenseTests
{
    [Theory]
    [InlineData(7, 24, 16)]
    [InlineData(1, 1, 1)]
    [InlineData(13, 5, 33)]
    [InlineData(300, 40, 34)]
    public void MatMul_and_its_gradients(int rows, int n, int k) =>
        new GradientCheck(1).Input("x", rows, k).Input("w", n, k).Run((tape, v) => MatMul.Apply(tape, v[0], v[1]), v => Times(v[0], v[1], k));

    [Fact]
    public void Every_group_of_a_grouped_product_has_its_own_columns() =>
        new GradientCheck(2).Input("x", 9, 3 * 7).Input("w", 3 * 5, 7).Run(
            (tape, v) => MatMul.Apply(tape, v[0], v[1], groups: 3),
            v => Flat(Enumerable.Range(0, 9).Select(t => Flat(Enumerable.Range(0, 3).Select(g =>
                Times(v[0][((t * 21) + (g * 7))..((t * 21) + (g * 7) + 7)], v[1][(g * 35)..((g * 35) + 35)], 7))))));

    [Fact]
    public void Embed_adds_the_gradients_of_a_repeated_token() =>
        new GradientCheck(3).Input("table", 6, 20).Run(
            (tape, v) => Embed.Apply(tape, v[0], [3, 1, 3, 5, 3]), v => Flat(new[] { 3, 1, 3, 5, 3 }.Select(id => Row(v[0], id, 20))));

    [Fact]
    public void Add_repeats_the_second_over_the_first() =>
        new GradientCheck(4).Input("a", 12, 17).Input("b", 4, 17).Run(
            (tape, v) => Add.Apply(tape, v[0], v[1]), v => [.. v[0].Select((value, i) => value + v[1][(i / 17 / 3 * 17) + (i % 17)])]);

    [Fact]
    public void GatherRows_takes_some_rows() =>
        new GradientCheck(5).Input("x", 6, 4).Run(
            (tape, v) => GatherRows.Apply(tape, v[0], [4, 0, 5]), v => Flat(new[] { 4, 0, 5 }.Select(row => Row(v[0], row, 4))));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void RmsNorm_with_and_without_a_weight(bool weighted) =>
        new GradientCheck(6).Input("x", 300, 19).Input("w", 1, 19, 0.3, 1).Run(
            (tape, v) => RmsNorm.Apply(tape, v[0], weighted ? v[1] : null, 1e-6f), v => Flat(v[0].Chunk(19).Select(row =>
            {
                double r = 1 / Math.Sqrt((row.Sum(value => value * value) / 19) + 1e-6f);
                return row.Select((value, i) => value * r * (weighted ? v[1][i] : 1)).ToArray();
            })));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rope_rotates_the_end_of_every_head(bool inverse)
    {
        float[] frequencies = [1, 0.1f, 0.01f];
        int[] positions = [0, 1, 7, 1000];
        var rope = new ReferenceRope(frequencies);
        new GradientCheck(7).Input("x", 4, 2 * 10).Run(
            (tape, v) =>
            {
                Variable copy = Add.Apply(tape, v[0], new Variable(4, 20, new float[80], new float[80]));
                Fathom.Train.Autograd.Ops.Rope.Apply(tape, copy, 10, Fathom.Train.Autograd.Ops.Rope.Angles(tape, positions, frequencies), inverse);
                return copy;
            },
            v => Flat(v[0].Chunk(10).Select((head, i) => rope.Rotate(head, positions[i / 2], inverse))));
    }

    [Theory]
    [InlineData(1.0f)]
    [InlineData(float.PositiveInfinity)]
    public void SwiGlu_with_clamps_that_bite(float limit) =>
        new GradientCheck(8).Input("gate", 5, 37, 2).Input("up", 5, 37, 2).Run(
            (tape, v) => SwiGlu.Apply(tape, v[0], v[1], limit),
            v => [.. v[0].Zip(v[1], (g, u) => Silu(Math.Min(g, limit)) * Math.Clamp(u, -limit, limit))]);

    private static double Silu(double x) => x / (1 + Math.Exp(-x));
}
