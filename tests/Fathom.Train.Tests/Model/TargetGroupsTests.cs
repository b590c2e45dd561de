using Fathom.Train.Model;
using Xunit;

namespace Fathom.Train.Tests.Model;

public class TargetGroupsTests
{
    private const int No = PackedBatch.NoTarget;

    [Fact]
    public void Answers_have_their_share_whatever_their_number()
    {
        PackedBatch batch = Batch(share: 0.25);
        Assert.Equal([0.25f, 0.25f, 0.25f, 0, 0, 0.25f], new TargetGroups(batch, batch.Targets).Factors(1));
        Assert.Equal([0.125f, 0.125f, 0.125f, 0, 0, 0.125f], new TargetGroups(batch, batch.Targets).Factors(0.5f));
    }

    [Fact]
    public void Without_a_share_every_target_counts_alike()
    {
        PackedBatch batch = Batch(share: null);
        Assert.Equal([0.25f, 0.25f, 0.25f, 0, 0, 0.25f], new TargetGroups(batch, batch.Targets).Factors(1));
        PackedBatch half = Batch(share: 0.5);
        Assert.Equal([0.5f / 3, 0.5f / 3, 0.5f / 3, 0, 0, 0.5f], new TargetGroups(half, half.Targets).Factors(1));
    }

    [Fact]
    public void A_kind_that_is_alone_has_the_whole_loss()
    {
        var batch = new PackedBatch { TaskShare = 0.1 };
        batch.Add([1, 2, 3], [No, 2, 1], isTask: true);
        Assert.Equal([0, 0.5f, 0.5f], new TargetGroups(batch, batch.Targets).Factors(1));
    }

    [Fact]
    public void Means_are_counted_apart()
    {
        PackedBatch batch = Batch(share: 0.5);
        var groups = new TargetGroups(batch, batch.Targets);
        StepLosses losses = groups.Losses([1, 2, 3, 0, 0, 8]);
        Assert.Equal((3.5, 2.0, 8.0), (losses.CrossEntropy, losses.Text, losses.Answers));
        StepLosses fewer = groups.Of([1, 5]).Losses([2, 8]);
        Assert.Equal((5.0, 2.0, 8.0), (fewer.CrossEntropy, fewer.Text, fewer.Answers));
        Assert.Null(groups.Of([0]).Losses([1]).Answers);
    }

    // Three targets of text, one answer.
    private static PackedBatch Batch(double? share)
    {
        var batch = new PackedBatch { TaskShare = share };
        batch.Add([1, 2, 3], [2, 3, 4]);
        batch.Add([5, 6, 7], [No, No, 8], isTask: true);
        return batch;
    }
}
