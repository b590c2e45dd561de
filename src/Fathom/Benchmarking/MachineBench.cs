using Fathom.Devices;
using Fathom.Model;
using Fathom.Planning;
using Fathom.Tensors;

namespace Fathom.Benchmarking;

/// <summary>How much is done to measure the machine.</summary>
/// <param name="MachineRounds">rounds of each ceiling, of which the best counts</param>
/// <param name="Width">outputs and inputs of the matrices that products are measured with, whatever the model</param>
/// <param name="StackBytes">bytes of weights that a product of one row reads; beyond the caches, so that it reads memory</param>
/// <param name="ProductRuns">runs of each product, of which the median counts</param>
public sealed record BenchEffort(int MachineRounds, int Width, long StackBytes, int ProductRuns)
{
    /// <summary>For figures that are to be believed; the width is that of V4-Flash.</summary>
    public static BenchEffort Usual { get; } = new(MachineRates.Rounds, 4096, 256L << 20, 5);

    /// <summary>To see that everything works.</summary>
    public static BenchEffort Quick { get; } = new(1, 512, 0, 1);
}

/// <summary>The machine's ceilings, and the matrix products beside them.</summary>
public static class MachineBench
{
    private const double PatienceSeconds = 3;
    private const int PromptRows = 512;

    /// <summary>Section machine: reading with usual and with huge pages, multiply-adds of singles and of bytes, with one thread and with all.</summary>
    /// <param name="threads">all threads</param> <param name="effort">how often</param>
    /// <returns>the figures, and the limits for everything else: the faster kind of pages, all threads</returns>
    public static (IReadOnlyList<BenchFigure> Figures, MachineRates Limits) Ceilings(int threads, BenchEffort effort)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentNullException.ThrowIfNull(effort);
        int rounds = effort.MachineRounds;
        var figures = new List<BenchFigure>();
        double read = 0, fma = 0;
        foreach (int count in threads == 1 ? (ReadOnlySpan<int>)[1] : [1, threads])
        {
            double small = MachineRates.MeasureRead(count, PageKind.Small, rounds), huge = MachineRates.MeasureRead(count, PageKind.Huge, rounds);
            (read, fma) = (Math.Max(small, huge), MachineRates.MeasureFma(count, rounds));
            figures.Add(new BenchFigure("machine", "read", count, small, "GB/s", null, rounds));
            figures.Add(new BenchFigure("machine", "read huge pages", count, huge, "GB/s", null, rounds));
            figures.Add(new BenchFigure("machine", "multiply-add fp32", count, fma, "GFLOPS", null, rounds));
            figures.Add(new BenchFigure("machine", "multiply-add int8", count, MachineRates.MeasureInt8(count, rounds), "GOPS", null, rounds));
        }
        return (figures, new MachineRates(read, fma, threads));
    }

    /// <summary>
    /// Section product: a device's matrix products in one number format, of one row and of 512. Those of a fast device say so in their name, and have
    /// no limit with 512 rows: it is that of another kind of multiply-adds.
    /// </summary>
    /// <param name="device">computes</param> <param name="format">of the weights</param> <param name="limits">of the machine</param>
    /// <param name="effort">how much and how often</param>
    public static IReadOnlyList<BenchFigure> Products(Device device, WeightFormat format, MachineRates limits, BenchEffort effort)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(effort);
        int width = effort.Width, count = (int)Math.Max(1, effort.StackBytes / WeightMatrix.BytesOfStack(format, 1, width, width));
        WeightMatrix stack = Pack(device, format, count, width);
        using Storage weights = stack.Storage;
        using Storage inputs = device.Allocate((long)Math.Max(count, PromptRows) * width * sizeof(float), MemoryPurpose.Activations);
        using Storage outputs = device.Allocate(inputs.Bytes, MemoryPurpose.Activations);
        var values = new float[inputs.Bytes / sizeof(float)];
        RandomBits.FillUnit(values, seed: 1);
        device.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values), new Tensor(inputs, 0, DType.F32, 1, 1, values.Length));

        Tensor x = View(inputs, 1, count * width), y = View(outputs, 1, count * width);
        (double seconds, int runs) = Measure(effort, () => device.GroupedMatMul(stack, x, y));
        double bytes = (double)count * stack.Panels * stack.PanelBytes;
        bool isExact = device.NumericMode == NumericMode.Exact;
        string name = format.ToString().ToLowerInvariant() + (isExact ? "" : " fast");
        var one = new BenchFigure("product", name, 1, bytes / seconds / 1e9, "GB/s", limits.ReadGBps, runs);

        Tensor rows = View(inputs, PromptRows, width), results = View(outputs, PromptRows, width);
        WeightMatrix single = stack with { Count = 1 };
        (seconds, runs) = Measure(effort, () => device.MatMul(single, rows, results));
        double flops = 2.0 * PromptRows * width * width;
        return [one, new BenchFigure("product", name, PromptRows, flops / seconds / 1e9, "GFLOPS", isExact ? limits.FmaGflops : null, runs)];
    }

    private static (double Seconds, int Count) Measure(BenchEffort effort, Action run)
    {
        run();                                                                            // compiles, and grows the device's scratch
        return Repetition.Median(effort.ProductRuns, PatienceSeconds, run);
    }

    private static WeightMatrix Pack(Device device, WeightFormat format, int count, int width)
    {
        WeightRole role = format switch
        {
            WeightFormat.F32 => WeightRole.Exact,
            WeightFormat.Bf16 => WeightRole.Plain,
            WeightFormat.Fp8 => WeightRole.Linear,
            _ => WeightRole.Expert,
        };
        ExpectedWeight[] weights = [.. Enumerable.Range(0, count).Select(i =>
            new ExpectedWeight(new WeightKey(WeightPart.ExpertGate, 0, i), "product", role, width, width, IsVector: false))];
        using var source = new SyntheticWeights(weights, SyntheticFormat.Official, experts: 1);
        return device.Pack([.. weights.Select(source.Read).Select(stored => new RawMatrix(stored.Values, stored.Scales))]);
    }

    private static Tensor View(Storage storage, int rows, int columns) => new(storage, 0, DType.F32, 1, rows, columns);
}
