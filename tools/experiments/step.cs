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
using Fathom.Planning;
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
// Backward costs twice what forward does.
TensorInventory inventory = TensorInventory.For(config);
double flops = 3 * CostModel.SumOverPrompt(length, context => CostModel.Flops(config, inventory, context).Raw) / length;
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
