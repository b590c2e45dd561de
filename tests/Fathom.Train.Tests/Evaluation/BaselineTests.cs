using System.Text;
using Fathom.Train.Evaluation;
using Xunit;

namespace Fathom.Train.Tests.Evaluation;

public class BaselineTests
{
    /// <summary>By hand: behind nothing, "ab" leaves N = 2, T = 2; 'a' costs (1 + 2/256) / 4.</summary>
    [Fact]
    public void A_first_byte_costs_what_the_formula_says()
    {
        var model = new NgramModel("ab"u8);
        Assert.Equal(-Math.Log2((1 + (2 / 256.0)) / 4), model.Bits("a"u8), 12);
        Assert.Equal(-Math.Log2((2 / 256.0) / 4), model.Bits("z"u8), 12);
        // Behind 'a' only 'b' occurred: (1 + P(b)) / 2.
        double b = (1 + ((1 + (2 / 256.0)) / 4)) / 2;
        Assert.Equal(-Math.Log2((1 + (2 / 256.0)) / 4) - Math.Log2(b), model.Bits("ab"u8), 12);
    }

    [Fact]
    public void Probabilities_of_all_next_bytes_sum_to_one()
    {
        var model = new NgramModel("And it came to pass in those days that there went out a decree"u8);
        foreach (string before in new[] { "", "A", "came t", "xyz th" })
        {
            byte[] context = Encoding.ASCII.GetBytes(before);
            double known = model.Bits(context);
            double sum = Enumerable.Range(0, 256).Sum(next => Math.Pow(2, known - model.Bits([.. context, (byte)next])));
            Assert.Equal(1, sum, 9);
        }
    }

    [Fact]
    public void Both_find_a_text_cheaper_that_they_have_seen()
    {
        byte[] training = Encoding.ASCII.GetBytes(Data.LearntTokenizer.ProseText[..20_000]);
        byte[] seen = training[5000..8000], fresh = Encoding.ASCII.GetBytes(Data.LearntTokenizer.ProseText[30_000..33_000]);
        var compression = new CompressionBaseline(training);
        Assert.True(compression.Bits(seen) < compression.Bits(fresh) / 5, $"{compression.Name}: {compression.Bits(seen)} and {compression.Bits(fresh)} bits");
        var ngram = new NgramModel(training);
        Assert.True(ngram.Bits(seen) < ngram.Bits(fresh));
    }
}
