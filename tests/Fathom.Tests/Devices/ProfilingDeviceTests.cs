using System.Runtime.InteropServices;
using Fathom.Benchmarking;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests.Planning;
using Xunit;

namespace Fathom.Tests.Devices;

public class ProfilingDeviceTests
{
    private static readonly ModelConfig s_config = SyntheticModel.Cut(TinyConfigs.Seed, layers: 3, experts: 8);

    [Fact]
    public void A_product_counts_its_weights_once_and_two_operations_for_each_weight_and_row()
    {
        using var cpu = new CpuDevice(1);
        using var device = new ProfilingDevice(cpu, layers: 1);
        using var memory = new DeviceMemory(device);
        WeightMatrix w = memory.Pack(new RawMatrix(memory.Empty(64, 10), default));
        device.MatMul(w, memory.Empty(3, 10), memory.Empty(3, 64));
        device.MatMul(w, memory.Empty(3, 10), memory.Empty(3, 64));

        OperationCost cost = device.Cost(ProfilingDevice.Rest, DeviceOperation.MatMul);
        Assert.Equal((2L, 2L * 64 * 10 * 4, 2L * ((3 * 10) + (3 * 64)) * 4), (cost.Calls, cost.WeightBytes, cost.OtherBytes));
        Assert.Equal(new FlopCount { F32 = 2 * 2 * 3 * 64 * 10 }, cost.Flops);
        device.Clear();
        Assert.Equal(default, device.Cost(DeviceOperation.MatMul));
    }

    [Fact]
    public void Experts_that_several_tokens_share_are_counted_once()
    {
        using var cpu = new CpuDevice(1);
        using var device = new ProfilingDevice(cpu, layers: 1);
        using var memory = new DeviceMemory(device);
        RawMatrix[] wide = [.. Enumerable.Range(0, 4).Select(_ => new RawMatrix(memory.Empty(32, 64), default))];
        RawMatrix[] tall = [.. Enumerable.Range(0, 4).Select(_ => new RawMatrix(memory.Empty(64, 32), default))];
        var experts = new ExpertOperand(memory.Pack(wide), memory.Pack(wide), memory.Pack(tall));
        device.Experts(memory.Empty(2, 64), memory.Ints(2, 0, 3, 3, 2), memory.Empty(2, 2), experts, null, float.PositiveInfinity, memory.Empty(2, 64));

        OperationCost cost = device.Cost(DeviceOperation.Experts);
        Assert.Equal(3L * 3 * 32 * 64 * 4, cost.WeightBytes);                             // experts 0, 2 and 3; three matrices each
        Assert.Equal(new FlopCount { F32 = 2 * 4 * 3 * 32 * 64 }, cost.Flops);            // four pairs of token and expert
        Assert.Equal([0, 2, 3], device.ExpertsUsed(0).Order());
        device.ClearExperts();
        Assert.Empty(device.ExpertsUsed(0));
    }

    [Fact]
    public void It_tells_layers_apart_and_changes_no_bit()
    {
        using var cpu = new CpuDevice(2);
        using var device = new ProfilingDevice(cpu, s_config.LayerCount);
        using ModelWeights weights = SyntheticWeights.Load(cpu, s_config, SyntheticFormat.Official);
        Assert.Equal(LogitBits(cpu, weights), LogitBits(device, weights));

        Assert.All([1, 2, 3], segment => Assert.Equal(2, device.Cost(segment, DeviceOperation.HcPre).Calls));
        Assert.Equal([0L, 1, 0], Enumerable.Range(1, 3).Select(segment => device.Cost(segment, DeviceOperation.SelectRows).Calls));
        Assert.Equal([1L, 0, 0], Enumerable.Range(1, 3).Select(segment => device.Cost(segment, DeviceOperation.RouteByHash).Calls));
        Assert.Equal((1L, 1L, 1L), (Rest(DeviceOperation.Embed), Rest(DeviceOperation.HcHead), Rest(DeviceOperation.MatMul)));

        long Rest(DeviceOperation operation) => device.Cost(ProfilingDevice.Rest, operation).Calls;
    }

