using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Benchmarking;

/// <summary>From times and counts to figures, each beside its limit.</summary>
internal static class BenchSections
{
    private const double Milli = 1e3;
    private const string RestName = "rest";

    /// <summary>Everything since the device was cleared.</summary>
    public static OperationCost All(ProfilingDevice device)
    {
        OperationCost sum = default;
        for (int segment = 0; segment <= device.Layers; segment++)
        {
            sum += device.Cost(segment);
        }
        return sum;
    }

    /// <summary>Sections decode, layer and full model of steps at one depth.</summary>
    public static IEnumerable<BenchFigure> Decode(BenchSubject subject, IReadOnlyList<StepSample> samples, int depth, int expertsUsed)
    {
        int n = samples.Count;
        double seconds = Repetition.Middle([.. samples.Select(sample => sample.Seconds)]);
        double weights = subject.Inventory.BytesReadPerToken, cache = subject.Layers.Sum(plan => (double)subject.CacheBytes(plan, depth));
        double least = subject.Layers.Sum(plan => subject.LayerSeconds(subject.Inventory, plan, depth)) + subject.RestSeconds(subject.Inventory);
        yield return new BenchFigure("decode", "speed", depth, 1 / seconds, "tokens/s", 1 / least, n);
        yield return new BenchFigure("decode", "token", depth, seconds * Milli, "ms", least * Milli, n);
        yield return new BenchFigure("decode", "weights to read", depth, weights / 1e6, "MB");
        yield return new BenchFigure("decode", "cache to read", depth, cache / 1e6, "MB");
        OperationCost counted = samples.Aggregate(default(OperationCost), (sum, sample) => sum + sample.Counted);
        yield return new BenchFigure("decode", "weights counted", depth, counted.WeightBytes / 1e6 / n, "MB", null, n);
        yield return new BenchFigure("decode", "cache counted", depth, counted.CacheBytes / 1e6 / n, "MB", null, n);
        yield return new BenchFigure("decode", "operations counted", depth, counted.Flops.Raw / 1e6 / n, "MFLOP", null, n);
        yield return new BenchFigure("decode", "experts read", depth, samples.Average(sample => (double)sample.ExpertBytes) / 1e6, "MB", null, n);
        yield return new BenchFigure("decode", "routed experts used", depth, expertsUsed, "experts", subject.Config.LayerCount * (double)subject.Config.ExpertCount, n);
        yield return new BenchFigure("decode", "reading", depth, (weights + cache) / seconds / 1e9, "GB/s", subject.Limits.ReadGBps, n);

        Dictionary<AttentionKind, double> kinds = subject.Layers.GroupBy(plan => plan.Attention).ToDictionary(
            kind => kind.Key, kind => kind.Average(plan => Repetition.Middle([.. samples.Select(sample => sample.Segments[plan.Layer + 1])])));
        foreach ((AttentionKind kind, double time) in kinds)
        {
            LayerPlan plan = subject.Layers.First(layer => layer.Attention == kind);
            yield return new BenchFigure("layer", Name(kind), depth, time * Milli, "ms", subject.LayerSeconds(subject.Inventory, plan, depth) * Milli, n);
        }
        double rest = Repetition.Middle([.. samples.Select(sample => sample.Segments[ProfilingDevice.Rest])]);
        yield return new BenchFigure("layer", RestName, depth, rest * Milli, "ms", subject.RestSeconds(subject.Inventory) * Milli, n);
        if (Whole(subject, kinds, rest, scaleByBytes: true) is { } whole)
        {
            double wholeLeast = subject.FullLayers.Sum(plan => subject.LayerSeconds(subject.FullInventory, plan, depth)) + subject.RestSeconds(subject.FullInventory);
            yield return new BenchFigure("full model", "decode", depth, 1 / whole, "tokens/s", 1 / wholeLeast);
            yield return new BenchFigure("full model", "decode token", depth, whole * Milli, "ms", wholeLeast * Milli);
        }
    }

    /// <summary>What steps read from the disk, in section decode.</summary>
    public static IEnumerable<BenchFigure> Disk(BenchSubject subject, IReadOnlyList<StepSample> samples, int depth, PageCounts before, PageCounts after)
    {
        int n = samples.Count;
        double bytes = after.BytesRead - before.BytesRead, seconds = samples.Sum(sample => sample.Seconds);
        yield return new BenchFigure("decode", "read from disk", depth, bytes / n / 1e6, "MB", null, n);
        yield return new BenchFigure("decode", "disk", depth, bytes / seconds / 1e9, "GB/s", subject.DiskGBps, n);
        yield return new BenchFigure("decode", "major faults", depth, (double)(after.MajorFaults - before.MajorFaults) / n, "faults", null, n);
    }

