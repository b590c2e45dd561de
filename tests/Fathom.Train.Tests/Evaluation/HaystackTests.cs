using System.Text.RegularExpressions;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Tests.Data;
using Xunit;

namespace Fathom.Train.Tests.Evaluation;

public class HaystackTests
{
    private static readonly Prose s_prose = new(LearntTokenizer.Prose, LearntTokenizer.Value);
    private static readonly RetrievalTask s_task = new(LearntTokenizer.Value, s_prose, Split.Test);

    public static TheoryData<TaskKind> Kinds =>
        [.. Enum.GetValues<TaskKind>().Where(kind => kind != TaskKind.Contracts)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Evidence_stands_where_it_is_said_to_and_any_question_fits(TaskKind kind)
    {
        foreach (int length in new[] { 256, 700, 2048, 8192 })
        {
            Haystack haystack = s_task.Hide(kind, 3, length, length / 16);
            Assert.NotEmpty(haystack.Questions);
            foreach (HaystackQuestion question in haystack.Questions)
            {
                Assert.InRange(haystack.Tokens.Length + question.Tokens.Length + question.AnswerTokens.Length, length / 2, length);
                string[] values = [.. question.Evidence.Select(span => Decode(haystack.Tokens, span))];
                Assert.Equal(question.Answer, kind == TaskKind.SeveralValues ? string.Join(", ", values) : values[0]);
                Assert.Equal(question.Answer, LearntTokenizer.Value.Decode(question.AnswerTokens));
                Assert.Contains(question.Key, Decode(haystack.Tokens, question.Facts[^1]), StringComparison.Ordinal);
                Assert.Contains(question.Key, LearntTokenizer.Value.Decode(question.Tokens), StringComparison.Ordinal);
                foreach ((TokenSpan fact, TokenSpan value) in question.Facts.Zip(question.Evidence))
                {
                    Assert.InRange(value.Start, fact.Start, fact.Start + fact.Count - value.Count);
                    Assert.EndsWith(".", Decode(haystack.Tokens, fact), StringComparison.Ordinal);
                }
            }
        }
    }

    [Theory]
    [InlineData(TaskKind.Needle)]
    [InlineData(TaskKind.PassKey)]
    [InlineData(TaskKind.SeveralKeys)]
    public void A_long_haystack_has_28_questions_and_100_decoys_with_keys_and_numbers_of_their_own(TaskKind kind)
    {
        Haystack haystack = s_task.Hide(kind, 1, 16384, 128);
        Assert.Equal((28, 128), (haystack.Questions.Count, haystack.Answers.Count));
        Assert.Equal(28, haystack.Questions.Select(question => question.Answer).Distinct().Count());
        Assert.All(haystack.Questions, question => Assert.Equal(question.Answer, haystack.Answers[question.Key]));
        string text = LearntTokenizer.Value.Decode(haystack.Tokens);
        Assert.All(haystack.Answers.Keys, key => Assert.Single(Regex.Matches(text, $@"\b{Regex.Escape(key)}\b")));
    }

    [Fact]
    public void Questions_spread_evenly_and_keep_out_of_the_margins()
    {
        const int Length = 16384, Margin = 128;
        var counts = new int[4];
        for (ulong seed = 0; seed < 6; seed++)
        {
            Haystack haystack = s_task.Hide(TaskKind.Needle, seed, Length, Margin);
            foreach (HaystackQuestion question in haystack.Questions)
            {
                TokenSpan fact = question.Facts[0];
                Assert.InRange(fact.Start, 1 + Margin, haystack.Tokens.Length - Margin - fact.Count);
                counts[4 * fact.Start / haystack.Tokens.Length]++;
            }
        }

        Assert.All(counts, count => Assert.InRange(count, 32, 52));      // 42 would be even; facts stand where sentences end
    }

    [Fact]
    public void Haystacks_of_the_test_use_no_wording_and_no_name_of_training()
    {
        string text = LearntTokenizer.Value.Decode(s_task.Hide(TaskKind.PassKey, 5, 8192, 128).Tokens);
        string[] openings = [.. Splits.Of(Wordings.PassKey, Split.Training).Select(w => w.Fact).Where(f => f.StartsWith(" The", StringComparison.Ordinal)).Select(f => f[..f.IndexOf('{', StringComparison.Ordinal)])];
        Assert.All(openings, opening => Assert.DoesNotContain(opening, text, StringComparison.Ordinal));
        Haystack people = s_task.Hide(TaskKind.Needle, 5, 8192, 128);
        Assert.All(people.Answers.Keys, key => Assert.Equal(Split.Test, Splits.OfName(key)));
    }

    [Fact]
    public void A_seed_gives_one_haystack()
    {
        Assert.Equal(s_task.Hide(TaskKind.Needle, 7, 1024, 64).Tokens, s_task.Hide(TaskKind.Needle, 7, 1024, 64).Tokens);
        Assert.NotEqual(s_task.Hide(TaskKind.Needle, 7, 1024, 64).Tokens, s_task.Hide(TaskKind.Needle, 8, 1024, 64).Tokens);
    }

    private static string Decode(int[] tokens, TokenSpan span) => LearntTokenizer.Value.Decode(tokens.AsSpan(span.Start, span.Count));
}
