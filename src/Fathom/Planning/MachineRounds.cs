using System.Diagnostics;

namespace Fathom.Planning;

/// <summary>Work that all threads do at once, round after round.</summary>
internal static class MachineRounds
{
    /// <summary>Seconds of the fastest round; in each, all threads start together and the slowest decides.</summary>
    /// <param name="threads">threads that work</param>
    /// <param name="rounds">rounds</param>
    /// <param name="makeWork">makes the work of one thread, on that thread; disposed when all rounds are over</param>
    public static double Best(int threads, int rounds, Func<MachineWork> makeWork)
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
                using MachineWork work = makeWork();
                for (int round = 0; round < rounds; round++)
                {
                    start.SignalAndWait();
                    begun[worker] = Stopwatch.GetTimestamp();
                    results[worker] += work.Run();
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
}

/// <summary>One thread's work of a round, and what it works on.</summary>
/// <param name="run">the work; its result keeps the compiler from leaving it out</param>
/// <param name="memory">disposed with the work, or null</param>
internal sealed class MachineWork(Func<float> run, IDisposable? memory = null) : IDisposable
{
    public float Run() => run();

    public void Dispose() => memory?.Dispose();
}
