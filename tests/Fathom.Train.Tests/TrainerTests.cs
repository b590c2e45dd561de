using Fathom.Model;
using Fathom.Tests;
using Fathom.Tests.Reference;
using Fathom.Train.Optimizers;
using Fathom.Train.Tests.Model;
using Xunit;

namespace Fathom.Train.Tests;

public class TrainerTests
{
    private const int Seed = 41;
    private static readonly ModelConfig s_config = TinyModels.Flash;

    private static TrainerOptions Options => new()
    {
        Schedule = new Schedule { PeakRate = 0.02f, TotalSteps = 400, WarmupSteps = 5, DecaySteps = 100, FinalFraction = 0.05f },
        Seed = Seed,
        AverageDecay = 0.9f,
        Threads = 2,
        RecallEvery = 1,
    };

    [Fact]
    public void One_small_batch_is_learnt_by_heart()
    {
        using Trainer trainer = Trainer.Begin(s_config, Options);
        PackedBatch batch = TrainedModel.Pack(s_config, Seed, 60, 30, 40);
        double first = trainer.Step(batch).Loss, last = first, mtp = 0;
        while (trainer.Steps < 400)
        {
            StepStatistics step = trainer.Step(batch);
            (last, mtp) = (step.Loss, step.MtpLoss);
        }
        Assert.True(first > 3, $"first loss {first}");
        Assert.True(last < 0.02 && mtp < 0.1, $"last losses {last:F4} and, of MTP, {mtp:F4}");
        double evaluated = trainer.Evaluate(batch);
        Assert.True(evaluated < 0.02, $"evaluated {evaluated:F4}");
        Assert.Equal(trainer.Step(batch).Loss, evaluated, 1e-9);
    }

    [Fact]
    public void Threads_change_nothing()
    {
        Assert.Equal(Weights(threads: 1), Weights(threads: 3));

        static float[] Weights(int threads)
        {
            using Trainer trainer = Trainer.Begin(s_config, Options with { Threads = threads });
            for (int step = 0; step < 4; step++)
            {
                trainer.Step(TrainedModel.Pack(s_config, step, 150, 37, 64), TrainedModel.Pack(s_config, 100 + step, 90));
            }
            return All(trainer);
        }
    }

    [Fact]
    public void A_resumed_run_goes_on_bit_for_bit()
    {
        using var folder = new TempFolder();
        string path = folder.Path("state");
        using Trainer whole = Trainer.Begin(s_config, Options);
        Trainer interrupted = Trainer.Begin(s_config, Options);
        for (int step = 0; step < 9; step++)
        {
            whole.Step(TrainedModel.Pack(s_config, step, 80, 20));
            if (step % 3 == 2)
            {
                interrupted.SaveState(path);
                interrupted.Dispose();
                interrupted = Trainer.Resume(path, s_config, Options with { Threads = 1 });
            }
            interrupted.Step(TrainedModel.Pack(s_config, step, 80, 20));
        }
        Assert.Equal(All(whole), All(interrupted));
        Assert.Equal((whole.Steps, whole.Tokens), (interrupted.Steps, interrupted.Tokens));
        interrupted.Dispose();
    }

    [Fact]
    public void A_state_that_is_damaged_or_another_model_s_is_refused()
    {
        using var folder = new TempFolder();
        string path = folder.Path("state");
        using (Trainer trainer = Trainer.Begin(s_config, Options))
        {
            trainer.SaveState(path);
        }
        byte[] good = File.ReadAllBytes(path);
        Assert.Contains("another's", Refused(s_config with { HiddenSize = 48 }));
        File.WriteAllBytes(path, good[..^100]);
        Assert.Contains("damaged", Refused(s_config));
        good[good.Length / 2] ^= 1;
        File.WriteAllBytes(path, good);
        Assert.Contains("damaged", Refused(s_config));
        File.WriteAllText(path, "not a state");
        Assert.Contains("another kind of file", Refused(s_config));
        Assert.Contains("could not be read", Assert.Throws<TrainingStateException>(() => Trainer.Resume(folder.Path("none"), s_config, Options)).Message);

        string Refused(ModelConfig config) => Assert.Throws<TrainingStateException>(() => Trainer.Resume(path, config, Options)).Message;
    }

