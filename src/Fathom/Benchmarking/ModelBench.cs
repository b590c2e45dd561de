using System.Diagnostics;
using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Benchmarking;

/// <summary>
/// Reads prompts and writes tokens with a model and says how fast. Tokens are random and never come twice in a row of steps: the same token
/// again would find its experts in the processor's cache. Everything but the times follows from fixed seeds.
/// </summary>
/// <param name="subject">what runs</param>
/// <param name="transformer">the model, on <paramref name="device"/></param>
/// <param name="device">times the operations</param>
/// <param name="isMapped">whether the weights are mapped from a disk</param>
public sealed class ModelBench(BenchSubject subject, Transformer transformer, ProfilingDevice device, bool isMapped = false)
{
    private const ulong Seed = 70;
    private const int PromptRuns = 3;
    private const double PromptPatienceSeconds = 5;
    private const int StepsMost = 64;
    private const double StepPatienceSeconds = 3;
    private const double WarmUpSeconds = 0.5;
    private const int WarmUpLeast = 2;

    private readonly Batch _batch = new(transformer.MaxRows);

    /// <summary>Sections prefill, prefill layer and prefill operation: a prompt read from nothing, in batches of the model's largest size.</summary>
    /// <param name="tokens">of the prompt</param>
    public IReadOnlyList<BenchFigure> Prefill(int tokens)
    {
        Read(Math.Min(tokens, transformer.MaxRows)).Dispose();                            // compiles, and grows the device's scratch
        device.Clear();
        (double seconds, int runs) = Repetition.Median(PromptRuns, PromptPatienceSeconds, () => Read(tokens).Dispose());
        OperationCost all = BenchSections.All(device);
        double least = subject.Seconds((double)all.WeightBytes / runs, (double)all.Flops.Raw / runs);
        return
        [
            new BenchFigure("prefill", "speed", tokens, tokens / seconds, "tokens/s", tokens / least, runs),
            new BenchFigure("prefill", "arithmetic", tokens, (double)all.Flops.Raw / runs / seconds / 1e9, "GFLOPS", subject.Limits.FmaGflops, runs),
            .. BenchSections.PrefillLayers(subject, device, tokens, runs),
            .. BenchSections.Operations("prefill operation", subject, device, tokens, runs),
        ];
    }

    /// <summary>Sections decode, layer, full model and operation: single tokens behind a context.</summary>
    /// <param name="depth">tokens of the context</param>
    /// <param name="synthetic">whether the context is made rather than read</param>
    public IReadOnlyList<BenchFigure> Decode(int depth, bool synthetic)
    {
        using SequenceCache sequence = synthetic ? SyntheticCache.Create(transformer, device, depth) : Read(depth);
        int step = 0;
        long begin = Stopwatch.GetTimestamp();
        while (step < WarmUpLeast || (step < StepsMost && Stopwatch.GetElapsedTime(begin).TotalSeconds < WarmUpSeconds))
        {
            Step(sequence, step++);
        }
        device.ClearExperts();
        PageCounts? before = PageCounts.Read();
        var samples = new List<StepSample>();
        begin = Stopwatch.GetTimestamp();
        var total = new OperationCost[Enum.GetValues<DeviceOperation>().Length];
        do
        {
            device.Clear();
            long start = Stopwatch.GetTimestamp();
            Step(sequence, step++);
            samples.Add(StepSample.Take(device, Stopwatch.GetElapsedTime(start).TotalSeconds));
            for (int i = 0; i < total.Length; i++)
            {
                total[i] += device.Cost((DeviceOperation)i);
            }
        }
        while (samples.Count < StepsMost && Stopwatch.GetElapsedTime(begin).TotalSeconds < StepPatienceSeconds);
        PageCounts? after = PageCounts.Read();
        int used = Enumerable.Range(0, subject.Config.LayerCount).Sum(layer => device.ExpertsUsed(layer).Count);
        return
        [
            .. BenchSections.Decode(subject, samples, depth, used),
            .. isMapped && before is { } first && after is { } last ? BenchSections.Disk(subject, samples, depth, first, last) : [],
            .. BenchSections.Operations("operation", subject, total, depth, samples.Count),
        ];
    }

    // A new token each step: an odd stride meets every id of a vocabulary of 2ⁿ before it meets one again, and nearly all of any other.
    private void Step(SequenceCache sequence, int step)
    {
        const int Stride = 1_237;
        int first = RandomBits.Below(subject.Config.VocabularySize, Seed, (ulong)sequence.Length - (ulong)step);
        _batch.Clear();
        _batch.Add(sequence, [(int)((first + ((long)step * Stride)) % subject.Config.VocabularySize)], 1);
        transformer.Forward(_batch);
    }

    private SequenceCache Read(int tokens)
    {
        SequenceCache sequence = transformer.NewSequence();
        var ids = new int[Math.Min(tokens, transformer.MaxRows)];
        for (int done = 0; done < tokens; done += ids.Length)
        {
            Span<int> piece = ids.AsSpan(0, Math.Min(ids.Length, tokens - done));
            for (int i = 0; i < piece.Length; i++)
            {
                piece[i] = RandomBits.Below(subject.Config.VocabularySize, Seed + 1, (ulong)(done + i));
            }
            _batch.Clear();
            _batch.Add(sequence, piece, 1);
            transformer.Forward(_batch);
        }
        return sequence;
    }
}

/// <summary>One step's times.</summary>
/// <param name="Seconds">of the whole step</param>
/// <param name="Segments">seconds outside of the layers, then of each layer</param>
/// <param name="ExpertBytes">bytes of experts that the step read, shared ones included</param>
/// <param name="Counted">everything that the step computed and read</param>
internal sealed record StepSample(double Seconds, IReadOnlyList<double> Segments, long ExpertBytes, OperationCost Counted)
{
    public static StepSample Take(ProfilingDevice device, double seconds) => new(
        seconds,
        [.. Enumerable.Range(0, device.Layers + 1).Select(segment => device.Cost(segment).Seconds)],
        device.Cost(DeviceOperation.Experts).WeightBytes,
        BenchSections.All(device));
}
