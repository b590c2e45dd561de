using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Serving;

public class FairShareTests
{
    [Fact]
    public void Written_tokens_cost_more_than_read_ones()
    {
        var share = new FairShare();
        share.Arrive("a");
        share.Charge("a", read: 10, written: 0);
        share.Charge("a", read: 0, written: 10);
        Assert.Equal(10 + (10 * FairShare.WrittenTokenCost), share.Served("a"));
    }

    [Fact]
    public void Who_comes_back_begins_level_with_the_least_served_and_loses_no_debt()
    {
        var share = new FairShare();
        share.Arrive("a");
        share.Arrive("b");
        share.Charge("a", 100, 0);
        share.Charge("b", 300, 0);
        share.Leave("b");
        share.Arrive("c");
        Assert.Equal(100, share.Served("c"));
        share.Arrive("b");
        Assert.Equal(300, share.Served("b"));
    }

    [Fact]
    public void All_begin_anew_when_nobody_is_left()
    {
        var share = new FairShare();
        share.Arrive("a");
        share.Arrive("a");
        share.Charge("a", 100, 0);
        share.Leave("a");
        Assert.Equal(1, share.Holders);
        share.Leave("a");
        Assert.Equal(0, share.Holders);
        share.Arrive("a");
        Assert.Equal(0, share.Served("a"));
    }
}
