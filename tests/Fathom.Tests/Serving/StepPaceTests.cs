using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Serving;

public class StepPaceTests
{
    private static readonly TimeSpan s_step = TimeSpan.FromMilliseconds(250);

    [Fact]
    public void Rows_grow_to_what_the_step_holds()
    {
        var pace = new StepPace(s_step);
        int rows = pace.PromptRows(0);
        for (int i = 0; i < 20; i++)
        {
            pace.Took(TimeSpan.FromMilliseconds(rows), 0, rows);                        // a millisecond a row
            int next = pace.PromptRows(0);
            Assert.True(next <= 2 * rows, $"from {rows} to {next}");
            rows = next;
        }
        Assert.Equal(250, rows);
    }

    [Fact]
    public void Sequences_that_write_take_their_time_out_of_the_step()
    {
        var pace = new StepPace(s_step);
        for (int i = 0; i < 60; i++)
        {
            pace.Took(TimeSpan.FromMilliseconds(100), written: 10, read: 0);
            int rows = pace.PromptRows(10);
            pace.Took(TimeSpan.FromMilliseconds(100 + rows), written: 10, read: rows);
        }
        Assert.InRange(pace.PromptRows(10), 145, 155);
        Assert.InRange(pace.PromptRows(24), 8, 15);
        Assert.Equal(8, pace.PromptRows(60));
    }

    [Fact]
    public void A_forecast_follows_long_prompts_more_than_short_ones()
    {
        var pace = new StepPace(s_step);
        Assert.Null(pace.TimeToRead(1000, written: 0));
        for (int i = 0; i < 20; i++)
        {
            pace.Took(TimeSpan.FromMilliseconds(250), written: 0, read: 250);           // a millisecond a token
        }
        Assert.Equal(10, pace.TimeToRead(10_000, written: 0)!.Value.TotalSeconds, 6);
        for (int i = 0; i < 10; i++)
        {
            pace.Took(TimeSpan.FromMilliseconds(100), written: 0, read: 10);            // ten a token, of a few tokens
        }
        Assert.InRange(pace.TimeToRead(10_000, written: 0)!.Value.TotalSeconds, 10.1, 14);
    }

    [Fact]
    public void A_forecast_leaves_those_that_write_their_time()
    {
        var pace = new StepPace(s_step);
        pace.Took(TimeSpan.FromMilliseconds(250), written: 0, read: 250);
        pace.Took(TimeSpan.FromMilliseconds(100), written: 10, read: 0);                // ten a written token
        // 150 ms of each step are left: 150 tokens in 250 ms.
        Assert.Equal(10 * 250 / 150.0, pace.TimeToRead(10_000, written: 10)!.Value.TotalSeconds, 6);
        // However many write, 8 tokens of prompts go along.
        Assert.Equal(1 + (0.400 / 8 * 1000), pace.TimeToRead(1000, written: 40)!.Value.TotalSeconds, 6);
    }
}
