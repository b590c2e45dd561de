using System.Runtime.InteropServices;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Tensors;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Evaluation;
using Xunit;

namespace Fathom.Train.Tests.Evaluation;

public sealed class SelectionDeviceTests : IDisposable
{
    private const int Ratio = 4, Dim = 16, K = 8, Entries = 64, Queries = 5, First = 200;

    private readonly CpuDevice _cpu = new(2);
    private readonly List<Storage> _owned = [];

    public void Dispose()
    {
        foreach (Storage storage in _owned)
            storage.Dispose();
        _cpu.Dispose();
    }

    [Fact]
    public void Learned_and_none_leave_the_choice_as_it_is()
    {
        int[][] learned = Select(_cpu);
        Assert.Equal(learned, Select(new SelectionDevice(_cpu, EntrySelection.Learned)));
        Assert.Equal(learned, Select(new SelectionDevice(_cpu, EntrySelection.None)));
        Assert.Equal(learned, Select(new SelectionDevice(_cpu, EntrySelection.Oracle)));       // of no facts
    }

    [Fact]
    public void Recent_takes_the_last_visible_entries()
    {
        int[][] recent = Select(new SelectionDevice(_cpu, EntrySelection.Recent));
        for (int t = 0; t < Queries; t++)
            Assert.Equal(Enumerable.Range(((First + t + 1) / Ratio) - K, K), recent[t]);
    }

    [Fact]
    public void Random_takes_as_many_visible_entries_each_once_by_the_seed()
    {
        int[][] one = Select(new SelectionDevice(_cpu, EntrySelection.Random) { Seed = 1 });
        Assert.Equal(one, Select(new SelectionDevice(_cpu, EntrySelection.Random) { Seed = 1 }));
        Assert.NotEqual(one, Select(new SelectionDevice(_cpu, EntrySelection.Random) { Seed = 2 }));
        for (int t = 0; t < Queries; t++)
        {
            Assert.Equal(one[t].Distinct().Order(), one[t]);
            Assert.All(one[t], entry => Assert.InRange(entry, 0, ((First + t + 1) / Ratio) - 1));
        }
    }

    [Fact]
    public void Random_draws_all_entries_alike()
    {
        var device = new SelectionDevice(_cpu, EntrySelection.Random);
        var counts = new int[Entries];
        const int Draws = 2000;
        for (int seed = 0; seed < Draws / Queries; seed++)
        {
            device.Seed = (ulong)seed;
            foreach (int entry in Select(device).SelectMany(row => row))
                counts[entry]++;
        }

        double expected = (double)Draws * K / (First / Ratio);
        // Five standard deviations of a binomial count; the last entries are visible to some queries only.
        Assert.All(counts.Take(First / Ratio), count => Assert.InRange(count, expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected))));
    }

    [Fact]
    public void Few_entries_are_all_chosen()
    {
        foreach (EntrySelection selection in Enum.GetValues<EntrySelection>())
        {
            int[][] chosen = Select(new SelectionDevice(_cpu, selection) { Facts = [new TokenSpan(3, 9)] }, first: 18);
            Assert.Equal([0, 1, 2, 3, -1, -1, -1, -1], chosen[0]);
            Assert.Equal([0, 1, 2, 3, 4, -1, -1, -1], chosen[4]);
        }
    }

    [Theory]
    [InlineData(40, 9)]
    [InlineData(0, 4)]
    [InlineData(100, 60)]
    public void Oracle_forces_the_facts_entries_and_keeps_the_best_others(int start, int count)
    {
        int[] forced = SelectionDevice.Entries([new TokenSpan(start, count)], Ratio);
        int[][] oracle = Select(new SelectionDevice(_cpu, EntrySelection.Oracle) { Facts = [new TokenSpan(start, count)] });
        for (int t = 0; t < Queries; t++)
        {
            Assert.Equal(oracle[t].Distinct().Order(), oracle[t]);
            Assert.Equal(K, oracle[t].Length);
            int[] kept = [.. forced.Take(K)];
            Assert.Empty(kept.Except(oracle[t]));
            // Whatever else is there is what the indexer likes best of the others.
            int[] ranked = Ranking(t);
            Assert.Equal(ranked.Except(kept).Take(K - kept.Length).Order(), oracle[t].Except(kept).Order());
        }
    }

    [Fact]
    public void Entries_of_a_fact_read_its_tokens()
    {
        Assert.Equal([2, 3, 4], SelectionDevice.Entries([new TokenSpan(10, 3)], Ratio));      // tokens 8 … 15, and the entry behind
        Assert.Equal([0, 1], SelectionDevice.Entries([new TokenSpan(0, 4)], Ratio));
        Assert.Equal([1, 2, 9, 10], SelectionDevice.Entries([new TokenSpan(4, 1), new TokenSpan(36, 1)], Ratio));
    }

    /// <summary>All entries by falling score, from selections of one more each time.</summary>
    private int[] Ranking(int t)
    {
        var ranked = new List<int>();
        int visible = (First + t + 1) / Ratio;
        for (int k = 1; k < visible; k++)
            ranked.AddRange(Select(_cpu, k: k)[t].Except(ranked));
        return [.. ranked];
    }

    private int[][] Select(Device device, int first = First, int k = K)
    {
        var random = new Random(7);
        Tensor queries = Floats(random, Queries, 2 * Dim), weights = Floats(random, Queries, 2), rows = Floats(random, Entries, Dim);
        var format = new RowFormat(RowKind.F32, Dim, 0);
        Storage memory = Allocate(Entries * format.Bytes), target = Allocate(Queries * k * sizeof(int));
        var keys = new RowBlocks([memory], 0, Entries, format);
        _cpu.StoreRows(rows, 0, keys);
        var selection = new Tensor(target, 0, DType.I32, 1, Queries, k);
        device.SelectRows(queries, weights, keys, Ratio, first, selection);
        int[] chosen = new int[Queries * k];
        _cpu.Download(selection, MemoryMarshal.AsBytes(chosen.AsSpan()));
        return [.. chosen.Chunk(k)];
    }

    private Tensor Floats(Random random, int rows, int columns)
    {
        var tensor = new Tensor(Allocate(rows * columns * sizeof(float)), 0, DType.F32, 1, rows, columns);
        float[] values = [.. Enumerable.Range(0, rows * columns).Select(_ => (float)((2 * random.NextDouble()) - 1))];
        _cpu.Upload(MemoryMarshal.AsBytes(values.AsSpan()), tensor);
        return tensor;
    }

    private Storage Allocate(long bytes)
    {
        Storage storage = _cpu.Allocate(bytes, MemoryPurpose.Activations);
        _owned.Add(storage);
        return storage;
    }
}
