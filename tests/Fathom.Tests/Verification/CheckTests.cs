using Fathom.Verification;
using Xunit;

namespace Fathom.Tests.Verification;

public class CheckTests
{
    [Fact]
    public void The_first_failure_is_the_first_in_the_order_of_computation()
    {
        Check streams = new("hidden_streams", 1, 0.1, 0, 2), entries = new("compressed_kv.3", 1, 0.1, 0, 3), output = new("attn_out", 1, 0.1, 5, 2);
        Check logits = new("prefill_logits", 1, 0.1, 0, -1), input = new("attn_in", 0.01, 0.1, 0, 0);
        Assert.Equal(output, Check.FirstFailure([streams, input, entries, output, logits]));
        Assert.Equal(streams, Check.FirstFailure([logits, entries, streams]));
        Assert.Equal(logits, Check.FirstFailure([input, logits]));
        Assert.Null(Check.FirstFailure([input]));
    }

    [Fact]
    public void The_embedding_comes_before_every_layer()
    {
        Check embedding = new("hidden_streams", 1, 0.1, 7, -1), first = new("attn_in", 1, 0.1, 0, 0);
        Assert.Equal(embedding, Check.FirstFailure([first, embedding]));
    }

    [Fact]
    public void A_failure_is_placed_where_it_begins_and_keeps_the_largest_error()
    {
        var comparison = new Comparison("x", 0.1);
        comparison.Add([1f], [1.05f], 0, 0, relative: false);
        comparison.Add([1f], [1.5f], 1, 0, relative: false);
        comparison.Add([1f], [3f], 2, 1, relative: false);
        Assert.Equal(new Check("x", 2, 0.1, 1, 0), comparison.Worst);
    }

    [Fact]
    public void A_passing_check_is_placed_at_its_largest_error()
    {
        var comparison = new Comparison("x", 1);
        comparison.Add([1f], [1.25f], 4, 0, relative: false);
        comparison.Add([1f], [1.5f], 9, 3, relative: false);
        comparison.Add([1f], [1.5f], 9, 4, relative: false);
        Assert.Equal(new Check("x", 0.5, 1, 9, 3), comparison.Worst);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void What_is_no_finite_number_fails(float value)
    {
        var comparison = new Comparison("x", 1);
        comparison.Add([value, 0f], [0f, 0f], 3, 2, relative: true);
        Assert.False(comparison.Worst.Pass);
        Assert.Equal((3, 2), (comparison.Worst.Position, comparison.Worst.Layer));
    }

    [Fact]
    public void A_missing_row_fails()
    {
        var comparison = new Comparison("x", 1);
        comparison.Add([], [0f], 3, 2, relative: true);
        Assert.Equal(double.PositiveInfinity, comparison.Worst.MaxError);
    }
}
