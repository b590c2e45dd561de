using System.Diagnostics;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Text;
using Fathom.Train.Autograd;
using Fathom.Train.Data;
using Fathom.Train.Data.Corpus;
using Fathom.Train.Data.Tasks;
using Fathom.Train.Model;
using Fathom.Train.Optimizers;
using Fathom.Train.Runs;

namespace Fathom.Train.Indexers;

/// <summary>
/// Fits a finished model's lightning indexers, and nothing else, to its own attention over long texts: the engine reads a text with the indexers as
/// they are, attention of some tokens is computed over every entry, and the indexers learn to rank entries by it against all others. A trainer's
/// samples are so short that every entry is chosen; here an indexer meets as many wrong entries as in use. One thread calls it.
/// </summary>
public sealed class IndexerTuning : IDisposable
{
    private const int LengthMin = 512;
    private const float ClipNorm = 1;
    // The last part of the prose is for measuring.
    private const double MeasuredPart = 0.1;
    private const ulong MeasuredStream = 1UL << 32;

    private readonly IndexerTuningOptions _options;
    private readonly ModelConfig _config;
    private readonly string _source;
    private readonly WorkerPool _pool;
    private readonly Tape _tape;
    private readonly Parameters _parameters;
    private readonly Parameter[] _trained;
    private readonly Muon _muon;
    private readonly AdamW _adam;
    private readonly LongTextReader _reader;
    private readonly (LayerCapture Layer, IndexerFit Fit)[] _layers;
    private readonly TuningTexts _texts;
    private readonly TuningTexts _measured;

    private IndexerTuning(
        ModelConfig config, Parameters parameters, string source, string output, (TuningTexts Training, TuningTexts Measured) texts, Device device, IndexerTuningOptions options)
    {
        _options = options;
        _config = config;
        _source = source;
        ModelPath = output;
        _parameters = parameters;
        _pool = new WorkerPool(options.Threads);
        _tape = new Tape(_pool);
        _trained = [.. parameters.Trained.Where(p => p.OfIndexer && p.Weight.Key.Layer < config.LayerCount)];
        _muon = new Muon(_trained.Where(p => Muon.Trains(p.Weight)), config);
        _adam = new AdamW(_trained.Where(p => !Muon.Trains(p.Weight)));
        _reader = new LongTextReader(config, device, options.Length, _tape);
        _layers = [.. _reader.Layers.Select(layer => (layer, new IndexerFit(config, layer.Plan, parameters)))];
        (_texts, _measured) = texts;
    }

    /// <summary>Updates done.</summary>
    public int Steps { get; private set; }

    /// <summary>The folder of the tuned model; at any time it holds a whole one.</summary>
    public string ModelPath { get; }

    /// <summary>Reads a model and a text, and writes the model to its new folder as it is.</summary>
    /// <param name="model">a model folder in singles or BF16, with its tokenizer</param> <param name="output">a folder that is empty or does not exist</param>
    /// <param name="text">prose to hide facts in; a form feed on a line of its own separates documents</param>
    /// <param name="device">where the engine runs; not owned</param> <param name="options">how</param>
    /// <exception cref="RunException">the output is in use, the text is empty, the length does not suit the model, or it has no indexer</exception>
    /// <exception cref="CheckpointException">the model cannot be read or written</exception>
    public static IndexerTuning Open(string model, string output, string text, Device device, IndexerTuningOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ModelConfig config = ConfigReader.Read(Path.Combine(model, "config.json")).Config;
        Check(config, model, output, options);
        Tokenizer tokenizer = Tokenizer.Load(model);
        string[] documents = RunText.Read(text).Split(CorpusBuilder.RunSeparator, StringSplitOptions.RemoveEmptyEntries);
        if (documents.Length == 0)
        {
            throw new RunException($"{text}: expected prose to hide facts in, found an empty file.");
        }
        (TuningTexts, TuningTexts) texts = Texts(documents, tokenizer, text);
        var parameters = new Parameters(config);
        ModelFolder.Load(parameters, model, quantized: false);
        var tuning = new IndexerTuning(config, parameters, model, output, texts, device, options);
        try
        {
            tuning.Save();
            return tuning;
        }
        catch
        {
            tuning.Dispose();
            throw;
        }
    }

    /// <summary>The indexers on texts that are not tuned on, a layer each.</summary>
    /// <param name="cancellation">stops within a text</param>
    public IReadOnlyList<IReadOnlyList<IndexerFigures>> Measure(CancellationToken cancellation)
    {
        var figures = new List<IReadOnlyList<IndexerFigures>>();
        for (int i = 0; i < _options.MeasuredTexts; i++)
        {
            TuningText text = Text(_measured, i, MeasuredStream);
            _reader.Read(ModelPath, text, cancellation);
            figures.Add(Figures(text));
        }
        return figures;
    }