    [Fact]
    public void A_token_behind_others_reads_its_window_and_the_entries_it_sees()
    {
        using var cpu = new CpuDevice(1);
        using var device = new ProfilingDevice(cpu, s_config.LayerCount);
        using ModelWeights weights = SyntheticWeights.Load(cpu, s_config, SyntheticFormat.Official);
        using var transformer = new Transformer(device, s_config, weights, CacheFormat.Mixed, maxRows: 1);
        using SequenceCache sequence = SyntheticCache.Create(transformer, device, 3_000);
        device.Clear();
        Step(transformer, sequence, 1);
        int heads = s_config.HeadCount * s_config.HeadDim;
        FlopCount Attended(long rows) => new() { Attention = rows * 4 * heads };

        // 3,001 / 128 entries of HCA, 512 of 750 of CSA; its own row the token does not read from the cache.
        int[] segments = [1, 2, 3];
        Assert.Equal(
            [Attended(128), Attended(128 + 512), Attended(128 + 23)], segments.Select(segment => device.Cost(segment, DeviceOperation.SparseAttention).Flops));
        Assert.Equal([127 * 136L, ((127 + 512) * 136L) + (750 * 34), (127 + 23) * 136L], segments.Select(segment => device.Cost(segment).CacheBytes));
        Assert.Equal(new FlopCount { Index = 2 * 750 * 4 * 64 }, device.Cost(DeviceOperation.SelectRows).Flops);
    }

    [Fact]
    public void Operations_of_weights_are_told_apart_by_format_and_nothing_but_products_counts()
    {
        using var cpu = new CpuDevice(1);
        using var device = new ProfilingDevice(cpu, s_config.LayerCount);
        using ModelWeights weights = SyntheticWeights.Load(cpu, s_config, SyntheticFormat.Official);
        using var transformer = new Transformer(device, s_config, weights, CacheFormat.Mixed, maxRows: 1);
        using SequenceCache sequence = SyntheticCache.Create(transformer, device, 127);       // the token completes entries in every layer
        device.Clear();
        Step(transformer, sequence, 1);

        // d = 160, four streams: two projections of 24 rows a layer and one of 4 behind them.
        Assert.Equal((3 * 2 * 24) + 4, Flops().F32 / (2 * 4 * 160));
        Assert.Equal(3L * 2 * 3 * 128 * 160 * 2, Flops().Fp4);                            // layers, experts, matrices
        Assert.Equal(0, Flops().Index);                                                   // all of 32 entries are chosen
        DeviceOperation[] multiply =
        [
            DeviceOperation.MatMul, DeviceOperation.GroupedMatMul, DeviceOperation.HcPre, DeviceOperation.HcHead, DeviceOperation.SparseAttention,
            DeviceOperation.Experts,
        ];
        Assert.Equal(multiply.Order(), Enum.GetValues<DeviceOperation>().Where(operation => device.Cost(operation).Flops != default).Order());

        FlopCount Flops() => Enumerable.Range(0, device.Layers + 1).Aggregate(default(FlopCount), (sum, segment) => sum + device.Cost(segment).Flops);
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        using var cpu = new CpuDevice(1);
        using var device = new ProfilingDevice(cpu, s_config.LayerCount);
        using ModelWeights weights = SyntheticWeights.Load(cpu, s_config, SyntheticFormat.Official);
        using var transformer = new Transformer(device, s_config, weights, CacheFormat.Mixed, maxRows: 1);
        using SequenceCache sequence = transformer.NewSequence();
        var batch = new Batch(1);
        int[] token = new int[1];
        void Run(int count)
        {
            for (int i = 0; i < count; i++)
            {
                token[0] = i;
                batch.Clear();
                batch.Add(sequence, token, 1);
                transformer.Forward(batch);
            }
        }

        Run(200);                                                                         // every expert has been used by then
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 5 && least > 0; attempt++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Run(50);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    private static int[] LogitBits(Device device, ModelWeights weights)
    {
        using var transformer = new Transformer(device, s_config, weights, CacheFormat.Mixed, maxRows: 20);
        using SequenceCache sequence = transformer.NewSequence();
        (device as ProfilingDevice)?.Clear();
        var batch = new Batch(20);
        batch.Add(sequence, [.. Enumerable.Range(0, 20)], 1);
        int[] logits = new int[s_config.VocabularySize];
        device.Download(transformer.Forward(batch), MemoryMarshal.AsBytes(logits.AsSpan()));
        return logits;
    }

    private static void Step(Transformer transformer, SequenceCache sequence, int token)
    {
        var batch = new Batch(1);
        batch.Add(sequence, [token], 1);
        transformer.Forward(batch);
    }
}
