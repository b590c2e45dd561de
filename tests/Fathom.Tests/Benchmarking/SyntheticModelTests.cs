using System.Runtime.InteropServices;
using Fathom.Benchmarking;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Formats;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tensors;
using Fathom.Tests.Planning;
using Xunit;

namespace Fathom.Tests.Benchmarking;

public class SyntheticModelTests
{
    private static readonly ModelConfig s_nano = SyntheticModel.Cut(TinyConfigs.Seed, layers: 4, experts: 8);

    public static TheoryData<SyntheticFormat> Formats => [SyntheticFormat.Official, SyntheticFormat.Bf16];

    [Fact]
    public void A_cut_model_has_a_layer_of_each_kind_and_keeps_every_width()
    {
        ModelConfig cut = SyntheticModel.Cut(KnownModels.Pro, layers: 5, experts: 32);
        Assert.Equal([0, 4, 128, 4, 128], cut.CompressRatios);
        Assert.Equal((5, 32, 1, 0), (cut.LayerCount, cut.ExpertCount, cut.HashLayerCount, cut.MtpLayerCount));
        Assert.Equal(KnownModels.Pro, cut with
        {
            LayerCount = 61,
            ExpertCount = 384,
            HashLayerCount = 3,
            MtpLayerCount = 1,
            VocabularySize = KnownModels.Pro.VocabularySize,
            CompressRatios = KnownModels.Pro.CompressRatios,
        });
    }

    [Fact]
    public void Fewer_experts_leave_the_bytes_of_experts_of_a_token_as_they_are()
    {
        long Experts(int count) => SyntheticModel.Inventory(SyntheticModel.Cut(KnownModels.Flash, 3, count), SyntheticFormat.Official)
            .Main.Where(tensor => tensor.Name.Contains("experts.*", StringComparison.Ordinal)).Sum(tensor => tensor.BytesRead);
        Assert.Equal(Experts(256), Experts(32));
        Assert.Equal(3L * 6 * 3 * 2048 * (2048 + 128), Experts(32));                      // layers, experts, matrices, rows, pairs and scales
    }

