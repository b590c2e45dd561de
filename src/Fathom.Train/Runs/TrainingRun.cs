using System.Diagnostics;
using Fathom.Checkpoints;
using Fathom.Model;
using Fathom.Text;
using Fathom.Train.Data;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Optimizers;

namespace Fathom.Train.Runs;

/// <summary>What a run reports while it goes on.</summary>
/// <param name="Steps">of how many, in all</param>
/// <param name="Statistics">of the step just done</param>
/// <param name="HeldOutBitsPerByte">where the held-out text was evaluated behind this step, else null</param>
public sealed record RunProgress(long Steps, StepStatistics Statistics, double? HeldOutBitsPerByte);

/// <summary>
/// A training run from a config: data, steps, log, evaluation, checkpoints. It may be stopped at any step, or killed, and goes on from its last
/// checkpoint bit for bit.
/// </summary>
public sealed class TrainingRun : IDisposable
{
    // Chosen so that a crash costs little and the disk less: a state of 14 M parameters is about 170 MB.
    private static readonly TimeSpan s_betweenCheckpoints = TimeSpan.FromMinutes(5);
    private const int CountedTokens = 1_000_000;
    private const int GapGrid = 128;
    private const int GapsMax = 4;
    private const int GapLengthMin = 1024;

    private readonly RunConfig _config;
    private readonly RunFolder _folder;
    private readonly Trainer _trainer;
    private readonly BatchSampler _sampler;
    private readonly HeldOutText _heldOut;
    private readonly RunLog _log;
    private long? _checkpoint;

    private TrainingRun(RunConfig config, RunFolder folder, Trainer trainer, BatchSampler sampler, HeldOutText heldOut)
    {
        _config = config;
        _folder = folder;
        _trainer = trainer;
        _sampler = sampler;
        _heldOut = heldOut;
        _log = new RunLog(folder, trainer.Steps);
        _checkpoint = folder.HasState ? trainer.Steps : null;
    }

    /// <summary>Steps done.</summary>
    public long Steps => _trainer.Steps;

    /// <summary>Whether all steps are done.</summary>
    public bool IsComplete => _trainer.Steps >= _config.Steps;

    /// <summary>Where the model is written.</summary>
    public string ModelPath => _folder.ModelPath;

    /// <summary>Begins a run, or goes on with the one in the folder.</summary>
    /// <param name="config">all that decides the run; the same again to go on</param>
    /// <param name="folder">where its state is</param>
    /// <param name="threads">results do not depend on them</param>
    /// <exception cref="RunException">a text is missing, empty or not UTF-8, the model is too large for the memory, or the settings contradict each other</exception>
    public static TrainingRun Open(RunConfig config, RunFolder folder, int threads)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(folder);
        ModelConfig model = ConfigReader.Read(config.Model).Config;
        TrainingMemory.Of(model, config).Require(config, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        Tokenizer tokenizer = Tokenizer.Load(config.Tokenizer);
        if (tokenizer.VocabularySize > model.VocabularySize)
        {
            throw new RunException($"{config.Tokenizer}: expected at most the {model.VocabularySize} tokens of {config.Model}, found {tokenizer.VocabularySize}.");
        }
        TokenDataset data = Tokenize(config, tokenizer);
        var heldOut = new HeldOutText(config.HeldOut, tokenizer, model.BosToken);
        TrainerOptions options = Options(config, threads);
        Trainer? trainer = null;
        try
        {
            BatchSampler Draws(SamplerState? place) => Sampler(config, tasks => Sources(tasks, data, tokenizer, model), place);
            trainer = folder.HasState ? Trainer.Resume(folder.StatePath, model, options)
                : config.StartFrom is { } start ? Trainer.BeginFrom(start, [.. (config.MeanWith ?? []).Select(mean => (mean.Folder, mean.Share))], model, options)
                : Trainer.Begin(model, options, Frequencies(Draws(null), model.VocabularySize));
            return new TrainingRun(config, folder, trainer, Draws(folder.HasState ? folder.Place(trainer.Steps) : null), heldOut);
        }
        catch (Exception problem)
        {
            trainer?.Dispose();
            if (problem is ArgumentException)
            {
                throw new RunException(problem.Message, problem);
            }
            throw;
        }
    }

