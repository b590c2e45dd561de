using System.Text.RegularExpressions;
using Fathom.Train.Data;
using Fathom.Train.Data.Tasks;
using Xunit;

namespace Fathom.Train.Tests.Data.Tasks;

public class TaskTests
{
    private static readonly Prose s_prose = new(LearntTokenizer.Prose, LearntTokenizer.Value);

    public static TheoryData<TaskKind, Split, int> Cases
    {
        get
        {
            var cases = new TheoryData<TaskKind, Split, int>();
            foreach (TaskKind kind in Enum.GetValues<TaskKind>())
            {
                foreach (Split split in Enum.GetValues<Split>())
                {
                    foreach (int length in (int[])[512, 2048, 4096])
                        cases.Add(kind, split, length);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Answers_follow_from_the_text_before_them(TaskKind kind, Split split, int length)
    {
        for (ulong seed = 0; seed < 4; seed++)
        {
            TaskSample sample = Generate(kind, split, seed, length);
            Assert.InRange(sample.Tokens.Length, kind == TaskKind.Contracts ? length - ContractTask.Slack + 1 : length, length);
            Assert.Equal(0, sample.Tokens[0]);
            Assert.NotEmpty(sample.Queries);
            foreach (TaskQuery query in sample.Queries)
            {
                Assert.Equal(query.Answer, Decode(sample, query.AnswerTokens));
                Assert.All(query.Evidence, place => Assert.True(place.Start + place.Count <= query.AnswerTokens.Start, "The evidence stands behind the answer."));
                Assert.InRange(query.Depth, 0, 1);
                string[] evidence = [.. query.Evidence.Select(place => Decode(sample, place))];
                if (kind == TaskKind.SeveralValues)
                    Assert.Equal(query.Answer, string.Join(", ", evidence));
                else
                    Assert.Contains(query.Answer, evidence[0], StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_mask_covers_the_answers_and_nothing_else(TaskKind kind, Split split, int length)
    {
        TaskSample sample = Generate(kind, split, 11, length);
        var expected = new bool[sample.Tokens.Length];
        foreach (TaskQuery query in sample.Queries)
        {
            expected.AsSpan(query.AnswerTokens.Start, query.AnswerTokens.Count).Fill(true);
            if (kind == TaskKind.Contracts)
            {
                Assert.Equal(1, sample.Tokens[query.AnswerTokens.Start + query.AnswerTokens.Count]);
                expected[query.AnswerTokens.Start + query.AnswerTokens.Count] = true;
            }
        }

        Assert.Equal(expected, sample.LossMask);
        TrainingSample training = sample.ToTraining("x");
        for (int i = 0; i + 1 < expected.Length; i++)
            Assert.Equal(expected[i + 1] ? sample.Tokens[i + 1] : TrainingSample.NoTarget, training.Targets[i]);
    }

    [Theory]
    [InlineData(TaskKind.PassKey)]
    [InlineData(TaskKind.Needle)]
    [InlineData(TaskKind.SeveralKeys)]
    [InlineData(TaskKind.Induction)]
    public void A_key_stands_once_among_decoys_and_once_in_its_question(TaskKind kind)
    {
        TaskSample sample = Generate(kind, Split.Training, 3, 4096);
        string text = LearntTokenizer.Value.Decode(sample.Tokens);
        Assert.Equal(sample.Keys.Count, sample.Keys.Distinct().Count());
        Assert.True(kind == TaskKind.SeveralKeys || sample.Keys.Count > 100, $"{sample.Keys.Count} keys");
        foreach (TaskQuery query in sample.Queries)
        {
            int before = LearntTokenizer.Value.DecodeBytes(sample.Tokens.AsSpan(0, sample.Queries[0].AnswerTokens.Start)).Length;
            Assert.Single(query.Evidence);
            Assert.InRange(Regex.Count(text[..Math.Min(before, text.Length)], $@"\b{Regex.Escape(query.Key)}\b"), 1, 3);
            Assert.Matches(@"^\d{3}$", query.Answer);
            Assert.Equal(1, query.AnswerTokens.Count);
        }
    }

    [Fact]
    public void A_sequence_of_2048_tokens_has_scores_of_keys() =>
        Assert.All(Enumerable.Range(0, 8), seed => Assert.InRange(Generate(TaskKind.Induction, Split.Training, (ulong)seed, 2048).Keys.Count, 70, 128));

    [Fact]
    public void Variables_resolve_through_their_chain()
    {
        TaskSample sample = Generate(TaskKind.Variables, Split.Test, 5, 2048);
        Assert.Contains(sample.Queries, query => query.Evidence.Count > 2);
        foreach (TaskQuery query in sample.Queries)
        {
            for (int hop = 1; hop < query.Evidence.Count; hop++)
                Assert.True(query.Evidence[hop].Start > query.Evidence[hop - 1].Start);
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_sample_and_another_seed_another()
    {
        foreach (TaskKind kind in Enum.GetValues<TaskKind>())
        {
            Assert.Equal(Generate(kind, Split.Training, 9, 1024).Tokens, Generate(kind, Split.Training, 9, 1024).Tokens);
            Assert.NotEqual(Generate(kind, Split.Training, 9, 1024).Tokens, Generate(kind, Split.Training, 10, 1024).Tokens);
        }
    }

    [Fact]
    public void No_wording_and_no_name_belongs_to_two_splits()
    {
        string[][] lists =
        [
            .. new[] { Wordings.PassKey, Wordings.Needle, Wordings.Induction, Wordings.Variables }.Select(l => l.Select(w => w.Fact + w.Question).ToArray()),
            Wordings.Lists, ContractWordings.Boilerplate, ContractWordings.Titles, ContractWordings.Scopes,
            .. ContractWordings.Topics.Select(t => t.Clauses), .. ContractWordings.Topics.Select(t => t.Questions),
        ];
        Assert.Equal(lists.Sum(l => l.Length), lists.SelectMany(l => l).Distinct().Count());
        foreach (string[] list in lists)
        {
            string[] parts = [.. Enum.GetValues<Split>().SelectMany(split => Splits.Of(list, split))];
            Assert.All(Enum.GetValues<Split>(), split => Assert.NotEmpty(Splits.Of(list, split)));
            Assert.Equal(list.Order(), parts.Order());
        }

        string[][] names = [.. Enum.GetValues<Split>().Select(split => Many(split))];
        Assert.Empty(names[0].Intersect(names[1]));
        Assert.Empty(names[0].Intersect(names[2]));
        Assert.Empty(names[1].Intersect(names[2]));
    }

    [Fact]
    public void Wordings_put_together_are_many_and_none_is_validation_s_or_the_test_s()
    {
        var random = new SeededRandom(1);
        foreach ((Func<SeededRandom, Wording> make, Wording[] list, int least) in new[] { (ComposedWordings.Needle, Wordings.Needle, 3000), ((Func<SeededRandom, Wording>)ComposedWordings.PassKey, Wordings.PassKey, 300) })
        {
            Wording[] made = [.. Enumerable.Range(0, 4000).Select(_ => make(random))];
            Assert.True(made.Distinct().Count() > least);
            Assert.All(made, wording => Assert.Single(Regex.Matches(wording.Fact, "{k}")));
            Assert.All(made, wording => Assert.Single(Regex.Matches(wording.Fact, "{v}")));
            Assert.All(made, wording => Assert.Matches(@"^ [A-Z{].*\.$", wording.Fact));
            Assert.All(made, wording => Assert.Matches("^ ([A-Z].*)?{k}.* $", wording.Question));
            Wording[] kept = [.. Splits.Of(list, Split.Validation), .. Splits.Of(list, Split.Test)];
            Assert.Empty(made.Select(wording => wording.Fact).Intersect(kept.Select(wording => wording.Fact)));
            Assert.Empty(made.Select(wording => wording.Question).Intersect(kept.Select(wording => wording.Question)));
        }
    }

    [Fact]
    public void Half_of_the_texts_have_one_contract_and_terms_are_of_the_split()
    {
        var task = new ContractTask(LearntTokenizer.Value, s_prose, Split.Test);
        ContractReading[] readings = [.. Enumerable.Range(0, 60).Select(seed => task.Read((ulong)seed, 2048))];
        Assert.InRange(readings.Count(reading => reading.Contracts == 1), 20, 40);
        Assert.Contains(readings, reading => reading.Contracts > 4);
        string[] keys = [.. readings.SelectMany(reading => reading.Questions).Select(question => question.Key[..question.Key.IndexOf(" of ", StringComparison.Ordinal)]).Distinct()];
        string[] terms = [.. ContractWordings.Terms.Select(term => term.Name).Intersect(keys)];
        Assert.InRange(terms.Length, 4, 20);
        Assert.All(terms, term => Assert.Equal(Split.Test, Splits.OfName(term)));
    }

    [Fact]
    public void Long_sequences_take_prose_around_the_end_of_the_dataset()
    {
        TaskSample sample = Generate(TaskKind.Needle, Split.Test, 1, 200_000);
        Assert.Equal(200_000, sample.Tokens.Length);
        Assert.Contains(sample.Queries, query => query.Depth < 0.5);
    }

    private static string[] Many(Split split)
    {
        var names = new Names(new SeededRandom((ulong)split + 1), split);
        return [.. Enumerable.Range(0, 400).SelectMany(_ => new[] { names.Person(), names.Thing() })];
    }

    private static TaskSample Generate(TaskKind kind, Split split, ulong seed, int length) => kind switch
    {
        TaskKind.Contracts => new ContractTask(LearntTokenizer.Value, s_prose, split).Generate(seed, length),
        TaskKind.Pairs => new PairTask(LearntTokenizer.Value).Generate(seed, length),
        _ => new RetrievalTask(LearntTokenizer.Value, s_prose, split).Generate(kind, seed, length),
    };

    private static string Decode(TaskSample sample, TokenSpan span) => LearntTokenizer.Value.Decode(sample.Tokens.AsSpan(span.Start, span.Count));
}
