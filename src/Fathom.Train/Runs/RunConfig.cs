using System.Text.Json;
using System.Text.Json.Serialization;

namespace Fathom.Train.Runs;

/// <summary>A stage of the length curriculum.</summary>
/// <param name="Steps">how many steps</param>
/// <param name="Length">tokens of a sample</param>
/// <param name="Tasks">this stage's tasks; null for the run's</param>
public sealed record StageConfig(long Steps, int Length, TasksConfig? Tasks = null);

/// <summary>Share and kinds of the synthetic tasks.</summary>
/// <param name="Weight">share of the rows; 1 trains on nothing else</param>
/// <param name="Kinds">names of task kinds</param>
/// <param name="MinLength">shortest samples that hold tasks</param>
/// <param name="LossShare">share of the answers in the loss; null to count them like other targets, of which there are far more</param>
public sealed record TasksConfig(double Weight, IReadOnlyList<string> Kinds, int MinLength, double? LossShare = null);

/// <summary>Another model to begin with.</summary>
/// <param name="Folder">a finished model of the same shape</param> <param name="Share">of its weights in the mean with what came before, 0 to 1</param>
public sealed record MeanConfig(string Folder, double Share);

/// <summary>The file of <c>fathom train --config</c>: everything that decides a run. Paths are relative to the file.</summary>
public sealed record RunConfig
{
    /// <summary>The model's config.json, in any spelling the engine reads.</summary>
    public required string Model { get; init; }

    /// <summary>A finished model's folder to begin with its weights, FP8 and FP4 among them; null for new ones.</summary>
    public string? StartFrom { get; init; }

    /// <summary>Finished models that are averaged into <see cref="StartFrom"/>, one after the other: of models that parted late the mean is often better than any. Null for none.</summary>
    public IReadOnlyList<MeanConfig>? MeanWith { get; init; }

    /// <summary>Folder with tokenizer.json and tokenizer_config.json.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>Texts to train on; a form feed on a line of its own separates documents.</summary>
    public required IReadOnlyList<string> Texts { get; init; }

    /// <summary>A text that is never trained on.</summary>
    public required string HeldOut { get; init; }

    /// <summary>Synthetic tasks; null for none.</summary>
    public TasksConfig? Tasks { get; init; }

    /// <summary>The length curriculum; the last stage lasts to the end.</summary>
    public required IReadOnlyList<StageConfig> Stages { get; init; }

    /// <summary>Updates.</summary>
    public required long Steps { get; init; }

    /// <summary>Tokens of an update.</summary>
    public required int BatchTokens { get; init; }

    /// <summary>Highest learning rate.</summary>
    public required float PeakRate { get; init; }

    /// <summary>Steps of linear warm-up.</summary>
    public long WarmupSteps { get; init; }

    /// <summary>Steps of decay at the end.</summary>
    public long DecaySteps { get; init; }

    /// <summary>Learning rate at the end, as a share of the highest.</summary>
    public float FinalFraction { get; init; }

    /// <summary>λ of both optimisers.</summary>
    public float WeightDecay { get; init; } = 0.1f;

    /// <summary>Factor on the rate of the embedding, whose weights are larger than a matrix's.</summary>
    public float EmbeddingRate { get; init; } = 1;

    /// <summary>Factor on the rate of the head.</summary>
    public float HeadRate { get; init; } = 1;

    /// <summary>Factor on the rate of norms, biases and other small tensors.</summary>
    public float SmallRate { get; init; } = 1;

    /// <summary>How much a router's bias moves against its load in a step.</summary>
    public float RouterBiasSpeed { get; init; } = 0.005f;

    /// <summary>Weight of the MTP block's loss; 0 leaves the block out.</summary>
    public float MtpWeight { get; init; }

    /// <summary>What is kept of the averaged weights in a step; 0 for no average.</summary>
    public float AverageDecay { get; init; }

    /// <summary>Tasks are spread over this many positions by gaps in front of random places; 0 for none. Attention knows distances only: text needs none.</summary>
    public int PositionReach { get; init; }

    /// <summary>The step from which the MTP block is trained.</summary>
    public long MtpFrom { get; init; }

