using Fathom.Cpu;
using Fathom.Model;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Model;
using Xunit;
using Transformer = Fathom.Train.Model.Transformer;

namespace Fathom.Train.Tests.Model;

public class TransformerTests
{
    private const int Seed = 31;
    private const double MtpWeight = 0.3;

    public static TheoryData<string> Names => [nameof(TinyModels.Flash), nameof(TinyModels.OneStream), nameof(TinyModels.TwoStreams)];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_loss_of_a_pack_is_the_reference_s(string name)
    {
        ModelConfig config = TinyModels.All[name];
        Dictionary<string, WeightArray> weights = ReferenceWeights.Random(config, Seed);
        PackedBatch batch = TrainedModel.Pack(config, Seed, 140, 5, 33);
        using var pool = new WorkerPool(2);
        StepLosses found = new Transformer(TrainedModel.Parameters(config, weights))
            .Forward(new Step(new Tape(pool), config, batch, new LossWeights(1, (float)MtpWeight, 0, 0)));
        (double main, double mtp) = TrainedModel.Loss(new ReferenceModel(config, ReferenceTensors.From(weights)), batch);
        Assert.Equal(main, found.CrossEntropy, 1e-4);
        Assert.Equal(mtp, found.Mtp, 1e-4);
    }

    /// <summary>A few elements of every trained tensor of the trunk, in double precision; the step stays clear of most clamps and choices.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Every_gradient_of_the_trunk_is_the_reference_s_difference(string name)
    {
        ModelConfig config = TinyModels.All[name];
        Dictionary<string, WeightArray> weights = ReferenceWeights.Random(config, Seed);
        PackedBatch batch = TrainedModel.Pack(config, Seed, 40, 3, 17);
        Parameters p = TrainedModel.Parameters(config, weights);
        using var pool = new WorkerPool(2);
        var tape = new Tape(pool);
        new Transformer(p).Forward(new Step(tape, config, batch, new LossWeights(1, (float)MtpWeight, 0, 0)));
        tape.Backward();
        var tensors = ReferenceTensors.From(weights);
        var model = new ReferenceModel(config, tensors);
        var random = new Random(Seed);
        foreach (Parameter parameter in p.Trained.Where(parameter => !parameter.OfIndexer))
        {
            Check(parameter, tensors[parameter.Name].Values, () => TrainedModel.Loss(model, batch), random);
        }
        Assert.All(p.Trained.Where(parameter => parameter.OfIndexer), parameter => Assert.Equal(0, parameter.Gradient.Span.ToArray().Max(MathF.Abs)));
    }

    private static void Check(Parameter parameter, double[] values, Func<(double Main, double Mtp)> loss, Random random)
    {
        float[] gradient = parameter.Gradient.Span.ToArray();
        double scale = Math.Max(1e-4, gradient.Max(MathF.Abs));
        int most = Array.FindIndex(gradient, value => MathF.Abs(value) == gradient.Max(MathF.Abs));
        foreach (int i in new[] { most, random.Next(gradient.Length) })
        {
            double difference = Difference(ref values[i], loss);
            double error = Math.Abs(difference - gradient[i]) / scale;
            Assert.True(error < 1e-3, $"{parameter.Name}[{i}]: found {gradient[i]:R}, expected {difference:R}, {error:E2} of {scale:G3}");
        }
    }

    private static double Difference(ref double value, Func<(double Main, double Mtp)> loss)
    {
        const double Step = 1e-6;
        double kept = value;
        value = kept + Step;
        (double main, double mtp) = loss();
        value = kept - Step;
        (double mainBelow, double mtpBelow) = loss();
        value = kept;
        return (main - mainBelow + (MtpWeight * (mtp - mtpBelow))) / (2 * Step);
    }
}
