using Fathom.Tensors;

namespace Fathom.Planning;

/// <summary>What this machine can do at most, measured in about a second: the two limits of every forecast.</summary>
/// <param name="ReadGBps">Memory read by all threads together, in 10⁹ bytes per second.</param>
/// <param name="FmaGflops">Fused multiply-adds in registers by all threads together, in 10⁹ operations per second, two for each.</param>
/// <param name="Threads">Threads that measured.</param>
public sealed record MachineRates(double ReadGBps, double FmaGflops, int Threads)
{
    private const int BytesPerThread = 128 << 20;
    private const int BytesLeast = 2 << 20;              // a huge page
    private const long BytesTogether = 2L << 30;         // beyond any cache that many threads share
    internal const int Rounds = 40;
    private const int Steps = 2_000_000;

    /// <summary>Measures with <paramref name="threads"/> threads; takes 128 MB of memory for each, at most 2 GB, while it runs. The best of many rounds counts.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one thread.</exception>
    public static MachineRates Measure(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        return new MachineRates(MeasureRead(threads, PageKind.Small, Rounds), MeasureFma(threads, Rounds), threads);
    }

    /// <summary>10⁹ bytes per second that all threads read together.</summary>
    internal static double MeasureRead(int threads, PageKind pages, int rounds)
    {
        int bytes = BytesPerThread;
        while ((long)bytes * threads > BytesTogether && bytes > BytesLeast)
            bytes /= 2;
        double seconds = MachineRounds.Best(threads, rounds, () =>
        {
            var memory = PageMemory.Allocate(bytes, pages);
            return new MachineWork(() => MachineLoops.Sum(memory.Floats), memory);
        });
        return (double)threads * bytes / seconds / 1e9;
    }

    /// <summary>10⁹ operations per second in fused multiply-adds of singles, two for each.</summary>
    internal static double MeasureFma(int threads, int rounds) =>
        Rate(threads, rounds, MachineLoops.MultiplyAddOperations, () => MachineLoops.MultiplyAdd(Steps));

    /// <summary>10⁹ operations per second in multiply-adds of bytes, two for each.</summary>
    internal static double MeasureInt8(int threads, int rounds) =>
        Rate(threads, rounds, MachineLoops.MultiplyAddBytesOperations, () => MachineLoops.MultiplyAddBytes(Steps));

    private static double Rate(int threads, int rounds, int operations, Func<float> run) =>
        (double)threads * Steps * operations / MachineRounds.Best(threads, rounds, () => new MachineWork(run)) / 1e9;
}