    /// <summary>
    /// Steps done from which on the model is trained as it will be stored: weights and cache rows are rounded to the released formats in
    /// every pass; null for never.
    /// </summary>
    public long? QuantizeFrom { get; init; }

    /// <summary>Entries whose share of attention's mass is logged as the indexers' recall.</summary>
    public int RecallEntries { get; init; } = 64;

    /// <summary>Steps between evaluations of the held-out text.</summary>
    public long EvaluateEvery { get; init; } = 200;

    /// <summary>Steps between checkpoints, which decide what a crash costs and nothing else; null for one every five minutes.</summary>
    public long? CheckpointEvery { get; init; }

    /// <summary>Seed of weights, order and tasks.</summary>
    public int Seed { get; init; }

    /// <summary>Reads the file.</summary>
    /// <exception cref="RunException">it is missing, malformed, has an unknown key or contradicts itself</exception>
    public static RunConfig Read(string path)
    {
        try
        {
            RunConfig config = JsonSerializer.Deserialize(File.ReadAllBytes(path), RunJson.Default.RunConfig)
                ?? throw new RunException($"{path}: expected an object, found null.");
            string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".";
            return config.Check(path) with
            {
                Model = Path.Combine(folder, config.Model),
                StartFrom = config.StartFrom is null ? null : Path.Combine(folder, config.StartFrom),
                MeanWith = config.MeanWith?.Select(mean => mean with { Folder = Path.Combine(folder, mean.Folder) }).ToArray(),
                Tokenizer = Path.Combine(folder, config.Tokenizer),
                Texts = [.. config.Texts.Select(text => Path.Combine(folder, text))],
                HeldOut = Path.Combine(folder, config.HeldOut),
            };
        }
        catch (Exception problem) when (problem is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new RunException($"{path}: expected the settings of a training run, found: {problem.Message}", problem);
        }
    }

    private RunConfig Check(string path)
    {
        void Require(bool holds, string key, string expected, object found)
        {
            if (!holds)
            {
                throw new RunException($"{path}: {key}: expected {expected}, found {found}.");
            }
        }
        Require(Texts.Count > 0, "texts", "at least one file", "none");
        Require(Stages.Count > 0, "stages", "at least one", "none");
        Require(Steps > 0, "steps", "at least 1", Steps);
        Require(BatchTokens >= 2, "batchTokens", "at least 2", BatchTokens);
        Require(WarmupSteps + DecaySteps <= Steps, "warmupSteps + decaySteps", $"at most the {Steps} steps", WarmupSteps + DecaySteps);
        Require(PeakRate > 0, "peakRate", "more than 0", PeakRate);
        Require(EvaluateEvery > 0, "evaluateEvery", "at least 1", EvaluateEvery);
        Require(CheckpointEvery is null or > 0, "checkpointEvery", "at least 1, or null for one every five minutes", CheckpointEvery ?? 0);
        Require(PositionReach >= 0, "positionReach", "at least 0", PositionReach);
        Require(MeanWith is null || StartFrom is not null, "meanWith", "a startFrom beside it", "none");
        Require(MeanWith?.All(mean => mean.Share is >= 0 and <= 1) ?? true, "meanWith.share", "0 to 1", string.Join(", ", MeanWith?.Select(mean => mean.Share) ?? []));
        Require(MtpFrom >= 0, "mtpFrom", "at least 0", MtpFrom);
        Require(QuantizeFrom is null or >= 0, "quantizeFrom", "at least 0, or null", QuantizeFrom ?? 0);
        foreach (TasksConfig? tasks in Stages.Select(stage => stage.Tasks).Append(Tasks))
        {
            Require(tasks is null || tasks.Weight is > 0 and <= 1, "tasks.weight", "above 0 and at most 1", tasks?.Weight ?? 0);
            Require(tasks?.LossShare is null or (> 0 and < 1), "tasks.lossShare", "between 0 and 1", tasks?.LossShare ?? 0);
        }
        return this;
    }
}

/// <summary>Reading without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true)]
[JsonSerializable(typeof(RunConfig))]
[JsonSerializable(typeof(Data.SamplerState))]
internal sealed partial class RunJson : JsonSerializerContext;
