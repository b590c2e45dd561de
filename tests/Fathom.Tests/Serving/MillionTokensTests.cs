using Fathom.Serving;
using Fathom.Tensors;
using Fathom.Tests.House;
using Xunit;

namespace Fathom.Tests.Serving;

/// <summary>Runs alone, because it counts the memory of the process.</summary>
[Collection(nameof(AllocationTests))]
public class MillionTokensTests
{
    [Fact]
    public async Task A_context_of_a_million_tokens_takes_memory_as_it_fills()
    {
        const int Megabytes = 1_000_000;
        long before = Storage.LiveBytes(MemoryPurpose.Cache);
        using var bench = new ServingBench(options => options with { Context = 1 << 20, MemoryBytes = 40 * Megabytes });
        Outcome brief = await bench.RunAsync(ServingBench.Text(ServingBench.Prose(60, 1), 4));
        Assert.Equal(4, brief.Finished.Usage.Completion);
        long small = Storage.LiveBytes(MemoryPurpose.Cache) - before;
        await bench.RunAsync(ServingBench.Text(ServingBench.Prose(3000, 2), 4));
        long large = Storage.LiveBytes(MemoryPurpose.Cache) - before;
        Assert.True(small > 0 && large > small && large < 40 * Megabytes, $"{small} bytes, then {large}");
        // The same memory holds the whole of a million tokens in no way: such a request is refused, with numbers.
        Assert.Equal(FaultKind.TooLarge, (await bench.RunAsync(ServingBench.Text("Go.", 1_000_000))).Failed.Kind);
    }
}
