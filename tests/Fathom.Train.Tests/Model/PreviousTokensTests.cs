using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Tests;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Model;
using Xunit;

namespace Fathom.Train.Tests.Model;

public class PreviousTokensTests
{
    private const int Steps = 40;
    private const int Length = 64;
    private const int Vocabulary = 500;

    /// <summary>A window layer alone learns at once to tell the token before, where it begins by carrying it on.</summary>
    [Fact]
    public void The_token_before_is_there_from_the_first_steps()
    {
        double carried = Loss(deviation: null), random = Loss(deviation: 0.02f);
        Assert.True(carried < 0.5 * random, $"carried {carried:F2}, random {random:F2} nats");
    }

    [Fact]
    public void Common_tokens_begin_quiet()
    {
        var p = new Parameters(TinyModels.Flash);
        long[] frequencies = [.. Enumerable.Repeat(1L, TinyModels.Flash.VocabularySize)];
        frequencies[7] = 10L * TinyModels.Flash.VocabularySize;
        InitialWeights.Fill(p, 3, null, frequencies);
        Parameter embedding = p[WeightPart.Embedding];
        double Norm(int row) => Math.Sqrt(embedding.Value.Slice(row * embedding.Columns, embedding.Columns).ToArray().Sum(v => (double)v * v));
        Assert.True(Norm(7) < 0.2 * Norm(8), $"common {Norm(7):F3}, rare {Norm(8):F3}");
    }

    private static double Loss(float? deviation)
    {
        ModelConfig config = ConfigReader.Read(TestFiles.Path("runs", "nano", "config.json")).Config with
        {
            VocabularySize = Vocabulary, LayerCount = 1, CompressRatios = [0, 0], HashLayerCount = 0, MtpLayerCount = 0, ExpertCount = 4,
        };
        using Trainer trainer = Trainer.Begin(config, new TrainerOptions
        {
            Schedule = new() { PeakRate = 0.005f, TotalSteps = Steps, WarmupSteps = 5, DecaySteps = 0, FinalFraction = 1 },
            SmallRate = 20, MtpWeight = 0, RecallEntries = 0, InitialDeviation = deviation,
        });
        var random = new Random(1);
        double last = 0;
        for (int step = 0; step < Steps; step++)
        {
            var batch = new PackedBatch();
            for (int n = 0; n < 8; n++)
            {
                int[] tokens = [.. Enumerable.Range(0, Length).Select(_ => random.Next(Vocabulary))];
                batch.Add(tokens, [PackedBatch.NoTarget, .. tokens[..^1]]);
            }
            double loss = trainer.Step(batch).Loss;
            last += step >= Steps - 10 ? loss / 10 : 0;
        }
        return last;
    }
}
