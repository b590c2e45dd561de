using Fathom.Planning;
using Xunit;

namespace Fathom.Tests.Planning;

public class ForecastTests
{
    private static readonly ContextPlan s_flash = ContextPlan.For(KnownModels.Flash, 65_536);

    [Fact]
    public void A_token_takes_as_long_as_its_bytes_when_reading_is_slower()
    {
        var forecast = Forecast.For(s_flash, new MachineRates(ReadGBps: 50, FmaGflops: 100_000, Threads: 1), users: 1, memoryAvailable: 0);
        Assert.Equal((s_flash.WeightsBytesPerToken + s_flash.KvBytesRead) / 50e9, forecast.SecondsPerToken, 1e-9);
    }

    [Fact]
    public void A_token_takes_as_long_as_its_arithmetic_when_that_is_slower()
    {
        var forecast = Forecast.For(s_flash, new MachineRates(ReadGBps: 50_000, FmaGflops: 100, Threads: 1), users: 1, memoryAvailable: 0);
        Assert.Equal(s_flash.Flops.Raw / 100e9, forecast.SecondsPerToken, 1e-9);
    }

    [Fact]
    public void Each_user_needs_a_cache_and_all_share_the_weights()
    {
        var rates = new MachineRates(50, 100, 1);
        long needed = s_flash.WeightsBytes + 3 * s_flash.KvBytes;
        Assert.True(Forecast.For(s_flash, rates, users: 3, memoryAvailable: needed).Fits);
        Assert.False(Forecast.For(s_flash, rates, users: 3, memoryAvailable: needed - 1).Fits);
    }

    [Fact]
    public void Reading_takes_what_a_part_of_it_took_and_later_tokens_more()
    {
        var costs = new ReadingForecast(KnownModels.Flash);
        Assert.Equal(7, costs.Seconds(1000, 3000, 1000, 3000, 7), 1e-9);
        Assert.Equal(costs.Seconds(0, 50_000, 1000, 3000, 7), costs.Seconds(0, 20_000, 1000, 3000, 7) + costs.Seconds(20_000, 50_000, 1000, 3000, 7), 1e-6);
        double early = costs.Seconds(0, 1000, 1000, 3000, 1), late = costs.Seconds(1_000_000, 1_001_000, 1000, 3000, 1);
        // By the model's counts: a token behind a million has 64 heads of 128 more index products with 250,000 keys in 21 layers, a quarter of an operation each, and HCA rows.
        Assert.InRange(late / early, 2, 6);
        Assert.Throws<ArgumentOutOfRangeException>(() => costs.Seconds(0, 1, 5, 5, 1));
    }

    [Fact]
    public void This_machine_can_be_measured()
    {
        MachineRates rates = MachineRates.Measure(threads: 1);
        Assert.InRange(rates.ReadGBps, 0.1, 10_000);
        Assert.InRange(rates.FmaGflops, 0.1, 100_000);
    }
}