    [Fact]
    public void A_state_that_cannot_be_written_leaves_the_last_one()
    {
        using var folder = new TempFolder();
        string path = folder.Path("state");
        using Trainer trainer = Trainer.Begin(s_config, Options);
        trainer.SaveState(path);
        byte[] before = File.ReadAllBytes(path);
        Directory.CreateDirectory(path + ".partial");
        trainer.Step(TrainedModel.Pack(s_config, 1, 20));
        Assert.Contains("could not be written", Assert.Throws<TrainingStateException>(() => trainer.SaveState(path)).Message);
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void Every_trained_tensor_gets_a_gradient_at_a_thousand_tokens()
    {
        using Trainer trainer = Trainer.Begin(s_config with { MaxPositions = 1024 }, Options);
        var without = new HashSet<string>(trainer.Parameters.Trained.Select(parameter => parameter.Name));
        for (int step = 0; step < 20; step++)
        {
            StepStatistics statistics = trainer.Step(TrainedModel.Pack(s_config, step, 1024));
            without.RemoveWhere(name => trainer.Parameters.Trained.First(p => p.Name == name).Gradient.Span.ContainsAnyExcept(0));
            Assert.All(trainer.Parameters.Trained, p => Assert.True(p.Gradient.Span.ToArray().All(float.IsFinite), $"{p.Name} in step {step}"));
            Assert.Equal([false, true, false, true, false], statistics.IndexerRecall.Select(recall => recall.HasValue));
        }
        Assert.Empty(without);
    }

    [Fact]
    public void The_mtp_block_rests_until_its_step()
    {
        using Trainer trainer = Trainer.Begin(s_config, Options with { MtpFrom = 2 });
        float[][] before = Mtp();
        Assert.Equal(0, trainer.Step(TrainedModel.Pack(s_config, 1, 40)).MtpLoss);
        trainer.Step(TrainedModel.Pack(s_config, 2, 40));
        Assert.Equal(before, Mtp());
        Assert.True(trainer.Step(TrainedModel.Pack(s_config, 3, 40)).MtpLoss > 0);
        Assert.NotEqual(before, Mtp());

        float[][] Mtp() => [.. trainer.Parameters.Trained.Where(p => p.Weight.Key.Layer >= s_config.LayerCount).Select(p => p.Value.ToArray())];
    }

    [Fact]
    public void The_indexers_can_be_trained_alone()
    {
        using Trainer trainer = Trainer.Begin(s_config, Options with { TrunkRate = 0, IndexerRate = 0.5f });
        Dictionary<string, float[]> before = trainer.Parameters.Numbers.ToDictionary(p => p.Name, p => p.Value.ToArray());
        PackedBatch batch = TrainedModel.Pack(s_config, Seed, 200, 100);
        double first = trainer.Step(batch).IndexerDivergence.Sum(), last = first;
        for (int step = 0; step < 60; step++)
        {
            last = trainer.Step(batch).IndexerDivergence.Sum();
        }
        Assert.All(trainer.Parameters.Numbers, p => Assert.True(p.OfIndexer != before[p.Name].AsSpan().SequenceEqual(p.Value.Span), p.Name));
        Assert.True(last < 0.5 * first, $"divergence {first:F4}, then {last:F4}");
    }

    [Fact]
    public void Indexers_learn_the_same_whether_the_trunk_has_gradients_or_not()
    {
        // The smallest rate times any other is zero, yet gradients are computed.
        Assert.Equal(Weights(float.Epsilon), Weights(0));

        static float[] Weights(float trunkRate)
        {
            using Trainer trainer = Trainer.Begin(s_config, Options with { TrunkRate = trunkRate, RouterBiasSpeed = 0 });
            for (int step = 0; step < 4; step++)
            {
                trainer.Step(TrainedModel.Pack(s_config, step, 150, 37, 64));
            }
            return All(trainer);
        }
    }

    [Fact]
    public void The_dense_stage_attends_to_what_the_indexer_would_leave_out()
    {
        PackedBatch batch = TrainedModel.Pack(s_config, Seed, 200);
        using Trainer sparse = Trainer.Begin(s_config, Options), dense = Trainer.Begin(s_config, Options with { AttendToAll = true });
        using Trainer wide = Trainer.Begin(s_config with { IndexTopK = 50 }, Options);
        Assert.NotEqual(sparse.Evaluate(batch), dense.Evaluate(batch));
        Assert.Equal(wide.Evaluate(batch), dense.Evaluate(batch));
    }

    [Fact]
    public void Bad_batches_are_refused_before_anything_changes()
    {
        using Trainer trainer = Trainer.Begin(s_config, Options);
        float[] before = All(trainer);
        var batch = new PackedBatch();
        batch.Add([1, 2, s_config.VocabularySize]);
        Assert.Contains("expected ids below 64", Assert.Throws<ArgumentException>(() => trainer.Step(batch)).Message);
        var far = new PackedBatch();
        far.Add([1, 2, 3], firstPosition: s_config.MaxPositions - 2);
        Assert.Contains("position 512", Assert.Throws<ArgumentException>(() => trainer.Step(far)).Message);
        Assert.Equal(before, All(trainer));
    }

    [Fact]
    public void A_router_s_bias_moves_against_its_load()
    {
        using Trainer trainer = Trainer.Begin(s_config, Options);
        StepStatistics step = trainer.Step(TrainedModel.Pack(s_config, Seed, 200));
        float[] bias = trainer.Parameters[WeightPart.RouterBias, 2].Value.ToArray();
        for (int e = 0; e < bias.Length; e++)
        {
            Assert.Equal(0.001f * Math.Sign((1.0 / bias.Length) - step.ExpertShares[2][e]), bias[e], 1e-9f);
        }
        Assert.Equal(1, step.ExpertShares[2].Sum(), 1e-9);
    }

    private static float[] All(Trainer trainer) => [.. trainer.Parameters.Numbers.SelectMany(parameter => parameter.Value.ToArray())];
}
