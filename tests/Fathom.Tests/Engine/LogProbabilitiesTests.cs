using CsCheck;
using Fathom.Engine;
using Xunit;

namespace Fathom.Tests.Engine;

public class LogProbabilitiesTests
{
    [Fact]
    public void The_likeliest_are_those_of_a_sort() =>
        Gen.Select(Gen.Int[-20, 20].Select(n => n / 4f).Array[1, 60], Gen.Int[0, 25]).Sample((logits, count) =>
        {
            int[] expected = [.. Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id]).ThenBy(id => id).Take(count)];
            Token[] found = LogProbabilities.Likeliest(logits, count);
            Assert.Equal(expected, found.Select(token => token.Id));
            Assert.All(found, token => Assert.Equal(LogProbabilities.Of(logits, token.Id), token.LogProbability, 1e-5));
        });

    [Fact]
    public void All_of_them_sum_to_one() =>
        Assert.Equal(1, LogProbabilities.Likeliest([1, 2, 3, 2, 1], 5).Sum(token => Math.Exp(token.LogProbability)), 1e-6);

    [Fact]
    public void Bad_logits_and_numbers_are_refused()
    {
        Assert.Throws<RequestException>(() => LogProbabilities.Likeliest([1, float.NaN], 1));
        Assert.Throws<RequestException>(() => LogProbabilities.Likeliest([1, 2], -1));
    }
}
