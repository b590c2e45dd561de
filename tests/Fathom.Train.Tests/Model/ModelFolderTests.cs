using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Model;
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
        using var folder = new TempFolder();
        ModelFolder.Save(p, folder.Root);
        int[] tokens = [.. Enumerable.Range(0, 40).Select(i => (i * 97) % config.VocabularySize)];
        float worst = Logits(config, stored, tokens).Zip(Logits(config, folder.Root, tokens), (a, b) => MathF.Abs(a - b)).Max();
        Assert.True(worst < 1e-4, $"worst {worst:E2}");
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
