using Fathom.Engine;
using Xunit;

namespace Fathom.Tests.Engine;

public class SamplerTests
{
    private const int Vocabulary = 300;

    public static TheoryData<float, int, float, float> Filters => new()
    {
        { 1, 0, 1, 0 }, { 0.5f, 0, 1, 0 }, { 2, 0, 1, 0 },
        { 1, 10, 1, 0 }, { 1, 1, 1, 0 }, { 1, 1000, 1, 0 },
        { 1, 0, 0.9f, 0 }, { 3, 0, 0.37f, 0 }, { 1, 0, 1e-6f, 0 }, { 5, 0, 0.999f, 0 },
        { 1, 0, 1, 0.1f }, { 1, 0, 1, 1 },
        { 0.8f, 20, 0.8f, 0 }, { 0.8f, 20, 1, 0.05f }, { 0.8f, 0, 0.8f, 0.05f }, { 1.5f, 12, 0.7f, 0.02f },
    };

    private static float[] Logits(int seed, double deviation = 2)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(deviation * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5)))];
    }

    private static SamplingOptions Options(float temperature, int topK, float topP, float minP, ulong seed) =>
        new() { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, Seed = seed };

    [Theory]
    [MemberData(nameof(Filters))]
    public void Draws_what_the_reference_draws(float temperature, int topK, float topP, float minP)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            SamplingOptions options = Options(temperature, topK, topP, minP, (ulong)seed);
            var sampler = new Sampler(options, Vocabulary);
            for (int n = 1; n <= 50; n++)
            {
                // Rounded to tenths, so that many are equal.
                float[] logits = [.. Logits((seed * 50) + n, deviation: 4).Select(logit => MathF.Round(logit, 1))];
                Assert.Equal(ReferenceSampler.Draw(ReferenceSampler.Kept(logits, options), options, n), sampler.Next(logits).Id);
            }
        }
    }

    // Flat logits and few kept tokens, so that every kept one is drawn in so many draws.
    [Theory]
    [InlineData(1, 12, 1, 0)]
    [InlineData(1, 0, 0.05f, 0)]
    [InlineData(0.7f, 0, 1, 0.6f)]
    [InlineData(0.7f, 20, 0.5f, 0.3f)]
    public void Draws_exactly_the_kept_tokens_as_often_as_their_weights_say(float temperature, int topK, float topP, float minP)
    {
        const int Draws = 20_000;
        SamplingOptions options = Options(temperature, topK, topP, minP, seed: 1234);
        float[] logits = Logits(seed: 5, deviation: 0.5);
        List<(int Id, double Weight)> kept = ReferenceSampler.Kept(logits, options);
        var counts = new int[Vocabulary];
        var sampler = new Sampler(options, Vocabulary);
        for (int i = 0; i < Draws; i++)
        {
            counts[sampler.Next(logits).Id]++;
        }
        Assert.Equal(kept.Select(token => token.Id).Order(), Enumerable.Range(0, Vocabulary).Where(id => counts[id] > 0));
        double total = kept.Sum(token => token.Weight);
        double chiSquare = kept.Sum(token => Square(counts[token.Id] - (Draws * token.Weight / total)) / (Draws * token.Weight / total));
        // Mean and deviation of the distribution with so many degrees of freedom; the seed is fixed.
        int freedom = kept.Count - 1;
        double worst = freedom + (3 * Math.Sqrt(2.0 * freedom));
        Assert.True(freedom >= 4 && chiSquare < worst, $"χ² is {chiSquare:F1} with {freedom} degrees of freedom, expected below {worst:F1}");
    }

    [Fact]
    public void Greedy_takes_the_lower_id_among_equals()
    {
        float[] logits = Logits(seed: 1);
        logits[70] = logits[17] = logits[299] = logits.Max() + 1;
        Assert.Equal(17, new Sampler(SamplingOptions.Greedy, Vocabulary).Next(logits).Id);
        Assert.Equal(17, new Sampler(new SamplingOptions { TopK = 1 }, Vocabulary).Next(logits).Id);
        Assert.Equal(17, new Sampler(new SamplingOptions { TopP = 1e-6f }, Vocabulary).Next(logits).Id);
        Assert.Equal(17, new Sampler(SamplingOptions.Greedy, Vocabulary).Next(new float[Vocabulary].Select((_, i) => i == 17 ? 0f : -1f).ToArray()).Id);
    }

    [Fact]
    public void A_seed_repeats_itself_and_another_differs()
    {
        int[] Draw(ulong seed)
        {
            var sampler = new Sampler(new SamplingOptions { Seed = seed }, Vocabulary);
            return [.. Enumerable.Range(0, 100).Select(i => sampler.Next(Logits(i)).Id)];
        }
        Assert.Equal(Draw(7), Draw(7));
        Assert.NotEqual(Draw(7), Draw(8));
    }

    [Fact]
    public void Forced_tokens_come_first_in_order_and_use_up_no_randomness()
    {
        float[] logits = Logits(seed: 2);
        var plain = new Sampler(new SamplingOptions { Seed = 3 }, Vocabulary);
        var forced = new Sampler(new SamplingOptions { Seed = 3 }, Vocabulary) { Mask = Only(40, 41, 42) };
        plain.Mask = forced.Mask;
        forced.Force([9, 8]);
        forced.Force([7]);
        Assert.Equal([9, 8, 7], Enumerable.Range(0, 3).Select(_ => forced.Next(logits).Id));
        Assert.Equal(Enumerable.Range(0, 20).Select(_ => plain.Next(logits).Id), Enumerable.Range(0, 20).Select(_ => forced.Next(logits).Id));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(Vocabulary)]
    public void A_forced_token_outside_the_vocabulary_is_refused(int id)
    {
        var sampler = new Sampler(SamplingOptions.Greedy, Vocabulary);
        string message = Assert.Throws<RequestException>(() => sampler.Force([5, id])).Message;
        Assert.Equal($"Forced token 1: expected an id from 0 to 299, found {id}.", message);
        Assert.NotEqual(5, sampler.Next(new float[Vocabulary]).Id);
    }

    [Theory]
    [MemberData(nameof(Filters))]
    public void A_mask_removes_tokens_before_the_filters_count(float temperature, int topK, float topP, float minP)
    {
        SamplingOptions options = Options(temperature, topK, topP, minP, seed: 11);
        TokenMask mask = Only([.. Enumerable.Range(0, Vocabulary).Where(id => id % 3 == 1)]);
        var sampler = new Sampler(options, Vocabulary) { Mask = mask };
        for (int n = 1; n <= 200; n++)
        {
            float[] logits = Logits(n);
            Assert.Equal(ReferenceSampler.Draw(ReferenceSampler.Kept(logits, options, mask), options, n), sampler.Next(logits).Id);
        }
    }

    [Fact]
    public void A_mask_that_allows_one_token_gives_it_and_one_that_allows_none_is_refused()
    {
        float[] logits = Logits(seed: 4);
        foreach (SamplingOptions options in new[] { SamplingOptions.Greedy, new SamplingOptions(), new SamplingOptions { TopP = 0.5f, TopK = 3 } })
        {
            var sampler = new Sampler(options, Vocabulary) { Mask = Only(299) };
            Assert.Equal(299, sampler.Next(logits).Id);
            sampler.Mask.Fill(false);
            Assert.Contains("The token mask allows no token", Assert.Throws<RequestException>(() => sampler.Next(logits)).Message, StringComparison.Ordinal);
            sampler.Mask = null;
            sampler.Next(logits);
        }
    }

    [Fact]
    public void A_mask_remembers_each_token()
    {
        TokenMask mask = Only(0, 63, 64, 299);
        Assert.Equal([0, 63, 64, 299], Enumerable.Range(0, Vocabulary).Where(id => mask[id]));
        mask[64] = false;
        Assert.Equal([0, 63, 299], Enumerable.Range(0, Vocabulary).Where(id => mask[id]));
        mask.Fill(true);
        Assert.Equal(Vocabulary, Enumerable.Range(0, Vocabulary).Count(id => mask[id]));
    }

    [Fact]
    public void The_log_probability_is_the_models_own_before_masks_and_filters()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            float[] logits = Logits(seed, deviation: seed + 1);
            var sampler = new Sampler(new SamplingOptions { Temperature = 0.3f, TopK = 2 }, Vocabulary) { Mask = Only([.. Enumerable.Range(100, 50)]) };
            Token token = sampler.Next(logits);
            double expected = logits[token.Id] - Math.Log(logits.Sum(logit => Math.Exp(logit)));
            // Rounding to single precision alone.
            Assert.True(Math.Abs(token.LogProbability - expected) <= 1.2e-7 * Math.Max(1e-3, Math.Abs(expected)), $"found {token.LogProbability}, expected {expected}");
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Logits_that_are_no_numbers_are_refused(float value)
    {
        float[] logits = Logits(seed: 6);
        logits[100] = value;
        foreach (SamplingOptions options in new[] { SamplingOptions.Greedy, new SamplingOptions(), new SamplingOptions { TopP = 0.5f } })
        {
            Assert.Contains("expected finite numbers", Assert.Throws<RequestException>(() => new Sampler(options, Vocabulary).Next(logits)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(-0.1f, 0, 1, 0, "temperature: expected from 0 to 100, found -0.1.")]
    [InlineData(float.NaN, 0, 1, 0, "temperature: expected from 0 to 100, found NaN.")]
    [InlineData(101, 0, 1, 0, "temperature")]
    [InlineData(1, -1, 1, 0, "top-k: expected at least 0, where 0 keeps all tokens, found -1.")]
    [InlineData(1, 0, 0, 0, "top-p: expected above 0 and at most 1, found 0.")]
    [InlineData(1, 0, 1.01f, 0, "top-p")]
    [InlineData(1, 0, float.NaN, 0, "top-p")]
    [InlineData(1, 0, 1, -1, "min-p: expected from 0 to 1, found -1.")]
    [InlineData(1, 0, 1, 1.5f, "min-p")]
    public void Options_out_of_range_are_refused(float temperature, int topK, float topP, float minP, string says) => Assert.StartsWith(
        says, Assert.Throws<RequestException>(() => new Sampler(Options(temperature, topK, topP, minP, 0), Vocabulary)).Message, StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Filters))]
    public void A_draw_allocates_nothing(float temperature, int topK, float topP, float minP)
    {
        float[] logits = Logits(seed: 8);
        var sampler = new Sampler(Options(temperature, topK, topP, minP, seed: 1), Vocabulary) { Mask = Only([.. Enumerable.Range(0, 250)]) };
        sampler.Force(new int[20]);
        for (int i = 0; i < 30; i++)
        {
            sampler.Next(logits);
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            sampler.Next(logits);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static TokenMask Only(params int[] ids)
    {
        var mask = new TokenMask(Vocabulary);
        foreach (int id in ids)
        {
            mask[id] = true;
        }
        return mask;
    }

    private static double Square(double x) => x * x;
}
