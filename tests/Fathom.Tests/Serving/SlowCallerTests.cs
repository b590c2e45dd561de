using System.Text;
using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Serving;

public sealed class SlowCallerTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Who_does_not_read_is_waited_for_and_the_others_go_on()
    {
        string prose = ServingBench.Prose(2500, 1);
        using var bench = new ServingBench(options => options with { Script = [prose] });
        await using IAsyncEnumerator<GenerationEvent> slow = bench.Engine.Generate(ServingBench.Text("Go.", 6000), Cancellation).GetAsyncEnumerator(Cancellation);
        await slow.MoveNextAsync();
        while (bench.Engine.Load.Held == 0)
        {
            await Task.Delay(1, Cancellation);
        }
        long written = bench.Engine.Load.WrittenTokens;
        Assert.InRange(written, 1, 1100);
        Outcome other = await bench.RunAsync(ServingBench.Text("The old man", 4));
        Assert.Equal(written + other.Finished.Usage.Completion, bench.Engine.Load.WrittenTokens);

        var text = new StringBuilder();
        while (await slow.MoveNextAsync() && slow.Current is not GenerationEvent.Finished)
        {
            text.Append((slow.Current as GenerationEvent.Answer)?.Text);
        }
        Assert.Equal((prose, EndReason.Stop), (text.ToString(), Assert.IsType<GenerationEvent.Finished>(slow.Current).Reason));
    }

    [Fact]
    public async Task What_was_read_by_the_end_is_found_on_the_disk_afterwards()
    {
        GenerationRequest request = ServingBench.Text(ServingBench.Prose(3000, 1), 4);
        int read = 0;
        using (var bench = new ServingBench(options => options with { StepTime = TimeSpan.FromMilliseconds(20) }, store: _folder.Root))
        {
            await using IAsyncEnumerator<GenerationEvent> events = bench.Engine.Generate(request, Cancellation).GetAsyncEnumerator(Cancellation);
            while (read < 400 && await events.MoveNextAsync())
            {
                read = (events.Current as GenerationEvent.Reading)?.Done ?? 0;
            }
            bench.Engine.Dispose();
            while (await events.MoveNextAsync() && events.Current is not GenerationEvent.Finished)
            {
            }
            Assert.Equal(EndReason.Cancelled, Assert.IsType<GenerationEvent.Finished>(events.Current).Reason);
        }
        using var again = new ServingBench(store: _folder.Root);
        Outcome restarted = await again.RunAsync(request);
        Assert.InRange(restarted.Accepted.CachedTokens, read, restarted.Accepted.PromptTokens - 1);
        using var cold = new ServingBench();
        Assert.Equal((await cold.RunAsync(request)).Bits, restarted.Bits);
    }

    [Fact]
    public async Task The_engine_says_what_it_does_and_where_time_went()
    {
        using var bench = new ServingBench();
        Outcome outcome = await bench.RunAsync(ServingBench.Text(ServingBench.Prose(60, 1), 4));
        (TokenUsage usage, GenerationTimes times) = (outcome.Finished.Usage, outcome.Finished.Times);
        Assert.True(times.Reading > TimeSpan.Zero && times.Writing > TimeSpan.Zero && times.Queued >= TimeSpan.Zero, $"{times}");
        await bench.RunAsync(ServingBench.Text(ServingBench.Prose(60, 1), 4));
        while (bench.Engine.Load.Running > 0)
        {
            await Task.Delay(1, Cancellation);
        }
        ServingLoad load = bench.Engine.Load;
        Assert.Equal((2L * usage.Prompt, usage.Prompt - 1L, 2L * usage.Completion), (load.PromptTokens, load.CachedTokens, load.WrittenTokens));
        Assert.True(load.Kept > 0 && load.Bytes > 0 && load.Bytes <= bench.Engine.MemoryBytes, $"{load}");
    }
}