    /// <summary>Trains to the end of the run, of the time, or until cancelled; then writes a checkpoint and the model so far.</summary>
    /// <param name="time">how long at most</param>
    /// <param name="report">told after every step</param>
    /// <param name="cancellation">stops behind the current step</param>
    /// <exception cref="RunException">a checkpoint or the model cannot be written; the last checkpoint is still there</exception>
    public void Train(TimeSpan time, Action<RunProgress> report, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(report);
        long begin = Stopwatch.GetTimestamp(), saved = begin;
        while (!IsComplete && !cancellation.IsCancellationRequested && Stopwatch.GetElapsedTime(begin) < time)
        {
            TasksConfig? tasks = _config.Stages[_sampler.Stage].Tasks ?? _config.Tasks;
            StepStatistics statistics = _trainer.Step(Pack(_sampler.Next(), tasks?.LossShare));
            bool evaluates = _trainer.Steps % _config.EvaluateEvery == 0 || IsComplete;
            double? heldOut = evaluates ? _heldOut.BitsPerByte(_trainer) : null;
            _log.Add(statistics, heldOut);
            report(new RunProgress(_config.Steps, statistics, heldOut));
            bool due = _config.CheckpointEvery is { } every ? _trainer.Steps % every == 0 : Stopwatch.GetElapsedTime(saved) > s_betweenCheckpoints;
            if (due)
            {
                Save();
                saved = Stopwatch.GetTimestamp();
            }
        }
        Save();
        Write("model", SaveModel);
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose()
    {
        _log.Dispose();
        _trainer.Dispose();
    }

    private void Save()
    {
        Write("checkpoint", () =>
        {
            _log.Flush();
            _folder.Save(_trainer, _sampler.State);
        });
        _checkpoint = Steps;
    }

    // A full disk or a folder that became read-only ends the run, but costs no more than the steps since the last checkpoint.
    private void Write(string what, Action write)
    {
        try
        {
            write();
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException or TrainingStateException or CheckpointException)
        {
            string left = _checkpoint is { } step
                ? $"The last good checkpoint, of step {step}, is still there: make room or give access, and the same command goes on from it."
                : "There is no earlier checkpoint: make room or give access, and begin again.";
            throw new RunException(
                $"{_folder.FolderPath}: expected to write the {what} of step {Steps}, found: {problem.Message} {left}", problem);
        }
    }

    private void SaveModel()
    {
        string aside = _folder.ModelPath + ".new";
        if (Directory.Exists(aside))
        {
            Directory.Delete(aside, recursive: true);
        }
        Directory.CreateDirectory(aside);
        _trainer.SaveModel(aside, average: _config.AverageDecay > 0);
        File.Copy(_config.Model, Path.Combine(aside, "config.json"));
        foreach (string file in Directory.EnumerateFiles(_config.Tokenizer, "tokenizer*.json"))
        {
            File.Copy(file, Path.Combine(aside, Path.GetFileName(file)));
        }
        if (Directory.Exists(_folder.ModelPath))
        {
            Directory.Delete(_folder.ModelPath, recursive: true);
        }
        Directory.Move(aside, _folder.ModelPath);
    }

    private PackedBatch Pack(IReadOnlyList<TrainingSample> samples, double? taskShare)
    {
        var batch = new PackedBatch { TaskShare = taskShare };
        var random = new SeededRandom((ulong)_config.Seed, (ulong)_trainer.Steps);
        foreach (TrainingSample sample in samples)
        {
            batch.Add(sample.Tokens, sample.Targets, isTask: sample.IsTask, gaps: sample.IsTask ? Gaps(random, sample.Tokens.Length) : []);
        }
        return batch;
    }

    // At multiples of 128 tokens, so that no compressed entry has a gap inside. Sizes are spread evenly over their orders of magnitude; half
    // of the samples have none, and no short one, which has yet to learn what lies near.
    private PositionGap[] Gaps(SeededRandom random, int length)
    {
        int places = (length - 1) / GapGrid, count = Math.Min(places, random.Next(2 * GapsMax) - GapsMax + 1);
        if (_config.PositionReach <= length || length < GapLengthMin || count <= 0)
        {
            return [];
        }
        double magnitude = Math.Log((double)(_config.PositionReach - length) / count / GapGrid);
        return [.. Enumerable.Range(0, count).Select(_ =>
            new PositionGap(GapGrid * (1 + random.Next(places)), GapGrid * (int)Math.Exp(magnitude * random.NextShare())))];
    }

    private static TrainerOptions Options(RunConfig config, int threads) => new()
    {
        Schedule = new Schedule
        {
            PeakRate = config.PeakRate,
            TotalSteps = config.Steps,
            WarmupSteps = config.WarmupSteps,
            DecaySteps = config.DecaySteps,
            FinalFraction = config.FinalFraction,
        },
        Seed = config.Seed,
        WeightDecay = config.WeightDecay,
        EmbeddingRate = config.EmbeddingRate,
        HeadRate = config.HeadRate,
        SmallRate = config.SmallRate,
        MtpWeight = config.MtpWeight,
        MtpFrom = config.MtpFrom,
        RouterBiasSpeed = config.RouterBiasSpeed,
        AverageDecay = config.AverageDecay,
        QuantizeFrom = config.QuantizeFrom,
        RecallEntries = config.RecallEntries,
        Threads = threads,
    };

    private static List<WeightedSource> Sources(TasksConfig? mixed, TokenDataset data, Tokenizer tokenizer, ModelConfig model)
    {
        double prose = 1 - (mixed?.Weight ?? 0);
        var sources = new List<WeightedSource>();
        if (prose > 0)
        {
            sources.Add(new WeightedSource(new TextSource("prose", data, model.BosToken), prose));
        }
        if (mixed is { } tasks)
        {
            var kinds = tasks.Kinds.Select(name => Enum.TryParse(name, ignoreCase: true, out TaskKind kind)
                ? kind
                : throw new RunException($"tasks.kinds: expected {string.Join(", ", Enum.GetNames<TaskKind>())}, found {name}.")).ToList();
            var hidden = new Prose(data, tokenizer);
            var source = new TaskSource(
                "tasks", kinds, new RetrievalTask(tokenizer, hidden, Split.Training), new ContractTask(tokenizer, hidden, Split.Training),
                kinds.Contains(TaskKind.Pairs) ? new PairTask(tokenizer) : null);
            sources.Add(new WeightedSource(source, tasks.Weight, tasks.MinLength));
        }
        return sources;
    }

    private static TokenDataset Tokenize(RunConfig config, Tokenizer tokenizer)
    {
        try
        {
            return TokenDataset.Tokenize(config.Texts.SelectMany(Documents), tokenizer);
        }
        catch (ArgumentException problem)
        {
            throw new RunException($"{string.Join(", ", config.Texts)}: {problem.Message}", problem);
        }
    }

    private static IEnumerable<string> Documents(string path)
    {
        string[] documents = RunText.Read(path).Split(Data.Corpus.CorpusBuilder.RunSeparator, StringSplitOptions.RemoveEmptyEntries);
        return documents.Length > 0 ? documents : throw new RunException($"{path}: expected a text to train on, found an empty file. Take it out of texts, or fill it.");
    }

    private static BatchSampler Sampler(RunConfig config, Func<TasksConfig?, List<WeightedSource>> sources, SamplerState? place) => new(
        sources(config.Tasks),
        [.. config.Stages.Select(stage => new LengthStage(stage.Steps, stage.Length, stage.Tasks is { } tasks ? sources(tasks) : null))],
        config.BatchTokens, (ulong)config.Seed, place);

    // How often tokens occur in what the run will read, tasks among it, from its first batches.
    private static long[] Frequencies(BatchSampler sampler, int vocabularySize)
    {
        var counts = new long[vocabularySize];
        for (long read = 0; read < CountedTokens;)
        {
            foreach (TrainingSample sample in sampler.Next())
            {
                read += sample.Tokens.Length;
                foreach (int id in sample.Tokens)
                {
                    counts[id]++;
                }
            }
        }
        return counts;
    }
}
