using CsCheck;
using Fathom.Cpu.Kernels;
using Xunit;

namespace Fathom.Tests.Cpu.Kernels;

public class TopKTests
{
    [Fact]
    public void A_search_in_pieces_finds_what_one_over_all_finds() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 900], Gen.Int[1, 200], Gen.Int[1, 60], Gen.Int[0, int.MaxValue]).Sample((k, n, piece, values, seed) =>
        {
            var random = new Random(seed);
            // Few values make many equals; a rising or falling drift moves the bar at every cut or never.
            float drift = random.Next(-1, 2);
            float[] scores = [.. Enumerable.Range(0, n).Select(i => random.Next(values) - (values / 2) + (drift * i / 7))];
            int[] expected = [.. scores.Select((score, i) => (score, i)).OrderByDescending(pair => pair.score).ThenBy(pair => pair.i).Take(k).Select(pair => pair.i).Order()];
            expected = [.. expected, .. Enumerable.Repeat(-1, k - expected.Length)];
            int[] whole = new int[k], pieces = new int[k], indices = new int[TopK.Capacity * k];
            var kept = default(TopK.Kept);
            float[] best = new float[TopK.Capacity * k];
            for (int first = 0; first < n; first += piece)
                TopK.Add(scores.AsSpan(first, Math.Min(piece, n - first)), first, ref kept, best, indices, pieces);
            TopK.Finish(best.AsSpan(0, kept.Count), indices.AsSpan(0, kept.Count), pieces);
            TopK.Run(scores, n, whole);
            Assert.Equal(expected, whole);
            Assert.Equal(expected, pieces);
        }, iter: 400, threads: 1);

    [Fact]
    public void Zeros_of_either_sign_are_equal_and_infinities_are_ordered()
    {
        float[] scores = [-0f, float.NegativeInfinity, 0f, -1, -0f, float.PositiveInfinity, 0f, .. Enumerable.Repeat(-2f, 40)];
        int[] chosen = new int[4];
        TopK.Run(scores, scores.Length, chosen);
        Assert.Equal([0, 2, 4, 5], chosen);
    }

    [Fact]
    public void A_bar_is_exceeded_by_as_many_as_are_wanted_and_their_equals() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 60], Gen.Int[0, int.MaxValue]).Sample((n, values, seed) =>
        {
            var random = new Random(seed);
            float[] scores = [.. Enumerable.Range(0, n).Select(_ => (float)random.Next(values) - (values / 2))];
            int k = random.Next(1, n + 1);
            float[] descending = [.. scores.OrderDescending()];
            float bar = TopK.Bar(scores, k);
            Assert.True(bar < descending[k - 1]);
            Assert.Equal(descending.Count(score => score >= descending[k - 1]), scores.Count(score => score > bar));
        }, iter: 200, threads: 1);
}
