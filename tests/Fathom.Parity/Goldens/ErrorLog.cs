using Xunit;

namespace Fathom.Parity.Goldens;

/// <summary>Collects differences by name, prints the worst of each, and fails with numbers.</summary>
internal sealed class ErrorLog(string subject)
{
    private readonly Dictionary<string, Entry> _entries = [];

    /// <summary>Differences relative to max(floor, |golden|); an infinite floor leaves them absolute.</summary>
    public void Compare(string what, ReadOnlySpan<double> actual, ReadOnlySpan<double> golden, double tolerance, double floor = 1)
    {
        Assert.True(actual.Length == golden.Length, $"{subject} {what}: {actual.Length} values, expected {golden.Length}.");
        Entry entry = Find(what, tolerance);
        for (int i = 0; i < actual.Length; i++)
        {
            double difference = Math.Abs(actual[i] - golden[i]);
            entry.Add(double.IsInfinity(floor) ? difference : difference == 0 ? 0 : difference / Math.Max(floor, Math.Abs(golden[i])));
        }
    }

    public void Compare(string what, double[][] actual, double[][] golden, double tolerance, double floor = 1)
    {
        Assert.True(actual.Length == golden.Length, $"{subject} {what}: {actual.Length} rows, expected {golden.Length}.");
        for (int row = 0; row < actual.Length; row++) Compare(what, actual[row], golden[row], tolerance, floor);
    }

    /// <summary>Absolute differences, however large the values.</summary>
    public void CompareAbsolute(string what, double[][] actual, double[][] golden, double tolerance) =>
        Compare(what, actual, golden, tolerance, double.PositiveInfinity);

    /// <summary>Differences relative to the golden value or to the root mean square of all golden rows, whichever is larger.</summary>
    public void CompareRelative(string what, double[][] actual, double[][] golden, double tolerance)
    {
        double rms = Math.Sqrt(golden.SelectMany(row => row).Select(value => value * value).DefaultIfEmpty(0).Average());
        Compare(what, actual, golden, tolerance, Math.Max(rms, double.Epsilon));
    }

    public void CompareRelative(string what, double[] actual, double[] golden, double tolerance) =>
        CompareRelative(what, [actual], [golden], tolerance);

    /// <summary>A single number that must not exceed its limit.</summary>
    public void Limit(string what, double value, double limit) => Find(what, limit).Add(value);

    public void Same(string what, IEnumerable<int> actual, IEnumerable<int> golden)
    {
        int[] found = [.. actual];
        int[] expected = [.. golden];
        Assert.True(
            found.AsSpan().SequenceEqual(expected),
            $"{subject} {what}: found {string.Join(' ', found)}, expected {string.Join(' ', expected)}.");
    }

    /// <summary>Prints one line per name, then fails if any is above its tolerance.</summary>
    public void Finish()
    {
        List<string> failures = [];
        foreach ((string what, Entry entry) in _entries)
        {
            string line = $"{subject} {what}: worst {entry.Worst:E2}, mean {entry.Sum / Math.Max(1, entry.Count):E2}, allowed {entry.Tolerance:E2}";
            TestContext.Current.TestOutputHelper?.WriteLine(line);
            if (!(entry.Worst <= entry.Tolerance)) failures.Add(line);
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    private Entry Find(string what, double tolerance)
    {
        if (!_entries.TryGetValue(what, out Entry? entry)) _entries[what] = entry = new Entry(tolerance);
        return entry;
    }

    private sealed class Entry(double tolerance)
    {
        public double Tolerance => tolerance;

        public double Worst { get; private set; }

        public double Sum { get; private set; }

        public int Count { get; private set; }

        public void Add(double error)
        {
            // Max passes NaN on, and NaN is below no tolerance.
            Worst = Math.Max(Worst, error);
            Sum += error;
            Count++;
        }
    }
}
