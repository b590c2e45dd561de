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

        using var device = new CpuDevice(2);
        using Checkpoint checkpoint = Checkpoint.Open(folder.Root);
        using ModelWeights weights = WeightLoader.Load(device, config, CheckpointReader.Open(checkpoint, config));
        using var transformer = new EngineTransformer(device, config, weights, CacheFormat.F32, 150);
        using SequenceCache sequence = transformer.NewSequence();
        var batch = new Batch(150);
        batch.Add(sequence, pack.Tokens, 150);
        Fathom.Tensors.Tensor logits = transformer.Forward(batch);
        float[] engine = new float[150 * config.VocabularySize];
        device.Download(logits, MemoryMarshal.AsBytes(engine.AsSpan()));
        float worst = engine.Zip(trained.Value.ToArray(), (a, b) => MathF.Abs(a - b)).Max();
        Assert.True(worst < 1e-4, $"{name}: worst {worst:E2}");
    }
}
