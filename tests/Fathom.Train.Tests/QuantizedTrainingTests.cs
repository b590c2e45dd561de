using Fathom.Model;
using Fathom.Tests;
using Fathom.Tests.Reference;
using Fathom.Train.Autograd;
using Fathom.Train.Optimizers;
using Fathom.Train.Tests.Model;
using Xunit;

namespace Fathom.Train.Tests;

/// <summary>Whole steps with weights and cache rows as they will be stored.</summary>
public class QuantizedTrainingTests
{
    private const int Seed = 43;
    private static readonly ModelConfig s_config = TinyModels.Flash;

    private static TrainerOptions Options => new()
    {
        Schedule = new Schedule { PeakRate = 0.02f, TotalSteps = 400, WarmupSteps = 5, DecaySteps = 100, FinalFraction = 0.05f },
        Seed = Seed,
        AverageDecay = 0.9f,
        Threads = 2,
        QuantizeFrom = 0,
    };

    [Fact]
    public void The_loss_falls()
    {
        using Trainer trainer = Trainer.Begin(s_config, Options);
        PackedBatch batch = TrainedModel.Pack(s_config, Seed, 60, 30, 40);
        double first = trainer.Step(batch).Loss, last = first;
        while (trainer.Steps < 200)
        {
            last = trainer.Step(batch).Loss;
        }
        Assert.True(first > 3 && last < 0.3, $"first loss {first:F4}, last {last:F4}");
    }

    [Fact]
    public void A_run_resumed_across_the_switch_goes_on_bit_for_bit_on_any_threads()
    {
        using var folder = new TempFolder();
        string path = folder.Path("state");
        TrainerOptions options = Options with { QuantizeFrom = 4 };
        using Trainer whole = Trainer.Begin(s_config, options);
        Trainer interrupted = Trainer.Begin(s_config, options);
        for (int step = 0; step < 9; step++)
        {
            whole.Step(TrainedModel.Pack(s_config, step, 80, 20));
            if (step % 3 == 2)
            {
                interrupted.SaveState(path);
                interrupted.Dispose();
                interrupted = Trainer.Resume(path, s_config, options with { Threads = 3 });
            }
            interrupted.Step(TrainedModel.Pack(s_config, step, 80, 20));
        }
        Assert.Equal(All(whole), All(interrupted));
        PackedBatch batch = TrainedModel.Pack(s_config, Seed, 50);
        Assert.Equal(whole.Evaluate(batch), interrupted.Evaluate(batch));
        interrupted.Dispose();
    }

    [Fact]
    public void Nothing_changes_before_the_switch_and_evaluation_follows_it()
    {
        PackedBatch batch = TrainedModel.Pack(s_config, Seed, 80, 20);
        using Trainer never = Trainer.Begin(s_config, Options with { QuantizeFrom = null }), later = Trainer.Begin(s_config, Options with { QuantizeFrom = 2 });
        for (int step = 0; step < 2; step++)
        {
            Assert.Equal(never.Evaluate(batch), later.Evaluate(batch));
            Assert.Equal(never.Step(batch).Loss, later.Step(batch).Loss);
        }
        Assert.Equal(All(never), All(later));
        Assert.NotEqual(never.Evaluate(batch), later.Evaluate(batch));
        Assert.Equal(All(never), All(later));
        double evaluated = later.Evaluate(batch);
        Assert.Equal(evaluated, later.Step(batch).Loss, 1e-6);
        Assert.NotEqual(evaluated, later.Evaluate(batch));
    }

    private static float[] All(Trainer trainer) => [.. trainer.Parameters.Numbers.SelectMany((Parameter p) => p.Value.ToArray())];
}
