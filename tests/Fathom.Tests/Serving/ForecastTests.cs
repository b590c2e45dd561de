using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Serving;

public sealed class ForecastTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_disk_counts_after_a_restart_for_its_tenant_alone()
    {
        GenerationRequest request = ServingBench.Text(ServingBench.Prose(700, 1), maxTokens: 1, tenant: "ann");
        int prompt;
        using (var bench = new ServingBench(store: _folder.Root))
        {
            prompt = (await bench.RunAsync(request)).Accepted.PromptTokens;
        }
        using var again = new ServingBench(store: _folder.Root);
        Forecast forecast = await again.Engine.ForecastAsync(request, Cancellation);
        Assert.Equal((prompt, true), (forecast.PromptTokens, forecast.CachedTokens > 256));
        Assert.Equal(0, (await again.Engine.ForecastAsync(request with { Tenant = "ben" }, Cancellation)).CachedTokens);
        Assert.Equal(forecast.CachedTokens, (await again.RunAsync(request)).Accepted.CachedTokens);
    }

    [Fact]
    public void Prompts_of_others_count_up_to_an_equal_share()
    {
        (string, int)[] others = [("ann", 10), ("ann", 500), ("ben", 1000), ("cleo", 30), ("cleo", 40)];
        // Ann's own: 100, and beside it 10 and up to 100. Ben as much as Ann in all, Cleo what she has.
        Assert.Equal(100 + 10 + 100 + 210 + 70, ReadingShare.TokensUntilRead(100, "ann", others));
        Assert.Equal(100 + 100 + 100 + 70, ReadingShare.TokensUntilRead(100, "dan", others));
        Assert.Equal(100, ReadingShare.TokensUntilRead(100, "dan", []));
    }

    [Fact]
    public async Task Many_questions_at_once_are_all_answered()
    {
        using var bench = new ServingBench();
        Forecast[] all = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => bench.Engine.ForecastAsync(ServingBench.Text(ServingBench.Prose(i + 1, i), 1), Cancellation)));
        Assert.All(all, forecast => Assert.True(forecast.PromptTokens > 1 && forecast is { CachedTokens: 0, Refusal: null, TimeToFirstToken: null }));
    }

    [Fact]
    public async Task An_engine_that_warms_up_knows_a_speed_and_keeps_nothing()
    {
        GenerationRequest request = ServingBench.Text(ServingBench.Prose(60, 1), maxTokens: 4);
        using var cold = new ServingBench();
        using var warm = new ServingBench(options => options with { WarmsUp = true });
        Forecast forecast = await warm.Engine.ForecastAsync(request, Cancellation);
        Assert.True(forecast is { CachedTokens: 0 } && forecast.TimeToFirstToken > TimeSpan.Zero, forecast.ToString());
        Assert.Equal((await cold.RunAsync(request)).Bits, (await warm.RunAsync(request)).Bits);
    }

    [Fact]
    public async Task A_stopped_engine_gives_no_answer()
    {
        var bench = new ServingBench();
        ServingEngine engine = bench.Engine;
        bench.Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => engine.ForecastAsync(ServingBench.Text("Go.", 1), Cancellation));
    }
}
