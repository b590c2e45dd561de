using BenchmarkDotNet.Attributes;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Train;
using Fathom.Train.Optimizers;

namespace Fathom.Benchmarks.Train;

/// <summary>
/// One whole training step of the bundled model's shape, 4,096 tokens: tokens per second are 4,096 over the mean. Multiply by
/// <see cref="FlopsPerToken"/> for the arithmetic, recomputation and the optimiser not counted.
/// </summary>
[MemoryDiagnoser]
[SimpleJob(launchCount: 1, warmupCount: 3, iterationCount: 12, invocationCount: 1)]
public class TrainerBenchmarks
{
    private const int TokensPerStep = 4096;

    private Trainer _trainer = null!;                        // made before every benchmark
    private PackedBatch _batch = null!;                      // likewise

    [Params(256, 1024, 4096)]
    public int SampleLength { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        ModelConfig config = ConfigReader.Read(Path.Combine(RepositoryFolder(), "models", "seed", "config.json")).Config;
        _trainer = Trainer.Begin(config, new TrainerOptions { Schedule = new Schedule { PeakRate = 0.01f, TotalSteps = 1000 } });
        var random = new Random(1);
        _batch = new PackedBatch();
        for (int sample = 0; sample < TokensPerStep / SampleLength; sample++)
        {
            _batch.Add([.. Enumerable.Range(0, SampleLength).Select(_ => random.Next(config.VocabularySize))]);
        }
        Console.WriteLine($"// {FlopsPerToken(config, SampleLength) / 1e6:F2} MFLOP per token");
    }

    [GlobalCleanup]
    public void Cleanup() => _trainer.Dispose();

    [Benchmark]
    public StepStatistics Step() => _trainer.Step(_batch);

    /// <summary>Operations of the forward pass, and twice as many of the backward pass; index scores count only where an indexer has to choose.</summary>
    public static double FlopsPerToken(ModelConfig config, int length)
    {
        TensorInventory inventory = TensorInventory.For(config);
        return 3 * CostModel.SumOverPrompt(length, context => CostModel.Flops(config, inventory, context).Raw) / length;
    }

    private static string RepositoryFolder()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Fathom.slnx")))
        {
            folder = folder.Parent;
        }
        return folder?.FullName ?? throw new FileNotFoundException("Fathom.slnx: not found above the benchmarks.");
    }
}
