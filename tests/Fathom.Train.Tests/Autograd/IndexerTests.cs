using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Xunit;
using static Fathom.Train.Tests.Autograd.Loops;

namespace Fathom.Train.Tests.Autograd;

public class IndexerTests
{
    private const int Rows = 93, Heads = 3, C = 20, Ratio = 4;
    private static readonly Sample[] s_samples = [new(0, 3), new(3, 1), new(4, 60), new(64, 29)];
    private static readonly Entries s_entries = new(s_samples, Ratio);

    [Fact]
    public void Scores_weigh_the_positive_products() => Check().Run(
        (tape, v) => IndexerScores.Apply(tape, v[0], v[1], v[2], s_entries), v => Flat(Scores(v)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_loss_is_the_divergence_from_the_teacher_over_what_is_attended_to(bool selective)
    {
        float[] teacher = Teacher();
        Func<int, bool> selects = e => !selective || e % 3 != 1;
        Check().Run(
            (tape, v) =>
            {
                Variable scores = IndexerScores.Apply(tape, v[0], v[1], v[2], s_entries);
                Variable selected = tape.New(Rows, s_entries.Most, needsGradient: false);
                for (int i = 0; i < Rows * s_entries.Most; i++)
                {
                    selected.Value.Span[i] = selects(i % s_entries.Most) ? 1 : 0;
                }
                Variable loss = tape.New(1, 1);
                loss.Value.Span[0] = (float)IndexerLoss.Apply(
                    tape, scores, new Variable(Rows, s_entries.Most, Masked(teacher, selects), default), s_entries, selective ? selected : null, factor: 1);
                return loss;
            },
            v => [Loss(Scores(v), teacher, selects)], unitDirection: true);
    }

    [Fact]
    public void Some_tokens_of_a_sample_rate_entries_as_all_of_them_do()
    {
        const int Tokens = 61;
        int[] places = [0, 2, 3, 9, 30, 31, 59, 60];
        new GradientCheck(14).Input("queries", places.Length, Heads * C).Input("weights", places.Length, Heads).Input("keys", Tokens / Ratio, C).Run(
            (tape, v) =>
            {
                var some = new Entries(Tokens, Ratio, places);
                Variable scores = IndexerScores.Apply(tape, v[0], v[1], v[2], some);
                AssertSameAsAll(tape, v, places, scores, new Entries([new Sample(0, Tokens)], Ratio));
                return scores;
            },
            v => Flat(places.Select((place, i) => Scores(v, i, (place + 1) / Ratio, 0, Tokens / Ratio))));
    }

    [Fact]
    public void By_mass_a_query_counts_as_much_as_attention_has_on_entries()
    {
        int[] places = [2, 7, 12, 33, 40];
        var some = new Entries(41, Ratio, places);
        Random random = new(15);
        float[] teacher = [.. Enumerable.Range(0, places.Length * some.Most).Select(i =>
            i % some.Most < (places[i / some.Most] + 1) / Ratio ? random.NextSingle() * (1 + (i / some.Most)) : 0)];
        new GradientCheck(16).Input("queries", places.Length, Heads * C).Input("weights", places.Length, Heads).Input("keys", some.Count, C).Run(
            (tape, v) =>
            {
                Variable scores = IndexerScores.Apply(tape, v[0], v[1], v[2], some), loss = tape.New(1, 1);
                loss.Value.Span[0] = (float)IndexerLoss.Apply(
                    tape, scores, new Variable(places.Length, some.Most, teacher, default), some, selected: null, factor: 1, byMass: true);
                return loss;
            },
            v =>
            {
                double sum = 0;
                for (int i = 0; i < places.Length; i++)
                {
                    double[] scores = Scores(v, i, (places[i] + 1) / Ratio, 0, (places[i] + 1) / Ratio), mass = [.. scores.Select((_, e) => (double)teacher[(i * some.Most) + e])];
                    double total = Math.Log(scores.Sum(Math.Exp));
                    sum += mass.Select((m, e) => m * (Math.Log(m / mass.Sum()) - scores[e] + total)).Sum();
                }
                return [sum / teacher.Sum(m => (double)m)];
            }, unitDirection: true);
    }

    // The same bits: a query's scores do not depend on which others ask.
    private static void AssertSameAsAll(Tape tape, Variable[] v, int[] places, Variable some, Entries all)
    {
        int tokens = all.Samples[0].Count;
        Variable queries = tape.New(tokens, Heads * C, needsGradient: false), weights = tape.New(tokens, Heads, needsGradient: false);
        queries.Value.Span.Clear();
        weights.Value.Span.Clear();
        for (int i = 0; i < places.Length; i++)
        {
            v[0].Row(i).CopyTo(queries.Row(places[i]));
            v[1].Row(i).CopyTo(weights.Row(places[i]));
        }
        using var pool = new Fathom.Cpu.WorkerPool(1);
        Variable expected = IndexerScores.Apply(new Tape(pool), queries, weights, v[2].Detached(), all);
        for (int i = 0; i < places.Length; i++)
        {
            Assert.Equal(expected.Row(places[i]).ToArray(), some.Row(i).ToArray());
        }
    }

    private static GradientCheck Check() =>
        new GradientCheck(12).Input("queries", Rows, Heads * C).Input("weights", Rows, Heads).Input("keys", s_entries.Count, C);

    private static double[][] Scores(double[][] v)
    {
        var scores = new double[Rows][];
        for (int s = 0; s < s_samples.Length; s++)
        {
            for (int place = 0; place < s_samples[s].Count; place++)
            {
                int row = s_samples[s].FirstRow + place;
                scores[row] = Scores(v, row, (place + 1) / Ratio, s_entries.FirstOf(s), s_entries.Most);
            }
        }
        return scores;
    }

    // Of one query, (stride): what it sees, zero behind that.
    private static double[] Scores(double[][] v, int row, int visible, int firstEntry, int stride)
    {
        var scores = new double[stride];
        for (int e = 0; e < visible; e++)
        {
            for (int h = 0; h < Heads; h++)
            {
                double product = ReferenceLinear.Dot(Row(v[0], (row * Heads) + h, C), Row(v[2], firstEntry + e, C));
                scores[e] += v[1][(row * Heads) + h] * Math.Max(0, product) / Math.Sqrt(Heads * C);
            }
        }
        return scores;
    }

    // Some queries have no mass at all: they do not count.
    private static float[] Teacher()
    {
        Random random = new(13);
        var teacher = new float[Rows * s_entries.Most];
        for (int i = 0; i < teacher.Length; i++)
        {
            teacher[i] = i / s_entries.Most % 7 == 5 ? 0 : random.NextSingle() * random.NextSingle();
        }
        return teacher;
    }

    private static float[] Masked(float[] teacher, Func<int, bool> selects) => [.. teacher.Select((mass, i) => selects(i % s_entries.Most) ? mass : 0)];

    private static double Loss(double[][] scores, float[] teacher, Func<int, bool> selects)
    {
        double sum = 0;
        int count = 0;
        foreach (Sample sample in s_samples)
        {
            for (int place = 0; place < sample.Count; place++)
            {
                int row = sample.FirstRow + place;
                int[] seen = [.. Enumerable.Range(0, (place + 1) / Ratio).Where(selects)];
                double mass = seen.Sum(e => (double)teacher[(row * s_entries.Most) + e]), total = seen.Sum(e => Math.Exp(scores[row][e]));
                if (mass == 0)
                {
                    continue;
                }
                count++;
                sum += seen.Sum(e =>
                {
                    double target = teacher[(row * s_entries.Most) + e] / mass;
                    return target == 0 ? 0 : target * (Math.Log(target) - scores[row][e] + Math.Log(total));
                });
            }
        }
        return sum / count;
    }
}
