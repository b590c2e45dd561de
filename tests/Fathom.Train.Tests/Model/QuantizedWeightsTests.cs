using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Model;
using Fathom.Quantization;
using Fathom.Tests;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;
using Fathom.Train.Model;
using Xunit;
using EngineTransformer = Fathom.Model.Transformer;
using Transformer = Fathom.Train.Model.Transformer;

namespace Fathom.Train.Tests.Model;

public class QuantizedWeightsTests
{
    private const int Tokens = 150;

    // Heads, ranks and widths like the bundled model's: whole FP8 blocks of rows, more than one block of columns, FP4 throughout the experts.
    // Its indexer leaves nothing out: keys and queries of four bits have many equal scores, among which rounding decides.
    private static ModelConfig Nano { get; } = TinyModels.Flash with
    {
        HiddenSize = 160,
        HeadDim = 96,
        RopeDim = 32,
        QueryRank = 144,
        OutputRank = 64,
        IndexHeadDim = 64,
        ExpertHiddenSize = 64,
        IndexTopK = 64,
    };

    public static TheoryData<string> Names => [nameof(TinyModels.Flash), nameof(TinyModels.OneStream), nameof(TinyModels.TwoStreams), nameof(Nano)];

    // The engine sums in another order, about 1e-6 apart. Where a row's element lies that close to the middle between two bfloat16, one of
    // them is 2⁻⁸ of itself off, and the logits of that token and of some behind it about 1e-3 to 1e-2. Which elements do so is chance: the worst
    // logit tells of a single one, the mean of all. Without quantisation the logits differ by far more.
    [Theory]
    [MemberData(nameof(Names))]
    public void The_engine_s_logits_of_the_quantised_folder_are_the_trainer_s(string name)
    {
        ModelConfig config = name == nameof(Nano) ? Nano : TinyModels.All[name];
        Parameters p = TrainedModel.Parameters(config, ReferenceWeights.Random(config, 32));
        using var folder = new TempFolder();
        string masters = folder.Path("masters"), official = folder.Path("official");
        ModelFolder.Save(p, masters);
        var file = new ConfigFile { Config = config, Spelling = ConfigSpelling.Inference, UnknownKeys = [] };
        File.WriteAllBytes(Path.Combine(masters, "config.json"), ConvertedConfig.Write(file, default, ModelFormat.F32, config.MtpLayerCount > 0, hasFp4: false));
        ModelConverter.Convert(masters, official, ModelFormat.Official, cancellation: TestContext.Current.CancellationToken);

        PackedBatch pack = TrainedModel.Pack(config, 33, Tokens);
        float[] exact = Logits(p, pack, CacheFormat.F32, quantize: false), trained = Logits(p, pack, CacheFormat.Mixed, quantize: true);
        float[] engine = EngineLogits(official, pack);
        float mean = Mean(engine, trained), unlike = Mean(engine, exact), worst = engine.Zip(trained, (x, y) => MathF.Abs(x - y)).Max();
        Assert.True(mean < 3e-4 && unlike > 1000 * mean && worst < 2e-2, $"{name}: mean {mean:E2}, without quantisation {unlike:E2}, worst {worst:E2}");
    }

    [Fact]
    public void Masters_come_back_and_gradients_reach_them()
    {
        Parameters p = TrainedModel.Parameters(Nano, ReferenceWeights.Random(Nano, 32));
        float[][] before = [.. p.Numbers.Select(parameter => parameter.Value.ToArray())];
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        var quantized = new QuantizedWeights(p, tape);
        quantized.Use();
        // What is released in BF16 was made so already.
        Assert.All(p.Numbers, parameter => Assert.Equal(parameter.Weight.IsQuantizable, !Same(parameter, before[Index(p, parameter)])));
        new Transformer(p).Forward(new Step(tape, Nano, TrainedModel.Pack(Nano, 1, 300), new LossWeights(1, 1, 0.1f, 1))
        {
            Cache = new CacheLayout(Nano, CacheFormat.Mixed),
        });
        tape.Backward();
        quantized.UseMasters();
        Assert.All(p.Numbers, parameter => Assert.True(Same(parameter, before[Index(p, parameter)]), parameter.Name));
        Assert.All(p.Trained, parameter => Assert.True(parameter.Gradient.Span.ContainsAnyExcept(0), parameter.Name));
        Assert.All(p.Trained, parameter => Assert.DoesNotContain(parameter.Gradient.ToArray(), value => !float.IsFinite(value)));
    }

    [Fact]
    public void A_rounded_row_s_gradient_is_the_row_s_own()
    {
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        var random = new Random(5);
        Variable x = tape.New(3, 64);
        foreach (ref float value in x.Value.Span)
        {
            value = random.NextSingle() - 0.5f;
        }
        float[] before = x.Value.ToArray();
        var format = new Tensors.RowFormat(Tensors.RowKind.Fp4, 32, 16);
        Variable y = RoundTrip.Apply(tape, x, format);
        Assert.Equal(before, x.Value.ToArray());
        Assert.NotEqual(before, y.Value.ToArray());
        Hadamard.Apply(tape, y, 32);
        y.Gradient.Span[0] = 1;
        tape.Backward();
        Assert.All(x.Gradient.ToArray()[..32], value => Assert.Equal(1 / MathF.Sqrt(32), value, 1e-6f));
        Assert.All(x.Gradient.ToArray()[32..], value => Assert.Equal(0, value));
    }

    private static int Index(Parameters p, Parameter parameter) => p.Numbers.ToList().IndexOf(parameter);

    private static bool Same(Parameter parameter, float[] values) => parameter.Value.Span.SequenceEqual(values);

    private static float Mean(float[] a, float[] b) => a.Zip(b, (x, y) => MathF.Abs(x - y)).Average();

    private static float[] Logits(Parameters p, PackedBatch pack, CacheFormat format, bool quantize)
    {
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        var quantized = new QuantizedWeights(p, tape);
        if (quantize)
        {
            quantized.Use();
        }
        float[] logits = new Transformer(p).Logits(
            new Step(tape, p.Config, pack, new LossWeights(1, 0, 0, 0)) { Cache = new CacheLayout(p.Config, format) }).Value.ToArray();
        quantized.UseMasters();
        return logits;
    }

    private static float[] EngineLogits(string folder, PackedBatch pack)
    {
        ModelConfig config = ConfigReader.Read(folder).Config;
        using var device = new CpuDevice(2);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        using ModelWeights weights = WeightLoader.Load(device, config, CheckpointReader.Open(checkpoint, config));
        using var transformer = new EngineTransformer(device, config, weights, CacheFormat.Mixed, Tokens);
        using SequenceCache sequence = transformer.NewSequence();
        var batch = new Batch(Tokens);
        batch.Add(sequence, pack.Tokens, Tokens);
        Tensors.Tensor logits = transformer.Forward(batch);
        float[] engine = new float[Tokens * config.VocabularySize];
        device.Download(logits, MemoryMarshal.AsBytes(engine.AsSpan()));
        return engine;
    }
}
