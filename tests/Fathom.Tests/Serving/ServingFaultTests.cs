using Fathom.Devices;
using Fathom.Serving;
using Fathom.Tensors;
using Fathom.Tests.House;
using Xunit;

namespace Fathom.Tests.Serving;

/// <summary>What fails ends the requests that it concerns, and no others; and all memory comes back. Runs alone, because it counts the memory of the process.</summary>
[Collection(nameof(AllocationTests))]
public class ServingFaultTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_a_forward_pass_that_fails_the_next_requests_begin_anew()
    {
        FaultyDevice? device = null;
        using var bench = new ServingBench(decorate: inner => device = new FaultyDevice(inner));
        GenerationRequest request = ServingBench.Text(ServingBench.Prose(60, 1), 4);
        Outcome sound = await bench.RunAsync(request);
        device!.PassesLeft = 2;                                                           // made with the bench
        Outcome[] broken = await Task.WhenAll(Enumerable.Range(2, 3).Select(i => bench.RunAsync(ServingBench.Text(ServingBench.Prose(60, i), 200))));
        Assert.Contains(broken, outcome => outcome.Events[^1] is GenerationEvent.Failed { Kind: FaultKind.Internal } failed && failed.Message.Contains("a broken wire", StringComparison.Ordinal));
        device.PassesLeft = int.MaxValue;
        Outcome again = await bench.RunAsync(request);
        Assert.Equal(sound.Bits, again.Bits);
        Assert.Equal(0, bench.Engine.RequestCount);
    }

    [Fact]
    public async Task A_sequence_that_finds_no_memory_ends_and_the_others_go_on()
    {
        FaultyDevice? device = null;
        using var bench = new ServingBench(decorate: inner => device = new FaultyDevice(inner));
        IAsyncEnumerator<GenerationEvent> first = bench.Engine.Generate(ServingBench.Text(ServingBench.Prose(60, 1), 1500), Cancellation).GetAsyncEnumerator(Cancellation);
        while (await first.MoveNextAsync() && first.Current is not GenerationEvent.Answer)
        {
        }
        device!.HasMemory = false;                                                        // made with the bench
        GenerationEvent.Failed failed = (await bench.RunAsync(ServingBench.Text(ServingBench.Prose(60, 2), 4))).Failed;
        Assert.Equal(FaultKind.TooLarge, failed.Kind);
        Assert.Contains("memory is full", failed.Message, StringComparison.Ordinal);
        Assert.True(await first.MoveNextAsync());
        Assert.IsType<GenerationEvent.Answer>(first.Current);
        await first.DisposeAsync();
        device.HasMemory = true;
        Assert.Equal(4, (await bench.RunAsync(ServingBench.Text(ServingBench.Prose(60, 2), 4))).Finished.Usage.Completion);
    }

    [Fact]
    public async Task All_memory_comes_back()
    {
        long before = Storage.LiveBytes(MemoryPurpose.Cache);
        using (var bench = new ServingBench(options => options with { MemoryBytes = 4_000_000 }))
        {
            await Task.WhenAll(Enumerable.Range(0, 6).Select(i => bench.RunAsync(ServingBench.Text(ServingBench.Prose(50 + i, i), 6))));
            await using IAsyncEnumerator<GenerationEvent> left = bench.Engine.Generate(ServingBench.Text(ServingBench.Prose(900, 9), 6), Cancellation).GetAsyncEnumerator(Cancellation);
            await left.MoveNextAsync();
            Assert.True(Storage.LiveBytes(MemoryPurpose.Cache) > before, "nothing was counted");
        }
        Assert.Equal(before, Storage.LiveBytes(MemoryPurpose.Cache));
    }

    private sealed class FaultyDevice(Device inner) : DeviceDecorator(inner)
    {
        private int _passesLeft = int.MaxValue;

        public int PassesLeft
        {
            get => Volatile.Read(ref _passesLeft);
            set => Volatile.Write(ref _passesLeft, value);
        }

        public bool HasMemory { get; set; } = true;

        public override Storage Allocate(long bytes, MemoryPurpose purpose) => HasMemory ? base.Allocate(bytes, purpose) : throw new InsufficientMemoryException("There is none.");

        // The first operation of every pass.
        public override void Embed(in Tensor table, in Tensor ids, in Tensor y)
        {
            if (Interlocked.Decrement(ref _passesLeft) < 0)
            {
                throw new InvalidOperationException("a broken wire");
            }
            base.Embed(in table, in ids, in y);
        }
    }
}