    /// <summary>Tunes to the last step, to the end of the time, or until cancelled; the model is written behind every text.</summary>
    /// <param name="time">how long at most; a text begun is finished</param> <param name="report">told behind every text</param>
    /// <param name="cancellation">stops while a text is read; the model so far stays</param>
    public void Tune(TimeSpan time, Action<IndexerTuningProgress> report, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(report);
        long begin = Stopwatch.GetTimestamp();
        for (int number = 0; Steps < _options.Steps && Stopwatch.GetElapsedTime(begin) < time && !cancellation.IsCancellationRequested; number++)
        {
            long start = Stopwatch.GetTimestamp();
            TuningText text = Text(_texts, number, 0);
            _reader.Read(ModelPath, text, cancellation);
            TimeSpan reading = Stopwatch.GetElapsedTime(start);
            IReadOnlyList<IndexerFigures> figures = Figures(text);
            Learn(number);
            Save();
            report(new IndexerTuningProgress(Steps, _options.Steps, figures, reading, Stopwatch.GetElapsedTime(start) - reading));
        }
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose() => _pool.Dispose();

    private TuningText Text(TuningTexts texts, int number, ulong stream) => texts.Generate(
        TuningTexts.Kinds[number % TuningTexts.Kinds.Count], SeededRandom.Mix(unchecked((ulong)_options.Seed + stream + (ulong)number)), _options.Length, _options.RowsPerText);

    private List<IndexerFigures> Figures(TuningText text) => [.. _layers.Select(layer => layer.Fit.Measure(_tape, layer.Layer, text.PredictsAnswer))];

    // All tokens looked at, in a random order, again and again.
    private void Learn(int number)
    {
        var random = new SeededRandom((ulong)_options.Seed, (ulong)number);
        int[] order = [.. Enumerable.Range(0, _layers[0].Layer.Places.Length)];
        int at = order.Length;
        for (int step = 0; step < _options.StepsPerText && Steps < _options.Steps; step++)
        {
            if (at + _options.RowsPerStep > order.Length)
            {
                random.Shuffle(order.AsSpan());
                at = 0;
            }
            int count = Math.Min(_options.RowsPerStep, order.Length);
            int[] picked = [.. order.AsSpan(at, count).ToArray().Order()];
            at += count;
            Update(picked);
        }
    }

    private void Update(int[] picked)
    {
        foreach (Parameter parameter in _trained)
        {
            parameter.Gradient.Span.Clear();
        }
        foreach ((LayerCapture layer, IndexerFit fit) in _layers)
        {
            _tape.Reset();
            fit.Learn(_tape, layer, picked);
            _tape.Backward();
        }
        _tape.Reset();
        GradientNorm.Clip(_tape, _trained, ClipNorm);
        float rate = Schedule.RateAt(Steps);
        _muon.Update(_tape, _ => rate, decay: 0);
        _adam.Update(_tape, Steps + 1, _ => rate, decay: 0);
        Steps++;
    }

    private Schedule Schedule => new()
    {
        PeakRate = _options.Rate, TotalSteps = _options.Steps, WarmupSteps = _options.Steps / 20, DecaySteps = _options.Steps / 2, FinalFraction = 0.05f,
    };

    private void Save()
    {
        string aside = Path.TrimEndingDirectorySeparator(ModelPath) + ".new";
        if (Directory.Exists(aside))
        {
            Directory.Delete(aside, recursive: true);
        }
        Directory.CreateDirectory(aside);
        ModelFolder.Save(_parameters, aside);
        foreach (string file in Directory.EnumerateFiles(_source, "*.json").Where(IsOfModel))
        {
            File.Copy(file, Path.Combine(aside, Path.GetFileName(file)));
        }
        if (Directory.Exists(ModelPath))
        {
            Directory.Delete(ModelPath, recursive: true);
        }
        Directory.Move(aside, ModelPath);
    }

    private static bool IsOfModel(string path) => Path.GetFileName(path) is var name && (name == "config.json" || name.StartsWith("tokenizer", StringComparison.Ordinal));

    private static (TuningTexts Training, TuningTexts Measured) Texts(string[] documents, Tokenizer tokenizer, string path)
    {
        // Of every document its own last part, so that both have all kinds of prose.
        IEnumerable<string> first = documents.Select(d => d[..(int)(d.Length * (1 - MeasuredPart))]), last = documents.Select(d => d[(int)(d.Length * (1 - MeasuredPart))..]);
        try
        {
            return (new TuningTexts(tokenizer, new Prose(TokenDataset.Tokenize(first, tokenizer), tokenizer), Split.Training),
                new TuningTexts(tokenizer, new Prose(TokenDataset.Tokenize(last, tokenizer), tokenizer), Split.Validation));
        }
        catch (ArgumentException problem)
        {
            throw new RunException($"{path}: {problem.Message}", problem);
        }
    }

    private static void Check(ModelConfig config, string model, string output, IndexerTuningOptions options)
    {
        if (!Enumerable.Range(0, config.LayerCount).Any(layer => LayerPlan.For(config, layer).Attention == AttentionKind.Csa))
        {
            throw new RunException($"{model}: expected a model with a layer of ratio {LayerPlan.CsaRatio}, found none. There is no indexer to tune.");
        }
        if (options.Length < LengthMin || options.Length > config.MaxPositions)
        {
            throw new RunException($"Length of the texts: expected {LengthMin} to the model's {config.MaxPositions} positions, found {options.Length}.");
        }
        if ((long)options.Length * config.HiddenSize > Array.MaxLength)
        {
            throw new RunException($"Length of the texts: expected at most {Array.MaxLength / config.HiddenSize} tokens of {config.HiddenSize} channels, found {options.Length}. Choose a smaller --length.");
        }
        if (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any())
        {
            throw new RunException($"{output}: expected an empty folder or none, found files in it. Choose another --output.");
        }
    }
}
