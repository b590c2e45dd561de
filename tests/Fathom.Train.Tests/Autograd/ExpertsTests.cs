using Fathom.Devices;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Xunit;
using Routing = Fathom.Train.Autograd.Ops.Routing;
using static Fathom.Train.Tests.Autograd.Loops;

namespace Fathom.Train.Tests.Autograd;

public class ExpertsTests
{
    private const int Rows = 23, ExpertCount = 6, Chosen = 2, D = 20, Width = 18;

    [Theory]
    [InlineData(ScoringFunction.SqrtSoftplus)]
    [InlineData(ScoringFunction.Sigmoid)]
    [InlineData(ScoringFunction.Softmax)]
    public void Scores_of_the_router(ScoringFunction function) =>
        new GradientCheck(14).Input("logits", Rows, ExpertCount, 4).Run(
            (tape, v) => Fathom.Train.Autograd.Ops.Scores.Apply(tape, v[0], function),
            v => Flat(v[0].Chunk(ExpertCount).Select(z => ReferenceExperts.Scores(z, function))));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Weights_are_the_chosen_scores_without_the_bias(bool normalize)
    {
        float[] bias = [0.5f, -0.5f, 0, 1, 0, -1];
        new GradientCheck(15).Input("scores", Rows, ExpertCount, 0.2, 1).Run(
            (tape, v) => Route.ByScore(tape, v[0], new RoutingPlan(Chosen, normalize, 1.5f), bias).Weights,
            v => Flat(v[0].Chunk(ExpertCount).Select(s =>
            {
                int[] ids = ReferenceExperts.Best(s, Array.ConvertAll(bias, b => (double)b), Chosen);
                return Array.ConvertAll(ids, id => 1.5 * s[id] / (normalize ? ids.Sum(other => s[other]) : 1));
            })));
    }

    [Fact]
    public void A_table_chooses_by_token()
    {
        int[] table = [3, 1, 0, 5, 2, 4], tokens = [2, 0, 0, 1];
        new GradientCheck(16).Input("scores", 4, ExpertCount, 0.2, 1).Run(
            (tape, v) => Route.ByToken(tape, v[0], new RoutingPlan(Chosen, true, 1), table, tokens).Weights,
            v => Flat(tokens.Select((token, t) =>
            {
                double a = v[0][(t * ExpertCount) + table[token * 2]], b = v[0][(t * ExpertCount) + table[(token * 2) + 1]];
                return new[] { a / (a + b), b / (a + b) };
            })));
    }

    [Theory]
    [InlineData(0.7f)]
    [InlineData(float.PositiveInfinity)]
    public void Experts_with_clamps_that_bite_and_one_that_nobody_chose(float limit)
    {
        int[] experts = [.. Enumerable.Range(0, Rows * Chosen).Select(i => new[] { 0, 3, 5, 1, 3, 4, 5, 0 }[i % 8])];
        GradientCheck check = new GradientCheck(17).Input("x", Rows, D).Input("weights", Rows, Chosen);
        for (int e = 0; e < ExpertCount; e++)
        {
            check.Input($"w1 of {e}", Width, D, 0.3).Input($"w3 of {e}", Width, D, 0.3).Input($"w2 of {e}", D, Width, 0.3);
        }
        check.Run(
            (tape, v) => Fathom.Train.Autograd.Ops.Experts.Apply(
                tape, v[0], new Routing(experts, v[1]), new ExpertStack(Every(v, 2), Every(v, 3), Every(v, 4)), limit),
            v => Flat(Enumerable.Range(0, Rows).Select(t =>
            {
                var y = new double[D];
                for (int i = 0; i < Chosen; i++)
                {
                    int first = 2 + (3 * experts[(t * Chosen) + i]);
                    double[] routed = ReferenceExperts.SwiGlu(
                        Row(v[0], t, D), new ReferenceTensor([Width, D], v[first]), new ReferenceTensor([D, Width], v[first + 2]),
                        new ReferenceTensor([Width, D], v[first + 1]), float.IsInfinity(limit) ? 0 : limit, v[1][(t * Chosen) + i]);
                    y = [.. y.Zip(routed, (a, b) => a + b)];
                }
                return y;
            })));
    }

    [Fact]
    public void The_balance_loss_counts_choices_and_averages_shares()
    {
        Sample[] samples = [new(0, 9), new(9, 14)];
        Random random = new(18);
        int[] experts = [.. Enumerable.Range(0, Rows * Chosen).Select(_ => random.Next(ExpertCount))];
        new GradientCheck(18).Input("scores", Rows, ExpertCount, 0.2, 1).Run(
            (tape, v) =>
            {
                Variable loss = tape.New(1, 1);
                loss.Value.Span[0] = (float)SequenceBalanceLoss.Apply(tape, v[0], experts, samples, 1);
                return loss;
            },
            v =>
            [
                samples.Average(sample => Enumerable.Range(0, ExpertCount).Sum(e =>
                {
                    double f = experts[(sample.FirstRow * Chosen)..((sample.FirstRow + sample.Count) * Chosen)].Count(id => id == e)
                        * (double)ExpertCount / (Chosen * sample.Count);
                    return f * Enumerable.Range(sample.FirstRow, sample.Count).Average(t => v[0][(t * ExpertCount) + e] / Row(v[0], t, ExpertCount).Sum());
                })),
            ], unitDirection: true);
    }

    [Fact]
    public void Cross_entropy_counts_rows_with_a_target_only()
    {
        int[] targets = [3, PackedBatch.NoTarget, 0, 18, PackedBatch.NoTarget];
        new GradientCheck(19).Input("logits", 5, 19, 3).Run(
            (tape, v) =>
            {
                Variable loss = tape.New(1, 1);
                loss.Value.Span[0] = CrossEntropy.Apply(tape, v[0], targets, [1f / 3, 0, 1f / 3, 1f / 3, 0]).ToArray().Sum() / 3;
                return loss;
            },
            v => [new[] { 0, 2, 3 }.Average(t => Math.Log(Row(v[0], t, 19).Sum(Math.Exp)) - v[0][(t * 19) + targets[t]])], unitDirection: true);
    }

    private static Variable[] Every(Variable[] v, int first) => [.. Enumerable.Range(0, ExpertCount).Select(e => v[first + (3 * e)])];
}
