using Fathom.Cpu;
using Fathom.Model;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Model;
using Xunit;
using Transformer = Fathom.Train.Model.Transformer;

namespace Fathom.Train.Tests.Model;

public class PackingTests
{
    private static readonly ModelConfig s_config = TinyModels.Flash with { CompressRatios = [0, 4, 8, 4, 0], MaxPositions = 1 << 20 };

    [Fact]
    public void A_sample_in_a_pack_is_a_sample_alone()
    {
        PackedBatch pack = TrainedModel.Pack(s_config, 51, 13, 1, 50, 3);
        float[] packed = Logits(pack);
        foreach (Sample sample in pack.Samples)
        {
            var alone = new PackedBatch();
            alone.Add(pack.Tokens.Slice(sample.FirstRow, sample.Count));
            int first = sample.FirstRow * s_config.VocabularySize;
            Assert.Equal(packed[first..(first + (sample.Count * s_config.VocabularySize))], Logits(alone));
        }
    }

    [Fact]
    public void Attention_knows_relative_positions_only()
    {
        int[] tokens = TrainedModel.Pack(s_config, 52, 50).Tokens.ToArray();
        var here = new PackedBatch();
        here.Add(tokens);
        var there = new PackedBatch();
        there.Add(tokens, firstPosition: 4096);
        double worst = Logits(here).Zip(Logits(there), (a, b) => Math.Abs(a - b)).Max();
        Assert.True(worst < 5e-3, $"worst {worst:E2}");
        Assert.True(worst > 0, "the offset had no effect at all");
    }

    /// <summary>Rows in front of a gap see what they saw; those behind it see distances changed, but not in layers that see a window only.</summary>
    [Fact]
    public void A_gap_makes_what_lies_before_it_far()
    {
        const int Place = 24, Rows = 56;
        int[] tokens = TrainedModel.Pack(s_config, 55, Rows).Tokens.ToArray();
        (float[] near, float[] far) = Both(s_config);
        int border = Place * s_config.VocabularySize;
        Assert.Equal(near[..border], far[..border]);
        Assert.NotEqual(near[border..], far[border..]);
        ModelConfig windows = s_config with { CompressRatios = [0, 0, 0, 0, 0], MtpLayerCount = 0 };
        (near, far) = Both(windows);
        Assert.Equal(near, far);

        (float[], float[]) Both(ModelConfig config)
        {
            var straight = new PackedBatch();
            straight.Add(tokens);
            var spread = new PackedBatch();
            spread.Add(tokens, straight.Targets, gaps: [new PositionGap(Place, 8 * 1000)]);
            Assert.Equal(Rows - 1 + 8000, spread.FarPositions[^1]);
            return (Logits(straight, config), Logits(spread, config));
        }
    }

    [Fact]
    public void Only_the_best_entries_are_attended_to_and_still_match_the_reference()
    {
        ModelConfig config = s_config with { IndexTopK = 3, MtpLayerCount = 0, CompressRatios = [0, 4, 8, 4] };
        Dictionary<string, WeightArray> weights = ReferenceWeights.Random(config, 53);
        PackedBatch pack = TrainedModel.Pack(config, 53, 40, 33);
        using var pool = new WorkerPool(2);
        StepLosses found = new Transformer(TrainedModel.Parameters(config, weights)).Forward(new Step(new Tape(pool), config, pack, new LossWeights(1, 0, 0, 1)));
        Assert.Equal(TrainedModel.Loss(new ReferenceModel(config, ReferenceTensors.From(weights)), pack).Main, found.CrossEntropy, 1e-4);
    }

    /// <summary>An indexer's gradients through its own compressor, norms and rotations; the teacher and the inputs are constants.</summary>
    [Fact]
    public void Every_gradient_of_an_indexer_is_the_reference_s_difference()
    {
        ModelConfig config = s_config with { LayerCount = 1, MtpLayerCount = 0, CompressRatios = [4], HashLayerCount = 0, IndexTopK = 100 };
        Dictionary<string, WeightArray> weights = ReferenceWeights.Random(config, 54);
        PackedBatch pack = TrainedModel.Pack(config, 54, 41, 22);
        Parameters p = TrainedModel.Parameters(config, weights);
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        var step = new Step(tape, config, pack, new LossWeights(0, 0, 0, 1));
        new Transformer(p).Forward(step);
        tape.Backward();
        var reference = new IndexerReference(config, ReferenceTensors.From(weights), pack);
        Assert.Equal(reference.Divergence(), step.IndexerDivergence[0], 1e-4);
        var random = new Random(54);
        foreach (Parameter parameter in p.Trained.Where(parameter => parameter.OfIndexer))
        {
            double scale = parameter.Gradient.ToArray().Max(MathF.Abs);
            Assert.True(scale > 0, parameter.Name);
            for (int i = 0; i < 4; i++)
            {
                int place = random.Next(parameter.Value.Length);
                double difference = reference.Difference(parameter.Name, place), error = Math.Abs(difference - parameter.Gradient.Span[place]) / scale;
                Assert.True(error < 1e-3, $"{parameter.Name}[{place}]: found {parameter.Gradient.Span[place]:R}, expected {difference:R}, {error:E2} of {scale:G3}");
            }
        }
        Assert.All(p.Trained.Where(parameter => !parameter.OfIndexer), parameter => Assert.False(parameter.Gradient.Span.ContainsAnyExcept(0), parameter.Name));
    }

    private static float[] Logits(PackedBatch pack) => Logits(pack, s_config);

    private static float[] Logits(PackedBatch pack, ModelConfig config)
    {
        using var pool = new WorkerPool(2);
        Parameters p = TrainedModel.Parameters(config, ReferenceWeights.Random(config, 50));
        return new Transformer(p).Logits(new Step(new Tape(pool), config, pack, new LossWeights(1, 0, 0, 0))).Value.ToArray();
    }
}
