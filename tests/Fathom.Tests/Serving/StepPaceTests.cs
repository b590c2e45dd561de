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
}
