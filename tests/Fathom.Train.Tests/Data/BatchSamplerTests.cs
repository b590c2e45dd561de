using Fathom.Train.Data;
using Xunit;

namespace Fathom.Train.Tests.Data;

public class BatchSamplerTests
{
    private static readonly LengthStage[] s_stages = [new(5, 64), new(5, 128), new(0, 256)];

    [Fact]
    public void A_resumed_sampler_goes_on_as_if_never_stopped()
    {
        BatchSampler whole = Sampler();
        var batches = new List<string>();
        for (int i = 0; i < 14; i++)
            batches.Add(Text(whole.Next()));

        BatchSampler first = Sampler();
        for (int i = 0; i < 7; i++)
            Assert.Equal(batches[i], Text(first.Next()));
        BatchSampler second = Sampler(first.State);
        for (int i = 7; i < 14; i++)
            Assert.Equal(batches[i], Text(second.Next()));
    }

    [Fact]
    public void The_curriculum_sets_the_length_and_batches_keep_their_rows()
    {
        BatchSampler sampler = Sampler();
        for (int step = 0; step < 13; step++)
        {
            Assert.Equal(step < 5 ? 64 : step < 10 ? 128 : 256, sampler.Length);
            IReadOnlyList<TrainingSample> batch = sampler.Next();
            Assert.InRange(batch.Sum(s => s.Tokens.Length), 1024 - batch.Count, 1024);
            Assert.All(batch, sample => Assert.True(sample.Tokens[0] == 0 && sample.Targets.Length == sample.Tokens.Length));
        }
    }

    [Fact]
    public void Every_stretch_has_the_mixture_and_late_sources_do_not_catch_up()
    {
        var sampler = new BatchSampler([new(Source("a"), 3), new(Source("b"), 1, MinLength: 128)], [new(100, 64), new(0, 128)], 1024, 7);
        for (int step = 0; step < 100; step++)
            Assert.All(sampler.Next(), sample => Assert.Equal("a", sample.Source));
        int rows = 0;
        for (int step = 0; step < 50; step++)
            rows += sampler.Next().Where(s => s.Source == "b").Sum(s => s.Tokens.Length);
        Assert.InRange(rows / (50 * 1024.0), 0.24, 0.26);
    }

    [Fact]
    public void A_stage_has_sources_of_its_own_which_go_on_in_the_others_places()
    {
        BatchSampler Sampler(SamplerState? state = null) => new(
            [new(Source("a"), 3), new(Source("b"), 1)], [new(4, 64), new(4, 64, [new(Source("c"), 1), new(Source("d"), 1)]), new(0, 64)], 1024, 7, state);
        BatchSampler sampler = Sampler(), plain = new([new(Source("a"), 3), new(Source("b"), 1)], [new(0, 64)], 1024, 7);
        for (int step = 0; step < 12; step++)
        {
            bool own = step is >= 4 and < 8;
            Assert.Equal(step / 4, sampler.Stage);
            IReadOnlyList<TrainingSample> batch = sampler.Next();
            Assert.All(batch, sample => Assert.Contains(sample.Source, own ? "cd" : "ab", StringComparison.Ordinal));
            if (step < 4)
            {
                Assert.Equal(Text(plain.Next()), Text(batch));
            }
            sampler = Sampler(sampler.State);
        }
        Assert.Throws<ArgumentException>(() => new BatchSampler([new(Source("a"), 1)], [new(0, 64, [new(Source("c"), 1), new(Source("d"), 1)])], 1024, 7));
    }

    [Fact]
    public void A_pass_sees_every_token_about_once()
    {
        TokenDataset dataset = LearntTokenizer.Prose;
        const int Length = 128;
        var source = new TextSource("prose", dataset, 0);
        long drawn = 0;
        var windows = new HashSet<string>();
        int count = dataset.Tokens / Length;
        for (int i = 0; i < count; i++, drawn += Length)
            windows.Add(Text(source.Draw(5, drawn, Length)));
        Assert.Equal(count, windows.Count);
    }

    [Fact]
    public void Targets_are_the_next_tokens_and_stop_at_the_end_of_a_document()
    {
        TokenDataset dataset = TokenDataset.Tokenize(["alpha beta gamma delta", "epsilon zeta eta theta"], LearntTokenizer.Value);
        foreach (TrainingSample sample in new TextSource("x", dataset, 0).Draw(1, 0, 16))
        {
            Assert.Equal(sample.Tokens.Skip(1), sample.Targets.SkipLast(1));
            Assert.Equal(sample.Tokens[^1] == 1, sample.Targets[^1] == TrainingSample.NoTarget);
            Assert.DoesNotContain(1, sample.Tokens.SkipLast(1));
        }
    }

    [Fact]
    public void Settings_that_contradict_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new BatchSampler([new(Source("a"), 1)], [new(0, 100)], 1024, 7));
        Assert.Throws<ArgumentException>(() => new BatchSampler([new(Source("a"), 0)], [new(0, 128)], 1024, 7));
        Assert.Throws<ArgumentException>(() => new BatchSampler([new(Source("a"), 1, MinLength: 256)], [new(0, 128)], 1024, 7));
        Assert.Throws<ArgumentException>(() => new BatchSampler([new(Source("a"), 1)], [new(0, 128)], 1024, 7, new SamplerState(1, 2, [3, 4])));
    }

    private static TextSource Source(string name) => new(name, LearntTokenizer.Prose, 0);

    private static BatchSampler Sampler(SamplerState? state = null) => new([new(Source("a"), 2), new(Source("b"), 1)], s_stages, 1024, 42, state);

    private static string Text(IEnumerable<TrainingSample> batch) => string.Join('|', batch.Select(s => $"{s.Source}:{string.Join(',', s.Tokens)}>{string.Join(',', s.Targets)}"));
}
