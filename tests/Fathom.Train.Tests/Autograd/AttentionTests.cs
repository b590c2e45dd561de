using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Xunit;
using static Fathom.Train.Tests.Autograd.Loops;

namespace Fathom.Train.Tests.Autograd;

public class AttentionTests
{
    private static readonly Sample[] s_samples = [new(0, 3), new(3, 1), new(4, 60), new(64, 29)];
    private const int Rows = 93;

    [Theory]
    [InlineData(0, 8, 1, 24)]
    [InlineData(4, 8, 4, 24)]
    [InlineData(4, 1, 2, 32)]
    [InlineData(16, 100, 3, 40)]
    public void Window_and_all_visible_entries_share_a_softmax_with_a_sink(int ratio, int window, int heads, int c) =>
        Check(ratio, window, heads, c, _ => true);

    [Fact]
    public void Entries_that_are_not_selected_are_not_attended_to() => Check(4, 8, 4, 24, place => place % 3 != 1);

    [Fact]
    public void The_teacher_is_the_joint_probability_of_every_entry_summed_over_heads()
    {
        const int Heads = 3, C = 24, Ratio = 4, Window = 8;
        var entries = new Entries(s_samples, Ratio);
        new GradientCheck(20).Input("-q", Rows, Heads * C).Input("-kv", Rows, C).Input("-entries", entries.Count, C).Input("-sinks", 1, Heads).Run(
            (tape, v) =>
            {
                Variable teacher = tape.New(Rows, entries.Most);
                teacher.Value.Span.Clear();
                SparseAttention.Apply(tape, new AttentionInputs(v[0], v[1], v[2], v[3]), new AttentionPlan(entries, Window, null), teacher);
                return teacher;
            },
            v => Flat(Queries(v, entries, Window, Heads, C, _ => true).Select(query =>
            {
                var mass = new double[entries.Most];
                for (int h = 0; h < Heads; h++)
                {
                    double[] z = [.. query.Keys.Select(key => ReferenceLinear.Dot(key, Row(query.Heads, h, C)) / Math.Sqrt(C))];
                    double sum = z.Sum(Math.Exp) + Math.Exp(v[3][h]);
                    for (int e = 0; e < query.EntryCount; e++)
                    {
                        mass[e] += Math.Exp(z[z.Length - query.EntryCount + e]) / sum;
                    }
                }
                return mass;
            })));
    }

    private static void Check(int ratio, int window, int heads, int c, Func<int, bool> selects)
    {
        var entries = new Entries(s_samples, ratio);
        bool all = selects(1);
        new GradientCheck(11).Input("q", Rows, heads * c, 1.5).Input("kv", Rows, c).Input("entries", Math.Max(1, entries.Count), c).Input("sinks", 1, heads, 1).Run(
            (tape, v) =>
            {
                Variable? selected = all ? null : tape.New(Rows, entries.Most);
                for (int i = 0; selected is not null && i < Rows * entries.Most; i++)
                {
                    selected.Value.Span[i] = selects(i % entries.Most) ? 1 : 0;
                }
                return SparseAttention.Apply(
                    tape, new AttentionInputs(v[0], v[1], ratio == 0 ? null : v[2], v[3]), new AttentionPlan(entries, window, selected), null);
            },
            v => Flat(Queries(v, entries, window, heads, c, selects).SelectMany(query =>
                ReferenceAttention.SparseAttention([.. query.Heads.Chunk(c)], query.Keys, v[3]))));
    }

    private static IEnumerable<Query> Queries(double[][] v, Entries entries, int window, int heads, int c, Func<int, bool> selects)
    {
        for (int s = 0; s < s_samples.Length; s++)
        {
            Sample sample = s_samples[s];
            for (int place = 0; place < sample.Count; place++)
            {
                int visible = entries.Ratio == 0 ? 0 : (place + 1) / entries.Ratio, first = entries.FirstOf(s), begin = Math.Max(0, place - window + 1);
                double[][] recent = [.. Enumerable.Range(begin, place - begin + 1).Select(i => Row(v[1], sample.FirstRow + i, c))];
                double[][] chosen = [.. Enumerable.Range(0, visible).Where(selects).Select(e => Row(v[2], first + e, c))];
                yield return new Query(Row(v[0], sample.FirstRow + place, heads * c), [.. recent, .. chosen], chosen.Length);
            }
        }
    }

    private sealed record Query(double[] Heads, double[][] Keys, int EntryCount);
}
