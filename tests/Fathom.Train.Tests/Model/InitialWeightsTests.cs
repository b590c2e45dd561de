using Fathom.Model;
using Fathom.Tests.Reference;
using Fathom.Train.Model;
using Xunit;

namespace Fathom.Train.Tests.Model;

public class InitialWeightsTests
{
    private static readonly ModelConfig s_config = TinyModels.Flash with { VocabularySize = 300, ExpertCount = 8 };

    [Fact]
    public void A_seed_gives_the_same_bits_and_another_seed_others()
    {
        Assert.Equal(Embedding(1), Embedding(1));
        Assert.NotEqual(Embedding(1), Embedding(2));
    }

    [Fact]
    public void Matrices_have_the_deviation_that_was_asked_for()
    {
        float[] embedding = Embedding(3, 0.02f);
        Assert.Equal(0.02, Math.Sqrt(embedding.Average(value => (double)value * value)), 1e-3);
    }

    [Fact]
    public void Every_token_has_different_experts_and_every_expert_its_share()
    {
        int[][] rows = Rows(default);
        Assert.All(rows, row => Assert.Equal(row.Length, row.Distinct().Count()));
        int[] counts = [.. Enumerable.Range(0, 8).Select(e => rows.Sum(row => row.Count(id => id == e)))];
        Assert.InRange(counts.Max() - counts.Min(), 0, 1);
        Assert.Equal(8 * 7 / 2, rows.Select(row => (row.Min(), row.Max())).Distinct().Count());
    }

    [Fact]
    public void Tables_balance_how_often_tokens_occur()
    {
        long[] frequencies = [.. Enumerable.Range(0, 300).Select(i => 100_000L / (i + 1))];
        int[][] rows = Rows(frequencies);
        long[] loads = [.. Enumerable.Range(0, 8).Select(e => rows.Select((row, token) => row.Contains(e) ? frequencies[token] : 0).Sum())];
        Assert.True(loads.Max() < 1.1 * loads.Min(), string.Join(' ', loads));
    }

    private static int[][] Rows(long[]? frequencies)
    {
        var p = new Parameters(s_config);
        InitialWeights.Fill(p, 5, null, frequencies);
        return [.. p.Table(0).Chunk(s_config.ExpertsPerToken)];
    }

    private static float[] Embedding(int seed, float? deviation = null)
    {
        var p = new Parameters(s_config);
        InitialWeights.Fill(p, seed, deviation);
        return p[WeightPart.Embedding].Value.ToArray();
    }
}
