using System.Diagnostics;
using System.Numerics.Tensors;
using Fathom.Checkpoints;
using Fathom.Cpu;
using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Model;
using Fathom.Train.Optimizers;
using Transformer = Fathom.Train.Model.Transformer;

namespace Fathom.Train;

/// <summary>
/// Trains a model step by step: forward, backward, update. The same batches and options give the same bits for any number of threads. One
/// thread calls it.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly TrainerOptions _options;
    private readonly WorkerPool _pool;
    private readonly Tape _tape;
    private readonly Parameters _parameters;
    private readonly Transformer _transformer;
    private readonly Parameter[] _trunk;
    private readonly Parameter[] _indexers;
    private readonly Muon _muon;
    private readonly AdamW _adam;
    private readonly Memory<float>[] _average;
    private readonly QuantizedWeights? _quantized;
    private readonly CacheLayout _exactCache;
    private readonly CacheLayout _releasedCache;

    private Trainer(ModelConfig config, TrainerOptions options)
    {
        Config = config.Validate();
        _options = options;
        _pool = new WorkerPool(options.Threads);
        _tape = new Tape(_pool);
        _parameters = new Parameters(config);
        _transformer = new Transformer(_parameters);
        Parameter[] trained = [.. _parameters.Trained.Where(p => options.MtpWeight > 0 || p.Weight.Key.Layer < config.LayerCount)];
        _trunk = [.. trained.Where(p => !p.OfIndexer)];
        _indexers = [.. trained.Where(p => p.OfIndexer)];
        _muon = new Muon(trained.Where(p => Muon.Trains(p.Weight)), config);
        _adam = new AdamW(trained.Where(p => !Muon.Trains(p.Weight)));
        _quantized = options.QuantizeFrom is null ? null : new QuantizedWeights(_parameters, _tape);
        _exactCache = new CacheLayout(config, CacheFormat.F32);
        _releasedCache = new CacheLayout(config, CacheFormat.Mixed);
        _average = options.AverageDecay > 0 ? [.. _parameters.Numbers.Select(p => Arena.Aligned(p.Value.Length))] : [];
    }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>Steps done.</summary>
    public long Steps { get; private set; }

    /// <summary>Tokens seen.</summary>
    public long Tokens { get; private set; }

    /// <summary>Bytes held for activations and their gradients.</summary>
    public long ActivationBytes => _tape.Bytes;

    // Whether passes round weights and cache rows now; depends on the steps done alone, so a resumed run switches where the whole one does.
    private bool IsQuantized => Steps >= _options.QuantizeFrom;

    private CacheLayout Cache => IsQuantized ? _releasedCache : _exactCache;

    /// <summary>The weights, for tests.</summary>
    internal Parameters Parameters => _parameters;

    /// <summary>A new model.</summary>
    /// <param name="config">its shape</param> <param name="options">how it is trained</param>
    /// <param name="tokenFrequencies">(vocabulary), which hash layers balance; empty for equal ones</param>
    public static Trainer Begin(ModelConfig config, TrainerOptions options, ReadOnlySpan<long> tokenFrequencies = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        var trainer = new Trainer(config, options);
        InitialWeights.Fill(trainer._parameters, options.Seed, options.InitialDeviation, tokenFrequencies);
        trainer.BeginAverage();
        return trainer;
    }

    /// <summary>A new run from a finished model's weights: no momentum, no step done.</summary>
    /// <param name="folder">the model, in any format the engine reads</param> <param name="means">others, averaged into it one after the other, each with its share in the mean</param>
    /// <param name="config">its shape</param> <param name="options">how it is trained</param>
    /// <exception cref="CheckpointException">the weights cannot be read, or have another shape</exception>
    public static Trainer BeginFrom(string folder, IReadOnlyList<(string Folder, double Share)> means, ModelConfig config, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        var trainer = new Trainer(config, options);
        try
        {
            ModelFolder.Load(trainer._parameters, folder, quantized: true);
            foreach ((string other, double share) in means)
            {
                Mix(trainer._parameters, other, share);
            }
            trainer.BeginAverage();
            return trainer;
        }
        catch
        {
            trainer.Dispose();
            throw;
        }
    }

    private static void Mix(Parameters parameters, string folder, double share)
    {
        var other = new Parameters(parameters.Config);
        ModelFolder.Load(other, folder, quantized: true);
        for (int layer = 0; layer < parameters.Config.HashLayerCount; layer++)
        {
            if (!parameters.Table(layer).AsSpan().SequenceEqual(other.Table(layer)))
            {
                throw new CheckpointException($"{folder}: expected the table of experts by token that the first model has in layer {layer}, found another. Only models of one origin have a mean.");
            }
        }
        foreach ((Parameter a, Parameter b) in parameters.Numbers.Zip(other.Numbers))
        {
            Span<float> values = a.Value.Span;
            ReadOnlySpan<float> others = b.Value.Span;
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = (float)(((1 - share) * values[i]) + (share * others[i]));
            }
        }
    }

    /// <summary>Goes on where <see cref="SaveState"/> left off, bit for bit.</summary>
    /// <param name="path">of the state</param> <param name="config">its shape</param> <param name="options">as before</param>
    /// <exception cref="TrainingStateException">the file is damaged or belongs to another model</exception>
    public static Trainer Resume(string path, ModelConfig config, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        var trainer = new Trainer(config, options);
        try
        {
            (trainer.Steps, trainer.Tokens) = TrainingState.Read(path, trainer._parameters, trainer.State());
            return trainer;
        }
        catch
        {
            trainer.Dispose();
            throw;
        }
    }

    /// <summary>One update from one or more batches, whose gradients are averaged.</summary>
    /// <exception cref="ArgumentException">a token, target or position is out of range; nothing has changed then</exception>
    public StepStatistics Step(params ReadOnlySpan<PackedBatch> batches)
    {
        ArgumentOutOfRangeException.ThrowIfZero(batches.Length);
        foreach (PackedBatch batch in batches)
        {
            batch.Check(Config);
        }
        long start = Stopwatch.GetTimestamp();
        _parameters.ClearGradients();
        var steps = new Step[batches.Length];
        var losses = new StepLosses[batches.Length];
        int tokens = 0;
        for (int i = 0; i < batches.Length; i++)
        {
            _tape.Reset();
            steps[i] = new Step(_tape, Config, batches[i], Weights(1f / batches.Length))
            {
                RecallEntries = Steps % _options.RecallEvery == 0 ? _options.RecallEntries : 0, AttendToAll = _options.AttendToAll, Cache = Cache,
            };
            Step step = steps[i];
            losses[i] = WithPassWeights(() =>
            {
                // A trunk that stays as it is needs no gradients; the indexers' inputs are constants anyway.
                _tape.ForwardOnly = _options.TrunkRate == 0;
                StepLosses of = _transformer.Forward(step);
                _tape.ForwardOnly = false;
                _tape.Backward();
                return of;
            });
            tokens += batches[i].Rows;
        }
        float rate = _options.Schedule.RateAt(Steps);
        (double trunk, double indexers) = Update(rate, steps);
        Steps++;
        Tokens += tokens;
        return Statistics(steps, losses, tokens) with
        {
            Rate = rate, TrunkNorm = trunk, IndexerNorm = indexers, Elapsed = Stopwatch.GetElapsedTime(start),
        };
    }

    /// <summary>The mean cross-entropy of a batch in nats, without learning from it.</summary>
    public double Evaluate(PackedBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        _tape.Reset();
        var step = new Step(_tape, Config, batch, Weights(0) with { Mtp = 0 }) { RecallEntries = 0, AttendToAll = _options.AttendToAll, Cache = Cache };
        double loss = WithPassWeights(() => _transformer.Forward(step).CrossEntropy);
        _tape.Reset();
        return loss;
    }

    /// <summary>Writes everything that is needed to go on, beside the file first, so that a failure leaves the last good state.</summary>
    /// <exception cref="TrainingStateException">the file cannot be written</exception>
    public void SaveState(string path) => TrainingState.Write(path, (Steps, Tokens), _parameters, State());

    /// <summary>Writes the weights as a checkpoint in singles. A config.json is not written.</summary>
    /// <param name="folder">where to</param> <param name="average">the averaged weights, not the last ones</param>
    /// <exception cref="CheckpointException">the folder holds another checkpoint, or the disk is full</exception>
    public void SaveModel(string folder, bool average = false)
    {
        if (average && _average.Length == 0)
        {
            throw new InvalidOperationException("The averaged weights were asked for, but AverageDecay is 0. Train with an average, or save the last weights.");
        }
        ModelFolder.Save(_parameters, folder, average ? _average : null);
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose() => _pool.Dispose();

    // Runs a pass with the weights that passes use now; the masters stand in their place again afterwards, whatever happens.
    private T WithPassWeights<T>(Func<T> pass)
    {
        if (_quantized is null || !IsQuantized)
        {
            return pass();
        }
        try
        {
            _quantized.Use();
            return pass();
        }
        finally
        {
            _quantized.UseMasters();
        }
    }

    private LossWeights Weights(float each) =>
        new(each, Steps < _options.MtpFrom ? 0 : each * _options.MtpWeight, each * _options.BalanceWeight, each);

    private (double Trunk, double Indexers) Update(float rate, Step[] steps)
    {
        double trunk = GradientNorm.Clip(_tape, _trunk, _options.ClipNorm), indexers = GradientNorm.Clip(_tape, _indexers, _options.ClipNorm);
        Func<Parameter, float> rateOf = p => rate * Factor(p);
        _muon.Update(_tape, rateOf, _options.WeightDecay);
        _adam.Update(_tape, Steps + 1, rateOf, _options.WeightDecay);
        _quantized?.Outdate();
        if (_options.TrunkRate > 0)
        {
            MoveRouterBiases(steps);
        }
        for (int i = 0; i < _average.Length; i++)
        {
            TensorPrimitives.Lerp<float>(_parameters.Numbers[i].Value.Span, _average[i].Span, _options.AverageDecay, _average[i].Span);
        }
        return (trunk, indexers);
    }

    private float Factor(Parameter p)
    {
        if (p.Weight.Key.Layer >= Config.LayerCount && Steps < _options.MtpFrom)
        {
            return 0;
        }
        return (p.OfIndexer ? _options.IndexerRate : _options.TrunkRate) * p.Weight.Key.Part switch
        {
            WeightPart.Embedding => _options.EmbeddingRate,
            WeightPart.Head => _options.HeadRate,
            _ => Muon.Trains(p.Weight) ? 1 : _options.SmallRate,
        };
    }

    // b_i += speed · sign(mean load − load_i).
    private void MoveRouterBiases(Step[] steps)
    {
        foreach (Parameter bias in _parameters.Numbers.Where(p => p.Weight.Key.Part == WeightPart.RouterBias))
        {
            int[][] loads = [.. steps.Select(step => step.ExpertLoad[bias.Weight.Key.Layer]).Where(load => load is not null)];
            long total = loads.Sum(load => load.Sum(count => (long)count));
            for (int e = 0; e < bias.Columns; e++)
            {
                long mine = loads.Sum(load => (long)load[e]) * bias.Columns;
                bias.Value.Span[e] += _options.RouterBiasSpeed * Math.Sign(total - mine);
            }
        }
    }

    private StepStatistics Statistics(Step[] steps, StepLosses[] losses, int tokens)
    {
        int layers = steps[0].ExpertLoad.Length;
        return new StepStatistics
        {
            Step = Steps,
            Loss = losses.Average(each => each.CrossEntropy),
            TextLoss = losses.Average(each => each.Text),
            AnswerLoss = losses.Average(each => each.Answers),
            MtpLoss = losses.Average(each => each.Mtp),
            Tokens = tokens,
            Elapsed = default,
            Rate = 0,
            TrunkNorm = 0,
            IndexerNorm = 0,
            ExpertShares = [.. Enumerable.Range(0, layers).Select(layer => Shares([.. steps.Select(s => s.ExpertLoad[layer]).Where(load => load is not null)]))],
            IndexerRecall = [.. Enumerable.Range(0, layers).Select(layer => steps.Average(s => s.Recall[layer]))],
            IndexerDivergence = [.. Enumerable.Range(0, layers).Select(layer => steps.Average(s => s.IndexerDivergence[layer]))],
        };
    }

    private static double[] Shares(int[][] loads) => loads.Length == 0 ? []
        : [.. Enumerable.Range(0, loads[0].Length).Select(e => loads.Sum(load => (double)load[e]) / loads.Sum(load => load.Sum()))];

    private void BeginAverage()
    {
        for (int i = 0; i < _average.Length; i++)
        {
            _parameters.Numbers[i].Value.CopyTo(_average[i]);
        }
    }

    private IReadOnlyList<Memory<float>> State() => [.. _muon.State, .. _adam.State, .. _average];
}
