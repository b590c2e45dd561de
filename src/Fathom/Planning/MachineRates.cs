using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Fathom.Planning;

/// <summary>What this machine can do at most, measured in about a second: the two limits of every forecast.</summary>
/// <param name="ReadGBps">Memory read by all threads together, in 10⁹ bytes per second.</param>
/// <param name="FmaGflops">Fused multiply-adds in registers by all threads together, in 10⁹ operations per second, two for each.</param>
/// <param name="Threads">Threads that measured.</param>
public sealed record MachineRates(double ReadGBps, double FmaGflops, int Threads)
{
    private const int BytesPerThread = 128 << 20;
    private const long BytesTogether = 2L << 30;         // beyond any cache that many threads share
    private const int ReadRounds = 40;
    private const int FmaRounds = 40;
    private const int FmaSteps = 2_000_000;
    private const int Accumulators = 8;                  // enough to hide the latency of two FMA units

    /// <summary>Measures with <paramref name="threads"/> threads; takes 128 MB of memory for each, at most 2 GB, while it runs. The best of many rounds counts.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one thread.</exception>
    public static MachineRates Measure(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        int bytes = BytesPerThread;
        while ((long)bytes * threads > BytesTogether)
            bytes /= 2;
        double seconds = BestRound(threads, ReadRounds, () => MakeReader(bytes));
        double readGBps = (double)threads * bytes / seconds / 1e9;
        seconds = BestRound(threads, FmaRounds, () => () => MultiplyAdd(FmaSteps));
        double flops = (double)threads * FmaSteps * Accumulators * Vector512<float>.Count * 2;
        return new MachineRates(readGBps, flops / seconds / 1e9, threads);
    }

    /// <summary>Bytes of memory that are free now or hold only pages of files; less where a container sets a limit.</summary>
    public static long MeasureMemoryAvailable()
    {
        GC.Collect();                                    // the runtime looks at the machine's memory when it collects
        GCMemoryInfo info = GC.GetGCMemoryInfo(GCKind.Any);
        return Math.Max(0, info.TotalAvailableMemoryBytes - info.MemoryLoadBytes);
    }

    private static Func<float> MakeReader(int bytes)
    {
        float[] memory = new float[bytes / sizeof(float)];
        Array.Fill(memory, 1f);                          // pages that were never written are not memory
        return () => Sum(memory);
    }

    /// <summary>Seconds of the fastest round; in each, all threads start together and the slowest decides.</summary>
    private static double BestRound(int threads, int rounds, Func<Func<float>> makeWork)
    {
        using var start = new Barrier(threads);
        long[] begun = new long[threads];
        long[] ended = new long[threads];
        float[] results = new float[threads];
        double best = double.PositiveInfinity;
        var workers = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int worker = i;
            workers[worker] = new Thread(() =>
            {
                Func<float> work = makeWork();
                for (int round = 0; round < rounds; round++)
                {
                    start.SignalAndWait();
                    begun[worker] = Stopwatch.GetTimestamp();
                    results[worker] += work();
                    ended[worker] = Stopwatch.GetTimestamp();
                    start.SignalAndWait();
                    if (worker == 0)
                        best = Math.Min(best, Stopwatch.GetElapsedTime(begun.Min(), ended.Max()).TotalSeconds);
                    start.SignalAndWait();
                }
            })
            { IsBackground = true };
            workers[worker].Start();
        }

        foreach (Thread worker in workers)
            worker.Join();
        GC.KeepAlive(results);
        return best;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Sum(float[] memory)
    {
        // Four streams a quarter apart: the processor fetches ahead in each, and stops at every page of one.
        nuint quarter = (nuint)memory.Length / 4;
        ref float first = ref MemoryMarshal.GetArrayDataReference(memory);
        Vector512<float> a = default, b = default, c = default, d = default;
        for (nuint i = 0; i < quarter; i += (nuint)Vector512<float>.Count)        // the length is a power of two
        {
            a += Vector512.LoadUnsafe(ref first, i);
            b += Vector512.LoadUnsafe(ref first, i + quarter);
            c += Vector512.LoadUnsafe(ref first, i + 2 * quarter);
            d += Vector512.LoadUnsafe(ref first, i + 3 * quarter);
        }

        return Vector512.Sum(a + b + (c + d));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAdd(int steps)
    {
        Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
        Vector512<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y;
        for (int i = 0; i < steps; i++)
        {
            a = Vector512.MultiplyAddEstimate(a, x, y);
            b = Vector512.MultiplyAddEstimate(b, x, y);
            c = Vector512.MultiplyAddEstimate(c, x, y);
            d = Vector512.MultiplyAddEstimate(d, x, y);
            e = Vector512.MultiplyAddEstimate(e, x, y);
            f = Vector512.MultiplyAddEstimate(f, x, y);
            g = Vector512.MultiplyAddEstimate(g, x, y);
            h = Vector512.MultiplyAddEstimate(h, x, y);
        }

        return Vector512.Sum(a + b + c + d + (e + f + g + h));
    }
}
