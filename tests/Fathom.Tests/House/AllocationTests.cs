using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests.Model;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.House;

/// <summary>What a token costs the managed heap, nothing, and what is left of the native memory when all is disposed, nothing. Runs alone.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public class AllocationTests
{
    private const int Steps = 200;

    // The test runner allocates now and then on its own threads; a step of the engine would in every attempt.
    private const int Attempts = 5;

    public static TheoryData<string, CacheFormat> Names => new(
        TinyModels.All.Keys.SelectMany(shape => new[] { CacheFormat.F32, CacheFormat.Mixed }.Select(format => (shape, format))));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_decode_step_allocates_nothing(string name, CacheFormat format)
    {
        using RandomModel model = RandomModel.Write(TinyModels.All[name], StoredAs.Released);
        using TinyEngine engine = new(model, format);
        AssertNothing(engine.Transformer);
    }

    [Theory]
    [InlineData(NumericMode.Exact)]
    [InlineData(NumericMode.Fast)]
    public void A_decode_step_of_the_bundled_model_allocates_nothing(NumericMode numeric)
    {
        using var device = new CpuDevice(2, numeric);
        using LanguageModel model = LanguageModel.Load(TestFiles.Path("models", "fathom-nano"), device, new LoadOptions());
        AssertNothing(model.Transformer);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Disposing_everything_gives_all_memory_back(string name, CacheFormat format)
    {
        long[] before = Live();
        using (RandomModel model = RandomModel.Write(TinyModels.All[name], StoredAs.Bf16))
        using (TinyEngine engine = new(model, format))
        {
            int[] tokens = [.. Enumerable.Range(0, 40)];
            using SequenceCache parent = engine.Transformer.NewSequence();
            engine.Feed(parent, tokens);
            using SequenceCache fork = parent.Fork(), twig = fork.Fork();
            engine.Feed(fork, tokens);
            engine.Feed(twig, [1]);
            Assert.All(Live().Zip(before), pair => Assert.True(pair.First > pair.Second, "nothing was counted"));
        }

        Assert.Equal(before, Live());
    }

    private static void AssertNothing(Transformer transformer)
    {
        using SequenceCache trunk = transformer.NewSequence();
        var batch = new Batch(160);
        Step(transformer, batch, trunk, [.. Enumerable.Range(0, 140).Select(i => i % 50)]);
        using SequenceCache sequence = trunk.Fork();
        int[] token = [7];
        for (int i = 0; i < Steps; i++) Step(transformer, batch, sequence, token);

        (long here, long everywhere) = (long.MaxValue, long.MaxValue);
        for (int attempt = 0; attempt < Attempts && (here, everywhere) != (0, 0); attempt++)
        {
            long hereBefore = GC.GetAllocatedBytesForCurrentThread(), everywhereBefore = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < Steps; i++) Step(transformer, batch, sequence, token);
            here = GC.GetAllocatedBytesForCurrentThread() - hereBefore;
            everywhere = GC.GetTotalAllocatedBytes(precise: true) - everywhereBefore;
        }

        Assert.True(here == 0, $"{Steps} steps allocated {here} bytes on the engine's thread.");
        Assert.True(everywhere == 0, $"{Steps} steps allocated {everywhere} bytes on all threads.");
    }

    private static void Step(Transformer transformer, Batch batch, SequenceCache sequence, int[] tokens)
    {
        batch.Clear();
        batch.Add(sequence, tokens, 1);
        if (transformer.CanDraft) transformer.ForwardAndDraft(batch);
        else transformer.Forward(batch);
    }

    private static long[] Live() => Array.ConvertAll(Enum.GetValues<MemoryPurpose>(), Storage.LiveBytes);
}
