#!/usr/bin/env dotnet
#:project ../../src/Fathom.Train/Fathom.Train.csproj
#:property TieredPGO=false
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

// dotnet run -c Release tools/experiments/step.cs -- LENGTH STEPS [CONFIG]: training steps of 4,096 random tokens in samples of LENGTH, of the bundled
// model's shape or of that in CONFIG. Prints tokens per second, the arithmetic behind them (recomputation and the optimiser not counted) and the
// processor time of a step, which other work on the machine disturbs less than the clock.
using System.Diagnostics;
using System.Globalization;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Train;
using Fathom.Train.Optimizers;

const int TokensPerStep = 4096;
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int length = int.Parse(args[0]), steps = int.Parse(args[1]);
ModelConfig config = ConfigReader.Read(args.Length > 2 ? args[2] : "models/fathom-nano/config.json").Config;
using Trainer trainer = Trainer.Begin(config, new TrainerOptions { Schedule = new Schedule { PeakRate = 0.003f, TotalSteps = 1000 } });
var random = new Random(1);
var batch = new PackedBatch();
for (int sample = 0; sample < TokensPerStep / length; sample++)
{
    batch.Add([.. Enumerable.Range(0, length).Select(_ => random.Next(config.VocabularySize))]);
}
double flops = Flops();
var seconds = new List<double>();
var processor = new List<double>();
for (int i = 0; i < steps; i++)
{
    TimeSpan before = Process.GetCurrentProcess().TotalProcessorTime;
    seconds.Add(trainer.Step(batch).Elapsed.TotalSeconds);
    processor.Add((Process.GetCurrentProcess().TotalProcessorTime - before).TotalSeconds);
}
seconds.Sort();
processor.Sort();
double median = seconds[steps / 2];
Console.WriteLine($"{flops / 1e6:F1} MFLOP a token; best {TokensPerStep / seconds[0]:F0}, median {TokensPerStep / median:F0} tokens/s, " +
    $"{flops * TokensPerStep / median / 1e9:F0} GFLOPS; processor {processor[0]:F2} to {processor[steps / 2]:F2} s a step; {trainer.ActivationBytes / 1e6:F0} MB");

// Twice the multiply-adds of the forward pass, three times for the backward pass: weights that a token uses, and attention over what it sees.
double Flops()
{
    double weights = 0, attention = 0;
    foreach (ExpectedWeight weight in ExpectedWeights.Of(config).Where(w => w.Key.Layer < config.LayerCount))
    {
        bool isTable = weight.Role == WeightRole.Ids || weight.IsVector || weight.Key.Part == WeightPart.Embedding;
        weights += isTable ? 0 : (weight.Key.Expert >= 0 ? config.ExpertsPerToken / (double)config.ExpertCount : 1) * weight.Count;
    }
    for (int layer = 0; layer < config.LayerCount; layer++)
    {
        LayerPlan plan = LayerPlan.For(config, layer);
        double window = Math.Min(config.SlidingWindow, length / 2.0), entries = plan.Ratio == 0 ? 0 : length / 2.0 / plan.Ratio;
        attention += 2 * config.HeadCount * config.HeadDim * (window + entries);
        attention += plan.Attention == AttentionKind.Csa ? config.IndexHeadCount * config.IndexHeadDim * entries : 0;
    }
    return 6 * (weights + attention);
}
