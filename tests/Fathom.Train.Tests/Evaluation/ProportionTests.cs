using Fathom.Train.Evaluation;
using Xunit;

namespace Fathom.Train.Tests.Evaluation;

public class ProportionTests
{
    /// <summary>Textbook values of Wilson's interval at 95 %.</summary>
    [Theory]
    [InlineData(0, 10, 0, 0.27753)]
    [InlineData(1, 10, 0.01788, 0.40415)]
    [InlineData(5, 10, 0.23659, 0.76341)]
    [InlineData(10, 10, 0.72247, 1)]
    [InlineData(81, 263, 0.25527, 0.36620)]
    public void The_interval_is_Wilsons(int successes, int count, double low, double high)
    {
        (double l, double h) = new Proportion(successes, count).Interval;
        Assert.Equal(low, l, 4);
        Assert.Equal(high, h, 4);
    }

    [Fact]
    public void The_interval_holds_the_share_and_mirrors()
    {
        for (int count = 1; count <= 40; count++)
        {
            for (int successes = 0; successes <= count; successes++)
            {
                var p = new Proportion(successes, count);
                Assert.True(p.Interval.Low <= p.Share && p.Share <= p.Interval.High && p.Interval.Low >= 0 && p.Interval.High <= 1, $"{p}: {p.Interval}");
                Assert.Equal(1 - p.Interval.Low, new Proportion(count - successes, count).Interval.High, 9);
            }
        }
    }

    [Fact]
    public void Nothing_tried_tells_nothing() => Assert.Equal((0, 1), default(Proportion).Interval);
}
