using System.Diagnostics;

namespace Fathom.Benchmarking;

/// <summary>Does something several times and keeps the middle of the times.</summary>
internal static class Repetition
{
    /// <summary>
    /// Seconds of the median run. Runs once before, not counted, where that is short; then until <paramref name="most"/> runs or
    /// <paramref name="patienceSeconds"/> are over, at least once.
    /// </summary>
    /// <param name="most">runs</param>
    /// <param name="patienceSeconds">after this no new run begins</param>
    /// <param name="run">what is measured</param>
    public static (double Seconds, int Count) Median(int most, double patienceSeconds, Action run)
    {
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        do
        {
            long start = Stopwatch.GetTimestamp();
            run();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        while (times.Count < most && Stopwatch.GetElapsedTime(begin).TotalSeconds < patienceSeconds);
        return (Middle(times), times.Count);
    }

    /// <summary>The median.</summary>
    public static double Middle(IReadOnlyList<double> values)
    {
        double[] sorted = [.. values];
        Array.Sort(sorted);
        int half = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
}
