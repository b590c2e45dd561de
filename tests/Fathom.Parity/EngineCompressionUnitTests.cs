using System.Runtime.InteropServices;
using Fathom.Cpu;
using Fathom.Cpu.Kernels;
using Fathom.Model;
using Fathom.Parity.Units;
using Fathom.Tensors;
using Fathom.Tests.Devices;
using Fathom.Tests.Reference;
using Xunit;
using Compressor = Fathom.Model.Compressor;

namespace Fathom.Parity;

/// <summary>The model's compressor and indexer, fed a prompt and then single tokens, against the unit vectors.</summary>
public sealed class EngineCompressionUnitTests : IDisposable
{
    private readonly CpuDevice _device = new(2);
    private readonly DeviceMemory _memory;

    public EngineCompressionUnitTests() => _memory = new DeviceMemory(_device);

    public void Dispose()
    {
        _memory.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData("r4")]
    [InlineData("r4_len3")]
    [InlineData("r4_len4")]
    [InlineData("r4_hd512")]
    [InlineData("r128")]
    [InlineData("r128_short")]
    public void Compresses(string name) => CompressorUnit.Check(name, c =>
    {
        ModelConfig config = Config(c.X[0].Length, c.Shape.Ratio) with { HeadDim = c.Shape.HeadDim, RopeDim = 2 * c.Rope.Frequencies.Length };
        using var s = new Workspace(_device, config, c.X.Length);
        using var cache = new SequenceCache(_device, new CacheLayout(config, CacheFormat.F32));
        var compressor = new Compressor(_device, config, cache.Layout.Plans[0]);
        CompressorWeights weights = Weights(c.Weights, CompressorUnit.Prefix);
        Feed(cache, s, c.X, c.PrefillLength, (batch, _) => compressor.Forward(batch, weights, s, forIndex: false));
        return Rows(cache.CompressedRows(0), c.X.Length / c.Shape.Ratio);
    });

    [Theory]
    [InlineData("a")]
    [InlineData("real")]
    public void Scores_and_chooses_entries(string name) => IndexerUnit.Check(name, c =>
    {
        ModelConfig config = Config(c.X[0].Length, c.Shape.Ratio) with
        {
            IndexHeadCount = c.Shape.HeadCount, IndexHeadDim = c.Shape.HeadDim, IndexTopK = c.Shape.TopK, QueryRank = c.Latent[0].Length,
            RopeDim = 2 * c.Rope.Frequencies.Length, HeadDim = c.Shape.HeadDim,
        };
        using var s = new Workspace(_device, config, c.X.Length);
        using var cache = new SequenceCache(_device, new CacheLayout(config, CacheFormat.F32));
        var indexer = new LightningIndexer(_device, config, cache.Layout.Plans[0]);
        var weights = new IndexerWeights
        {
            QueryUp = _memory.Matrix(c.Weights[$"{IndexerUnit.Prefix}.wq_b.weight"]),
            HeadWeights = _memory.Matrix(c.Weights[$"{IndexerUnit.Prefix}.weights_proj.weight"]),
            Compressor = Weights(c.Weights, $"{IndexerUnit.Prefix}.compressor"),
        };
        var scores = new List<double[]>();
        var chosen = new List<int[]>();
        Feed(cache, s, c.X, c.X.Length / 2, (batch, first) =>
        {
            Upload(c.Latent, first, s.QueryLatent);
            indexer.Forward(batch, weights, s, cache.Layout.IndexFormat);
            chosen.AddRange(_memory.ReadInts(s.Selection).Select(row => row.Where(entry => entry >= 0).ToArray()));
            for (int t = 0; t < batch.Rows; t++) scores.Add(Scores(s, cache, t, (first + t + 1) / c.Shape.Ratio));
        });
        // A query that does not see an entry scores it −∞.
        int entries = c.X.Length / c.Shape.Ratio;
        return ([.. scores.Select(row => (double[])[.. row, .. Enumerable.Repeat(double.NegativeInfinity, entries - row.Length)])], [.. chosen]);
    });

    // The kernel's scores, with the positive factor that the choice does without.
    private double[] Scores(Workspace s, SequenceCache cache, int row, int visible)
    {
        ModelConfig config = cache.Layout.Config;
        int d = config.IndexHeadDim, heads = config.IndexHeadCount;
        float[] keys = new float[d * Tile.Width], products = new float[heads * Tile.Width], scores = new float[Tile.Width];
        float[] queries = MemoryMarshal.Cast<byte, float>(Bytes(s.IndexQueries.Row(row))).ToArray();
        float[] weights = MemoryMarshal.Cast<byte, float>(Bytes(s.IndexWeights.Row(row))).ToArray();
        double[][] rows = Rows(cache.IndexRows(0), visible);
        var result = new List<double>();
        foreach (double[][] tile in rows.Chunk(Tile.Width))
        {
            for (int w = 0; w < tile.Length; w++)
            {
                for (int u = 0; u < d; u++) keys[u * Tile.Width + w] = (float)tile[w][u];
            }

            IndexerScores.Run(queries, weights, keys, products, scores);
            result.AddRange(scores.Take(tile.Length).Select(score => score / Math.Sqrt((double)d * heads)));
        }

        return [.. result];
    }

    private byte[] Bytes(in Tensor x)
    {
        byte[] bytes = new byte[x.Count * x.Type.Size()];
        _device.Download(x, bytes);
        return bytes;
    }

    private void Feed(SequenceCache cache, Workspace s, double[][] x, int prefill, Action<Batch, int> step)
    {
        var batch = new Batch(x.Length);
        for (int first = 0, count; first < x.Length; first += count)
        {
            count = first == 0 ? Math.Max(1, prefill) : 1;
            int[] tokens = new int[count];
            cache.Reserve(count);
            batch.Clear();
            batch.Add(cache, tokens, 0);
            s.Begin(batch);
            Upload(x, first, s.Normed);
            step(batch, first);
            cache.Append(tokens);
        }
    }

    private void Upload(double[][] rows, int first, in Tensor target)
    {
        for (int t = 0; t < target.Rows; t++)
        {
            float[] row = Array.ConvertAll(rows[first + t], value => (float)value);
            _device.Upload(MemoryMarshal.AsBytes<float>(row), target.Row(t));
        }
    }

    private CompressorWeights Weights(ReferenceTensors weights, string prefix)
    {
        ReferenceTensor bias = weights[$"{prefix}.ape"];
        return new CompressorWeights
        {
            KeyValue = _memory.Matrix(weights[$"{prefix}.wkv.weight"]),
            Gate = _memory.Matrix(weights[$"{prefix}.wgate.weight"]),
            PositionBias = _memory.Rows([.. bias.Values.Chunk(bias.Columns)]),
            Norm = _memory.Row(weights[$"{prefix}.norm.weight"].Values),
        };
    }

    private static double[][] Rows(RowBlocks blocks, int count)
    {
        int dim = blocks.Format.Dim;
        var rows = new List<double[]>();
        while (rows.Count < count)
        {
            float[] run = MemoryMarshal.Cast<byte, float>(blocks.Run(rows.Count, count - rows.Count, out _)).ToArray();
            rows.AddRange(Array.ConvertAll(run, value => (double)value).Chunk(dim));
        }

        return [.. rows];
    }

    // The files' rotation: θ 160000, original context 64, factor 16.
    private static ModelConfig Config(int hidden, int ratio) => TinyModels.Flash with
    {
        HiddenSize = hidden, LayerCount = 1, MtpLayerCount = 0, CompressRatios = [ratio], YarnOriginalContext = 64, CompressRopeTheta = 160000, YarnFactor = 16,
    };
}
