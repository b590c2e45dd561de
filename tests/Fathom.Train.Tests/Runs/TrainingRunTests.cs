using System.Globalization;
using System.Text.Json;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tests;
using Fathom.Text;
using Fathom.Train.Optimizers;
using Fathom.Train.Runs;
using Xunit;

namespace Fathom.Train.Tests.Runs;

/// <summary>Whole runs of a very small model on a page of old prose.</summary>
public class TrainingRunTests
{
    private const long Steps = 12;

    [Fact]
    public void A_run_that_was_stopped_goes_on_bit_for_bit()
    {
        using var folder = new TempFolder();
        RunConfig config = RunConfig.Read(Write(folder, "run.json"));
        byte[] straight = Train(config, folder.Path("straight"), long.MaxValue);
        Train(config, folder.Path("stopped"), 5);
        byte[] resumed = Train(config, folder.Path("stopped"), long.MaxValue);
        Assert.Equal(straight, resumed);
        string[] log = File.ReadAllLines(Path.Combine(folder.Path("stopped"), "log.csv"));
        Assert.Equal(Steps + 1, log.Length);
        Assert.StartsWith("12,", log[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_killed_after_its_checkpoint_loses_only_what_came_after()
    {
        using var folder = new TempFolder();
        RunConfig config = RunConfig.Read(Write(folder, "run.json"));
        byte[] straight = Train(config, folder.Path("straight"), long.MaxValue);
        Train(config, folder.Path("killed"), 5);
        // What a crash leaves: a place for a later step whose state was never written, and log lines beyond the state.
        File.WriteAllText(Path.Combine(folder.Path("killed"), "place-9.json"), "{");
        File.AppendAllText(Path.Combine(folder.Path("killed"), "log.csv"), "6,1,0,0,0,0,0,,,,0,0\n7");
        Assert.Equal(straight, Train(config, folder.Path("killed"), long.MaxValue));
    }

    [Fact]
    public void A_state_that_cannot_be_written_leaves_the_last_one_to_go_on_from()
    {
        using var folder = new TempFolder();
        RunConfig config = RunConfig.Read(Write(folder, "run.json"));
        byte[] straight = Train(config, folder.Path("straight"), long.MaxValue);
        Train(config, folder.Path("full"), 5);
        byte[] before = File.ReadAllBytes(folder.Path("full", "state.bin"));
        // A folder in the way of the file stands for a disk that takes no more.
        Directory.CreateDirectory(folder.Path("full", "state.bin.partial"));
        RunException failed = Assert.Throws<RunException>(() => Train(config, folder.Path("full"), long.MaxValue));
        Assert.Contains("The last good checkpoint, of step 5, is still there", failed.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(folder.Path("full", "state.bin")));
        Directory.Delete(folder.Path("full", "state.bin.partial"));
        Assert.Equal(straight, Train(config, folder.Path("full"), long.MaxValue));
    }

    [Fact]
    public void A_run_from_a_finished_model_begins_with_its_weights()
    {
        using var folder = new TempFolder();
        RunConfig config = RunConfig.Read(Write(folder, "run.json"));
        byte[] first = Train(config, folder.Path("first"), long.MaxValue);
        // A rate that moves no digit.
        RunConfig still = config with { StartFrom = folder.Path("first", "model"), PeakRate = 1e-30f, RouterBiasSpeed = 0, Steps = 1, Seed = 9 };
        Assert.Equal(first, Train(still, folder.Path("still"), long.MaxValue));
        Assert.NotEqual(first, Train(config with { StartFrom = still.StartFrom }, folder.Path("second"), long.MaxValue));
        Assert.Throws<CheckpointException>(() => Train(config with { StartFrom = TestFiles.Path("models", "seed") }, folder.Path("other"), 1));
    }

    [Fact]
    public void A_run_may_begin_with_the_mean_of_two_models()
    {
        using var folder = new TempFolder();
        RunConfig config = RunConfig.Read(Write(folder, "run.json"));
        byte[] first = Train(config, folder.Path("a"), long.MaxValue), second = Train(config with { PeakRate = config.PeakRate / 2 }, folder.Path("b"), long.MaxValue);
        RunConfig still = config with { StartFrom = folder.Path("a", "model"), PeakRate = 1e-30f, RouterBiasSpeed = 0, Steps = 1 };
        Assert.Equal(first, Train(still with { MeanWith = [new MeanConfig(folder.Path("b", "model"), 0)] }, folder.Path("none"), long.MaxValue));
        Assert.Equal(second, Train(still with { MeanWith = [new MeanConfig(folder.Path("b", "model"), 1)] }, folder.Path("all"), long.MaxValue));
        byte[] mean = Train(still with { MeanWith = [new MeanConfig(folder.Path("b", "model"), 0.5), new MeanConfig(folder.Path("a", "model"), 0.5)] }, folder.Path("mean"), long.MaxValue);
        Train(config with { Seed = 4 }, folder.Path("c"), 1);
        Assert.Throws<CheckpointException>(() => Train(still with { MeanWith = [new MeanConfig(folder.Path("c", "model"), 0.5)] }, folder.Path("other"), 1));
        int at = first.Length - 4000;
        Assert.Equal((0.75 * BitConverter.ToSingle(first, at)) + (0.25 * BitConverter.ToSingle(second, at)), BitConverter.ToSingle(mean, at), 1e-6);
    }

    [Fact]
    public void The_estimate_of_memory_is_near_what_a_step_takes()
    {
        const int samples = 4, length = 1024;
        RunConfig run = RunConfig.Read(TestFiles.Path("runs", "tiny", "run.json")) with { BatchTokens = samples * length, Stages = [new StageConfig(1, length)] };
        ModelConfig model = ConfigReader.Read(run.Model).Config;
        using Trainer trainer = Trainer.Begin(model, new TrainerOptions { Schedule = new Schedule { PeakRate = run.PeakRate, TotalSteps = 1 }, Threads = 2 });
        var batch = new PackedBatch();
        for (int s = 0; s < samples; s++)
        {
            batch.Add([.. Enumerable.Range(0, length).Select(i => i % model.VocabularySize)]);
        }
        trainer.Step(batch);
        double estimate = TrainingMemory.Of(model, run).Activations, taken = trainer.ActivationBytes;
        Assert.True(estimate / taken is > 0.5 and < 2, $"estimated {estimate:N0} bytes, taken {taken:N0}");
    }

    [Fact]
    public void The_engine_scores_the_held_out_text_as_the_run_did()
    {
        using var folder = new TempFolder();
        string path = Write(folder, "run.json");
        // The log's figure is of the last weights, so no average takes their place.
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"averageDecay\": 0.5", "\"averageDecay\": 0", StringComparison.Ordinal));
        string output = folder.Path("run");
        Train(RunConfig.Read(path), output, long.MaxValue);
        double logged = double.Parse(File.ReadLines(Path.Combine(output, "log.csv")).Last().Split(',')[9], CultureInfo.InvariantCulture);

        string saved = Path.Combine(output, "model");
        using var device = new CpuDevice(1);
        using LanguageModel model = LanguageModel.Load(saved, device, new LoadOptions());
        byte[] text = File.ReadAllBytes(folder.Path("heldout.txt"));
        int[] tokens = Tokenizer.Load(saved).Encode(text, recognizeAddedTokens: false);
        double nats = TextScorer.Score(model, device, tokens, null, TestContext.Current.CancellationToken);
        Assert.Equal(logged, nats / Math.Log(2) / text.Length, 1e-4 * logged);
    }

    [Theory]
    [InlineData("\"steps\": 12", "\"steps\": 0", "steps: expected at least 1")]
    [InlineData("\"steps\": 12", "\"steps\": 12, \"learningRate\": 1", "learningRate")]
    [InlineData("\"peakRate\": 0.01,", "", "peakRate")]
    [InlineData("prose.txt", "no-such.txt", "no-such.txt")]
    [InlineData("\"length\": 64", "\"length\": 48", "whole samples of 48")]
    [InlineData("\"weight\": 0.25", "\"weight\": 1.5", "tasks.weight")]
    public void Refuses_settings_that_cannot_be(string from, string to, string telling)
    {
        using var folder = new TempFolder();
        string path = Write(folder, "run.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace(from, to, StringComparison.Ordinal));
        RunException refused = Assert.Throws<RunException>(() =>
        {
            using TrainingRun run = TrainingRun.Open(RunConfig.Read(path), new RunFolder(folder.Path("out")), threads: 1);
        });
        Assert.Contains(telling, refused.Message, StringComparison.Ordinal);
    }

    private static byte[] Train(RunConfig config, string output, long steps)
    {
        using var stop = new CancellationTokenSource();
        using (TrainingRun run = TrainingRun.Open(config, new RunFolder(output), threads: 2))
        {
            run.Train(TimeSpan.FromMinutes(5), progress => { if (progress.Statistics.Step == steps) stop.Cancel(); }, stop.Token);
        }
        return File.ReadAllBytes(Path.Combine(output, "model", "model.safetensors"));
    }

    // The seed's tokenizer, two small layers, and the first page of its held-out text.
    private static string Write(TempFolder folder, string name)
    {
        string seed = TestFiles.Path("models", "seed");
        Dictionary<string, JsonElement> model = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(
            File.ReadAllText(Path.Combine(seed, "config.json")))!;                     // the file holds an object
        foreach ((string key, string value) in new[]
        {
            ("hidden_size", "32"), ("num_hidden_layers", "2"), ("compress_ratios", "[0, 4]"), ("num_attention_heads", "2"), ("head_dim", "32"),
            ("qk_rope_head_dim", "16"), ("q_lora_rank", "16"), ("o_lora_rank", "16"), ("index_head_dim", "16"), ("index_n_heads", "2"),
            ("moe_intermediate_size", "32"), ("n_routed_experts", "4"), ("sliding_window", "16"),
        })
        {
            model[key] = JsonDocument.Parse(value).RootElement;
        }
        File.WriteAllText(folder.Path("config.json"), JsonSerializer.Serialize(model));
        string text = File.ReadAllText(TestFiles.Path("models", "fathom-nano", "heldout.txt"));
        File.WriteAllText(folder.Path("prose.txt"), text[..6000]);
        File.WriteAllText(folder.Path("heldout.txt"), text[6000..8000]);
        File.WriteAllText(folder.Path(name), $$"""
            {
              "model": "config.json", "tokenizer": "{{seed.Replace('\\', '/')}}", "texts": ["prose.txt"], "heldOut": "heldout.txt",
              "tasks": { "weight": 0.25, "kinds": ["induction"], "minLength": 128 },
              "stages": [{ "steps": 4, "length": 64 }, { "steps": 8, "length": 128 }],
              "steps": 12, "batchTokens": 256, "peakRate": 0.01, "evaluateEvery": 6, "averageDecay": 0.5, "positionReach": 4096
            }
            """);
        return folder.Path(name);
    }
}
