using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Parity.Goldens;
using Fathom.Tensors;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>The engine's attention layers and cache rows in the released format, from golden inputs.</summary>
public sealed class EngineMixedTests : IDisposable
{
    private readonly CpuDevice _cpu = new(2);

    public static TheoryData<string> Mixed => [.. GoldenCase.Mixed];

    public void Dispose() => _cpu.Dispose();

    [Theory]
    [MemberData(nameof(Mixed))]
    public void Quantises_golden_rows_bit_for_bit(string name)
    {
        GoldenCase golden = GoldenCase.Load(name);
        var layout = new CacheLayout(golden.Config, CacheFormat.Mixed);
        ErrorLog log = new(name);
        for (int layer = 0; layer < golden.Config.LayerCount; layer++)
        {
            MixedJudge.Steps(golden, layer, row => Round(row, layout.KeyFormat), row => Round(row, layout.IndexFormat), log);
        }

        log.Finish();
    }

    [Theory]
    [InlineData("m_mixed", 512)]
    [InlineData("m_mixed", 5)]
    [InlineData("m_mixed_512", 512)]
    public void Reproduces_each_layers_attention_and_cache_from_the_golden_input(string name, int chunk)
    {
        GoldenCase golden = GoldenCase.Load(name);
        var layout = new CacheLayout(golden.Config, CacheFormat.Mixed);
        using Checkpoint checkpoint = Checkpoint.Open(golden.ModelFolder);
        using ModelWeights weights = WeightLoader.Load(_cpu, golden.Config, CheckpointReader.Open(checkpoint, golden.Config));
        for (int layer = 0; layer < golden.Config.LayerCount; layer++)
        {
            ErrorLog log = new($"{name} layer {layer}");
            var device = new CapturingDevice(_cpu);
            using var cache = new SequenceCache(_cpu, layout);
            using var workspace = new Workspace(device, golden.Config, chunk);
            var attention = new Attention(device, golden.Config, layout.Plans[layer]);
            double[][] input = MixedJudge.Input(golden, layer);
            var output = new List<double[]>();
            foreach (double[][] piece in input.Chunk(chunk))
            {
                output.AddRange(Attend(attention, weights.Layers[layer].Attention, cache, workspace, piece));
            }

            MixedJudge.Layer(golden, layer, Trace(device, output, layout.Plans[layer], golden.Config), log);
            log.Finish();
        }
    }

    private double[][] Attend(Attention attention, AttentionWeights weights, SequenceCache cache, Workspace s, double[][] rows)
    {
        int[] tokens = new int[rows.Length];
        var batch = new Batch(rows.Length);
        cache.Reserve(rows.Length);
        batch.Add(cache, tokens, 0);
        s.Begin(batch);
        for (int t = 0; t < rows.Length; t++)
        {
            float[] row = Array.ConvertAll(rows[t], value => (float)value);
            _cpu.Upload(MemoryMarshal.AsBytes<float>(row), s.Normed.Row(t));
        }

        attention.Forward(batch, weights, s);
        cache.Append(tokens);
        return CapturingDevice.Rows(_cpu, s.LayerOutput);
    }

    private static AttentionTrace Trace(CapturingDevice device, List<double[]> output, LayerPlan plan, ModelConfig config)
    {
        bool indexed = plan.Attention == AttentionKind.Csa;
        // A layer with an indexer stores its entries and their index keys in turns.
        IEnumerable<double[]> entries = device.Stored.Where((_, i) => !indexed || i % 2 == 0).SelectMany(rows => rows);
        IEnumerable<double[]> keys = device.Stored.Where((_, i) => indexed && i % 2 == 1).SelectMany(rows => rows);
        double[][][] queries = [.. device.Queries.Select(row => row.Chunk(config.IndexHeadDim).ToArray())];
        return new AttentionTrace(
            [.. output],
            Cached([.. device.Window]),
            plan.Attention == AttentionKind.Window ? null : Cached([.. entries]),
            indexed ? new IndexTrace(queries, [], Cached([.. keys]), [], []) : null);
    }

    private static CachedRows Cached(double[][] rows) => new([], rows);

    private double[] Round(double[] row, RowFormat format)
    {
        float[] values = Array.ConvertAll(row, value => (float)value);
        using Storage storage = _cpu.Allocate(values.Length * sizeof(float), MemoryPurpose.Activations);
        var tensor = new Tensor(storage, 0, DType.F32, 1, 1, values.Length);
        _cpu.Upload(MemoryMarshal.AsBytes<float>(values), tensor);
        _cpu.RoundRows(tensor, format);
        return CapturingDevice.Rows(_cpu, tensor)[0];
    }

    /// <summary>Keeps what one attention layer stores and asks.</summary>
    private sealed class CapturingDevice(Device inner) : DeviceDecorator(inner)
    {
        public List<double[]> Window { get; } = [];

        public List<double[][]> Stored { get; } = [];

        public List<double[]> Queries { get; } = [];

        public static double[][] Rows(Device device, in Tensor rows)
        {
            float[] values = new float[rows.Count];
            device.Download(rows, MemoryMarshal.AsBytes(values.AsSpan()));
            return [.. Array.ConvertAll(values, value => (double)value).Chunk(rows.Columns)];
        }

        public override void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window)
        {
            Window.AddRange(Rows(Inner, rows));
            Inner.LoadWindow(ring, format, firstPosition, rows, window);
        }

        public override void StoreRows(in Tensor rows, int first, in RowBlocks target)
        {
            Stored.Add(Rows(Inner, rows));
            Inner.StoreRows(rows, first, target);
        }

        public override void SelectRows(
            in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
        {
            Queries.AddRange(Rows(Inner, queries));
            Inner.SelectRows(queries, weights, keys, ratio, firstPosition, selection);
        }
    }
}
