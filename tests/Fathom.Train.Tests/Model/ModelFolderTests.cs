using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Model;
using Xunit;
using EngineTransformer = Fathom.Model.Transformer;

namespace Fathom.Train.Tests.Model;

public class ModelFolderTests
{
    [Theory]
    [InlineData(nameof(TinyModels.Flash))]
    [InlineData(nameof(TinyModels.OneStream))]
    [InlineData(nameof(TinyModels.TwoStreams))]
    public void The_engine_s_logits_of_a_saved_model_are_the_trainer_s(string name)
    {
        ModelConfig config = TinyModels.All[name];
        Parameters p = TrainedModel.Parameters(config, ReferenceWeights.Random(config, 32));
        using var folder = new TempFolder();
        ModelFolder.Save(p, folder.Root);
        PackedBatch pack = TrainedModel.Pack(config, 33, 150);
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        Variable trained = new Fathom.Train.Model.Transformer(p).Logits(new Step(tape, config, pack, new LossWeights(1, 0, 0, 0)));

        float worst = Logits(config, folder.Root, pack.Tokens).Zip(trained.Value.ToArray(), (a, b) => MathF.Abs(a - b)).Max();
        Assert.True(worst < 1e-4, $"{name}: worst {worst:E2}");
    }

    /// <summary>FP8, FP4 and BF16 are singles of another spelling.</summary>
    [Fact]
    public void A_quantised_model_is_read_exactly()
    {
        string stored = TestFiles.Path("models", "fathom-nano");
        ModelConfig config = ConfigReader.Read(Path.Combine(stored, "config.json")).Config;
        var p = new Parameters(config);
        Assert.Throws<CheckpointException>(() => ModelFolder.Load(p, stored, quantized: false));
        ModelFolder.Load(p, stored, quantized: true);
        using Checkpoint checkpoint = Checkpoint.Open(stored);
        CheckpointReader reader = CheckpointReader.Open(checkpoint, config);
        int quantized = 0;
        foreach (ExpectedWeight weight in p.Expected.Where(weight => weight.Role != WeightRole.Ids))
        {
            StoredWeight values = reader.Read(weight);
            float[] expected = Decoded(values, weight);
            Assert.True(expected.AsSpan().SequenceEqual(p[weight.Key.Part, weight.Key.Layer, weight.Key.Expert].Value.Span), weight.Name);
            quantized += values.Scales.IsNone ? 0 : 1;
        }

        Assert.True(quantized > 100, $"{quantized} quantised weights");
    }

    /// <summary>Value by value, as the formats say: FP8 in blocks of 128 × 128, FP4 in blocks of 32 columns, two to a byte, the lower nibble first.</summary>
    private static float[] Decoded(StoredWeight stored, ExpectedWeight weight)
    {
        var values = new float[weight.Rows * weight.Columns];
        ReadOnlySpan<byte> bytes = stored.Values.Span<byte>();
        ReadOnlySpan<byte> scales = stored.Scales.IsNone ? default : stored.Scales.Span<byte>();
        int blocksAcross = (weight.Columns + 127) / 128;
        for (int i = 0; i < values.Length; i++)
        {
            (int row, int column) = (i / weight.Columns, i % weight.Columns);
            values[i] = stored.Values.Type switch
            {
                DType.F32 => BitConverter.ToSingle(bytes[(4 * i)..]),
                DType.Bf16 => BitConverter.Int32BitsToSingle(BitConverter.ToUInt16(bytes[(2 * i)..]) << 16),
                DType.Fp8E4M3 => Minifloat(bytes[i], 4, 3, 7) * MathF.ScaleB(1, scales[(row / 128 * blocksAcross) + (column / 128)] - 127),
                _ => Minifloat((bytes[i / 2] >> (4 * (i % 2))) & 15, 2, 1, 1) * MathF.ScaleB(1, scales[i / 32] - 127),
            };
        }

        return values;
    }

    private static float Minifloat(int code, int exponentBits, int mantissaBits, int bias)
    {
        int exponent = (code >> mantissaBits) & ((1 << exponentBits) - 1);
        float mantissa = (code & ((1 << mantissaBits) - 1)) / (float)(1 << mantissaBits);
        float size = exponent == 0 ? MathF.ScaleB(mantissa, 1 - bias) : MathF.ScaleB(1 + mantissa, exponent - bias);
        return code >> (exponentBits + mantissaBits) == 0 ? size : -size;
    }

    private static float[] Logits(ModelConfig config, string folder, ReadOnlySpan<int> tokens)
    {
        using var device = new CpuDevice(2);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        using ModelWeights weights = WeightLoader.Load(device, config, CheckpointReader.Open(checkpoint, config));
        using var transformer = new EngineTransformer(device, config, weights, CacheFormat.F32, tokens.Length);
        using SequenceCache sequence = transformer.NewSequence();
        var batch = new Batch(tokens.Length);
        batch.Add(sequence, tokens, tokens.Length);
        float[] logits = new float[tokens.Length * config.VocabularySize];
        device.Download(transformer.Forward(batch), MemoryMarshal.AsBytes(logits.AsSpan()));
        return logits;
    }
}