    /// <summary>Sections prefill layer and full model.</summary>
    public static IEnumerable<BenchFigure> PrefillLayers(BenchSubject subject, ProfilingDevice device, int tokens, int runs)
    {
        Dictionary<AttentionKind, OperationCost> kinds = subject.Layers.GroupBy(plan => plan.Attention).ToDictionary(
            kind => kind.Key, kind => kind.Aggregate(default(OperationCost), (sum, plan) => sum + device.Cost(plan.Layer + 1)));
        var seconds = new Dictionary<AttentionKind, double>();
        foreach ((AttentionKind kind, OperationCost cost) in kinds)
        {
            double layers = runs * (double)subject.Layers.Count(plan => plan.Attention == kind);
            seconds[kind] = cost.Seconds / layers;
            yield return Figure(Name(kind), cost, layers);
        }
        OperationCost rest = device.Cost(ProfilingDevice.Rest);
        yield return Figure(RestName, rest, runs);
        if (Whole(subject, seconds, rest.Seconds / runs, scaleByBytes: false) is { } whole)
        {
            yield return new BenchFigure("full model", "prefill", tokens, tokens / whole, "tokens/s");
        }

        BenchFigure Figure(string name, in OperationCost cost, double count) => new(
            "prefill layer", name, tokens, cost.Seconds / count * Milli, "ms", subject.Seconds(cost.WeightBytes / count, cost.Flops.Raw / count) * Milli, runs);
    }

    /// <summary>A section of operations from the device's counts.</summary>
    public static IEnumerable<BenchFigure> Operations(string section, BenchSubject subject, ProfilingDevice device, int at, int runs) =>
        Operations(section, subject, [.. Enum.GetValues<DeviceOperation>().Select(device.Cost)], at, runs);

    /// <summary>Of each operation that was called: time, bytes and operations of one pass, means of all.</summary>
    public static IEnumerable<BenchFigure> Operations(string section, BenchSubject subject, IReadOnlyList<OperationCost> costs, int at, int runs)
    {
        foreach (DeviceOperation operation in Enum.GetValues<DeviceOperation>().Where(operation => costs[(int)operation].Calls > 0))
        {
            OperationCost cost = costs[(int)operation];
            string name = operation.ToString();
            double bytes = (double)cost.Bytes / runs, flops = (double)cost.Flops.Raw / runs;
            yield return new BenchFigure(section, name, at, cost.Seconds / runs * Milli, "ms", subject.Seconds(bytes, flops) * Milli, runs);
            yield return new BenchFigure(section, name + " calls", at, (double)cost.Calls / runs, "calls");
            yield return new BenchFigure(section, name + " bytes", at, bytes / 1e6, "MB");
            yield return new BenchFigure(section, name + " flops", at, flops / 1e6, "MFLOP");
        }
    }

    /// <summary>A kind of layer for people.</summary>
    public static string Name(AttentionKind kind) => kind switch
    {
        AttentionKind.Csa => "CSA",
        AttentionKind.Hca => "HCA",
        _ => "window",
    };

    // Seconds of the whole model: every layer takes what the layers of its kind took, or null where a kind was not measured. A single token
    // takes time by the bytes it reads, so its time is scaled to the whole router; behind the layers the head is nearly all.
    private static double? Whole(BenchSubject subject, Dictionary<AttentionKind, double> seconds, double rest, bool scaleByBytes)
    {
        double sum = rest * BenchSubject.RestBytes(subject.FullInventory) / BenchSubject.RestBytes(subject.Inventory);
        foreach (LayerPlan plan in subject.FullLayers)
        {
            if (!seconds.TryGetValue(plan.Attention, out double time))
            {
                return null;
            }
            int measured = subject.Layers.First(layer => layer.Attention == plan.Attention).Layer;
            sum += time * (scaleByBytes
                ? BenchSubject.LayerBytes(subject.FullInventory, plan.Layer) / (double)BenchSubject.LayerBytes(subject.Inventory, measured)
                : 1);
        }
        return sum;
    }
}