    /// <summary>d = 160, 4 heads of 96, query rank 64, 2 groups of rank 64, 2 of 8 experts of 128, index heads 4 of 64, vocabulary 1,024.</summary>
    [Fact]
    public void Bytes_of_a_token_are_those_counted_by_hand()
    {
        static long Fp8(long rows, long columns) => (rows * columns) + ((rows + 127) / 128 * ((columns + 127) / 128));
        static long Fp4(long rows, long columns) => rows * ((columns / 2) + (columns / 32));
        static long Bf16(long rows, long columns) => rows * columns * 2;
        static long F32(long rows, long columns) => rows * columns * 4;

        long attention = Fp8(64, 160) + Fp8(384, 64) + Fp8(96, 160) + Fp8(128, 192) + Fp8(160, 128) + F32(1, 4);
        long norms = Bf16(1, 160 + 160 + 64 + 96), streams = 2 * (F32(24, 640) + F32(1, 24) + F32(1, 3));
        long experts = Bf16(8, 160) + (2 * (Fp4(128, 160) + Fp4(128, 160) + Fp4(160, 128))) + Fp8(128, 160) + Fp8(128, 160) + Fp8(160, 128);
        long hash = 2 * 8, bias = F32(1, 8);
        long csa = F32(4, 192) + Bf16(2 * 192, 160) + Bf16(1, 96);
        long indexer = Fp8(256, 64) + Bf16(4, 160) + F32(4, 128) + Bf16(2 * 128, 160) + Bf16(1, 64);
        long hca = F32(128, 96) + Bf16(2 * 96, 160) + Bf16(1, 96);
        long rest = Bf16(1, 160) + Bf16(1024, 160) + Bf16(1, 160) + F32(4, 640) + F32(1, 4) + F32(1, 1);
        long token = (4 * (attention + norms + streams + experts)) + hash + (3 * bias) + (2 * (csa + indexer)) + hca + rest;

        Assert.Equal(2_299_692, token);
        Assert.Equal(token, SyntheticModel.Inventory(s_nano, SyntheticFormat.Official).BytesReadPerToken);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Every_weight_has_the_shape_of_the_config_and_valid_values_of_a_sane_size(SyntheticFormat format)
    {
        ExpectedWeight[] weights = [.. ExpectedWeights.Of(s_nano)];
        using var source = new SyntheticWeights(weights, format, s_nano.ExpertCount);
        foreach (ExpectedWeight weight in weights)
        {
            StoredWeight stored = source.Read(weight);
            DType type = stored.Values.Type;
            Assert.Equal((weight.Rows, weight.StoredShape(type)[^1]), (stored.Values.Rows, stored.Values.Columns));
            if (weight.Role == WeightRole.Ids)
            {
                AssertIds(stored.Values);
                continue;
            }

            Assert.Equal(weight.IsQuantizable && format == SyntheticFormat.Bf16 ? DType.Bf16 : weight.ReleasedType, type);
            double[] values = Decode(weight, stored);
            Assert.All(values, value => Assert.True(double.IsFinite(value), $"{weight.Name}: {value}"));
            if (!weight.IsVector && weight.Key.Part is not (WeightPart.Embedding or WeightPart.CompressorPositionBias or WeightPart.IndexCompressorPositionBias))
                // Rounding to a power of two leaves 0.71 to 1.41; scales that differ by two at random, 0.63 to 1.26 where there are few.
                Assert.InRange(Math.Sqrt(values.Average(value => value * value) * weight.Columns), 0.44, 1.8);
        }
    }

    [Fact]
    public void The_same_config_gives_the_same_bytes_and_experts_differ()
    {
        ExpectedWeight[] weights = [.. ExpectedWeights.Of(s_nano)];
        using var first = new SyntheticWeights(weights, SyntheticFormat.Official, s_nano.ExpertCount);
        using var second = new SyntheticWeights([.. Enumerable.Reverse(weights)], SyntheticFormat.Official, s_nano.ExpertCount);
        // Read in another order: a weight depends on its name alone.
        foreach (ExpectedWeight weight in Enumerable.Reverse(weights))
            second.Read(weight);
        Assert.All(weights, weight => Assert.Equal(Bytes(first.Read(weight)), Bytes(second.Read(weight))));

        byte[][] gates = [.. weights.Where(weight => weight.Key.Part == WeightPart.ExpertGate).Select(weight => Bytes(first.Read(weight)))];
        Assert.Equal(gates.Length, gates.Select(Convert.ToBase64String).Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void It_runs_and_its_logits_are_numbers_of_a_sane_size(SyntheticFormat format)
    {
        using var cpu = new CpuDevice(2);
        using ModelWeights weights = SyntheticWeights.Load(cpu, s_nano, format);
        using var transformer = new Transformer(cpu, s_nano, weights, SyntheticModel.CacheFormat(format), maxRows: 140);
        float[] read = Logits(cpu, transformer, transformer.NewSequence(), [.. Enumerable.Range(0, 140)]);
        float[] made = Logits(cpu, transformer, SyntheticCache.Create(transformer, cpu, 3_000), [5]);
        foreach (float[] logits in (float[][])[read, made])
        {
            Assert.All(logits, logit => Assert.True(float.IsFinite(logit)));
            Assert.InRange(logits.Average(logit => (double)logit * logit), 0.05, 50);
        }
    }

    [Fact]
    public void A_made_cache_has_the_length_and_the_bytes_of_one_that_was_read()
    {
        using var cpu = new CpuDevice(2);
        using ModelWeights weights = SyntheticWeights.Load(cpu, s_nano, SyntheticFormat.Official);
        using var transformer = new Transformer(cpu, s_nano, weights, CacheFormat.Mixed, maxRows: 100);
        using SequenceCache made = SyntheticCache.Create(transformer, cpu, 300), read = transformer.NewSequence();
        var batch = new Batch(100);
        for (int i = 0; i < 3; i++)
        {
            batch.Clear();
            batch.Add(read, made.Tokens.Slice(i * 100, 100), 1);
            transformer.Forward(batch);
        }

        Assert.Equal((read.Length, read.ByteCount), (made.Length, made.ByteCount));
        Assert.True(made.Tokens.SequenceEqual(read.Tokens));
    }

    [Fact]
    public void The_memory_needed_is_at_least_the_weights_and_grows_with_layers_experts_and_depth()
    {
        long Needed(int layers, int experts, int depth)
        {
            ModelConfig config = SyntheticModel.Cut(KnownModels.Flash, layers, experts);
            long needed = SyntheticModel.MemoryNeeded(config, SyntheticFormat.Official, 512, depth);
            Assert.True(needed > SyntheticModel.Inventory(config, SyntheticFormat.Official).MainBytes);
            return needed;
        }

        long least = Needed(3, 32, 512);
        Assert.True(Needed(4, 32, 512) > least && Needed(3, 64, 512) > least && Needed(3, 32, 1 << 19) > least);
    }

    private static float[] Logits(Device device, Transformer transformer, SequenceCache sequence, int[] tokens)
    {
        using (sequence)
        {
            var batch = new Batch(tokens.Length);
            batch.Add(sequence, tokens, 1);
            float[] logits = new float[transformer.Config.VocabularySize];
            device.Download(transformer.Forward(batch), MemoryMarshal.AsBytes(logits.AsSpan()));
            return logits;
        }
    }

    private static void AssertIds(Tensor ids)
    {
        for (int token = 0; token < ids.Rows; token++)
        {
            int[] row = ids.Row(token).Span<int>().ToArray();
            Assert.Equal(s_nano.ExpertsPerToken, row.Distinct().Count());
            Assert.All(row, id => Assert.InRange(id, 0, s_nano.ExpertCount - 1));
        }
    }

    private static byte[] Bytes(StoredWeight stored) =>
        stored.Scales.IsNone ? Raw(stored.Values) : [.. Raw(stored.Values), .. Raw(stored.Scales)];

    private static byte[] Raw(in Tensor tensor) => tensor.Type.Size() switch
    {
        4 => MemoryMarshal.AsBytes(tensor.Span<int>()).ToArray(),
        2 => MemoryMarshal.AsBytes(tensor.Span<short>()).ToArray(),
        _ => tensor.Span<byte>().ToArray(),
    };

    private static double[] Decode(ExpectedWeight weight, StoredWeight stored)
    {
        var values = new double[weight.Count];
        for (int i = 0; i < values.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, weight.Columns);
            values[i] = stored.Values.Type switch
            {
                DType.F32 => stored.Values.Span<float>()[i],
                DType.Bf16 => Bf16.ToSingle(stored.Values.Span<ushort>()[i]),
                DType.Fp8E4M3 => Fp8E4M3.Decode(stored.Values.Span<byte>()[i]) * (double)Ue8m0.Decode(stored.Scales.Row(row / 128).Span<byte>()[column / 128]),
                _ => Fp4E2M1.Decode((stored.Values.Span<byte>()[i / 2] >> (i % 2 * 4)) & 15) * (double)Ue8m0.Decode(stored.Scales.Row(row).Span<byte>()[column / 32]),
            };
        }

        return values;
    }
}
