namespace Fathom.Train.Data;

/// <summary>A source and its share of the rows.</summary>
/// <param name="Source">where samples come from</param> <param name="Weight">relative to the others'</param>
/// <param name="MinLength">the source is left out while samples are shorter</param>
public sealed record WeightedSource(ISampleSource Source, double Weight, int MinLength = 0);

/// <summary>A part of the curriculum.</summary>
/// <param name="Steps">how many steps it lasts; the last stage lasts on</param> <param name="Length">rows of a sample</param>
public sealed record LengthStage(long Steps, int Length);

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
        if (Array.Find(_sources, source => !(source.Weight > 0)) is WeightedSource unweighted)
            throw new ArgumentException($"{unweighted.Source.Name}: expected a weight above 0, found {unweighted.Weight}.", nameof(sources));
        foreach (LengthStage stage in _stages)
        {
            if (stage.Length < 2 || batchRows % stage.Length != 0)
                throw new ArgumentException($"A batch of {batchRows} rows does not hold whole samples of {stage.Length}.", nameof(stages));
            if (!_sources.Any(source => source.MinLength <= stage.Length))
                throw new ArgumentException($"No source has samples of {stage.Length} rows.", nameof(stages));
        }
    }

    /// <summary>Where the sampler stands now.</summary>
    public SamplerState State => new(_step, _draws, [.. _drawn]);

    /// <summary>Rows of the next batch's samples.</summary>
    public int Length
    {
        get
        {
            long step = _step;
            foreach (LengthStage stage in _stages.AsSpan(0, _stages.Length - 1))
            {
                if (step < stage.Steps)
                    return stage.Length;
                step -= stage.Steps;
            }

            return _stages[^1].Length;
        }
    }

    /// <summary>The next batch: samples of together at most the batch's rows.</summary>
    public IReadOnlyList<TrainingSample> Next()
    {
        var batch = new List<TrainingSample>();
        int length = Length;
        for (int rows = 0; rows < _batchRows; rows += length)
        {
            int source = NextSource(length);
            ulong seed = SeededRandom.Mix(unchecked(_seed + (ulong)source));
            batch.AddRange(_sources[source].Source.Draw(seed, _drawn[source], length));
            _drawn[source] += length;
        }

        _step++;
        return batch;
    }

    /// <summary>Multiples of the golden ratio fill the unit interval evenly from anywhere, so every stretch of draws has the shares.</summary>
    private int NextSource(int length)
    {
        const ulong GoldenRatio = 0x9E3779B97F4A7C15;
        double total = 0;
        foreach (WeightedSource source in _sources)
            total += source.MinLength <= length ? source.Weight : 0;

        double place = unchecked(SeededRandom.Mix(_seed) + (ulong)_draws++ * GoldenRatio) * Math.ScaleB(total, -64);
        int last = -1;
        for (int i = 0; i < _sources.Length; i++)
        {
            if (_sources[i].MinLength > length)
                continue;
            last = i;
            place -= _sources[i].Weight;
            if (place < 0)
                break;
        }

        return last;
    }
}
