namespace Fathom.Train.Data;

/// <summary>A source and its share of the rows.</summary>
/// <param name="Source">where samples come from</param> <param name="Weight">relative to the others'</param>
/// <param name="MinLength">the source is left out while samples are shorter</param>
public sealed record WeightedSource(ISampleSource Source, double Weight, int MinLength = 0);

/// <summary>A part of the curriculum.</summary>
/// <param name="Steps">how many steps it lasts; the last stage lasts on</param> <param name="Length">rows of a sample</param>
/// <param name="Sources">what takes the sources' places meanwhile, each going on where the other is; null for the sampler's own</param>
public sealed record LengthStage(long Steps, int Length, IReadOnlyList<WeightedSource>? Sources = null);

/// <summary>Where a sampler stands; with the same sources and settings it continues from here exactly.</summary>
/// <param name="Step">batches drawn</param> <param name="Draws">draws from any source</param> <param name="Drawn">rows drawn from each source</param>
public sealed record SamplerState(long Step, long Draws, IReadOnlyList<long> Drawn);

/// <summary>
/// Draws batches of a fixed number of rows from several sources. The mixture is kept by an even sequence, not by chance, so any stretch of a
/// run has it. Not safe for several threads.
/// </summary>
public sealed class BatchSampler
{
    private readonly WeightedSource[] _sources;
    private readonly LengthStage[] _stages;
    private readonly int _batchRows;
    private readonly ulong _seed;
    private readonly long[] _drawn;
    private long _step;
    private long _draws;

    /// <param name="sources">at least one; names tell them apart</param> <param name="stages">the curriculum, at least one stage</param>
    /// <param name="batchRows">rows of a batch, a multiple of every stage's length</param> <param name="seed">of the run</param>
    /// <param name="state">where to continue; null is the beginning</param>
    /// <exception cref="ArgumentException">The settings contradict each other, or the state belongs to other sources.</exception>
    public BatchSampler(IReadOnlyList<WeightedSource> sources, IReadOnlyList<LengthStage> stages, int batchRows, ulong seed, SamplerState? state = null)
    {
        _sources = [.. sources];
        _stages = [.. stages];
        _batchRows = batchRows;
        _seed = seed;
        _drawn = state is null ? new long[_sources.Length] : [.. state.Drawn];
        _step = state?.Step ?? 0;
        _draws = state?.Draws ?? 0;
        if (_drawn.Length != _sources.Length)
            throw new ArgumentException($"The state knows {_drawn.Length} sources, found {_sources.Length}. Is it another run's?", nameof(state));
        if (_stages.Length == 0)
            throw new ArgumentException("The curriculum has no stage; expected at least one length.", nameof(stages));
        foreach (LengthStage stage in _stages)
        {
            IReadOnlyList<WeightedSource> drawn = stage.Sources ?? _sources;
            if (drawn.Count != _sources.Length)
                throw new ArgumentException($"A stage has {drawn.Count} sources, expected the {_sources.Length} of the others.", nameof(stages));
            if (drawn.FirstOrDefault(source => !(source.Weight > 0)) is WeightedSource unweighted)
                throw new ArgumentException($"{unweighted.Source.Name}: expected a weight above 0, found {unweighted.Weight}.", nameof(sources));
            if (stage.Length < 2 || batchRows % stage.Length != 0)
                throw new ArgumentException($"A batch of {batchRows} rows does not hold whole samples of {stage.Length}.", nameof(stages));
            if (!drawn.Any(source => source.MinLength <= stage.Length))
                throw new ArgumentException($"No source has samples of {stage.Length} rows.", nameof(stages));
        }
    }

    /// <summary>Where the sampler stands now.</summary>
    public SamplerState State => new(_step, _draws, [.. _drawn]);

    /// <summary>Rows of the next batch's samples.</summary>
    public int Length => _stages[Stage].Length;

    /// <summary>The next batch's stage.</summary>
    public int Stage
    {
        get
        {
            int stage = 0;
            for (long step = _step; stage < _stages.Length - 1 && step >= _stages[stage].Steps; stage++)
                step -= _stages[stage].Steps;

            return stage;
        }
    }

    /// <summary>The next batch: samples of together at most the batch's rows.</summary>
    public IReadOnlyList<TrainingSample> Next()
    {
        var batch = new List<TrainingSample>();
        int length = Length;
        IReadOnlyList<WeightedSource> sources = _stages[Stage].Sources ?? _sources;
        for (int rows = 0; rows < _batchRows; rows += length)
        {
            int source = NextSource(sources, length);
            ulong seed = SeededRandom.Mix(unchecked(_seed + (ulong)source));
            batch.AddRange(sources[source].Source.Draw(seed, _drawn[source], length));
            _drawn[source] += length;
        }

        _step++;
        return batch;
    }

    /// <summary>Multiples of the golden ratio fill the unit interval evenly from anywhere, so every stretch of draws has the shares.</summary>
    private int NextSource(IReadOnlyList<WeightedSource> sources, int length)
    {
        const ulong GoldenRatio = 0x9E3779B97F4A7C15;
        double total = 0;
        foreach (WeightedSource source in sources)
            total += source.MinLength <= length ? source.Weight : 0;

        double place = unchecked(SeededRandom.Mix(_seed) + (ulong)_draws++ * GoldenRatio) * Math.ScaleB(total, -64);
        int last = -1;
        for (int i = 0; i < sources.Count; i++)
        {
            if (sources[i].MinLength > length)
                continue;
            last = i;
            place -= sources[i].Weight;
            if (place < 0)
                break;
        }

        return last;
    }
}
