using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Fathom.Server.Telemetry;

/// <summary>What one instrument has measured, apart for each set of labels. May be used from any thread.</summary>
internal sealed class MetricSeries
{
    private readonly string _name;
    private readonly string _help;
    private readonly string _type;
    private readonly bool _isTotal;             // a measurement is the whole, not what comes to it
    private readonly double[] _bounds;
    private readonly SortedDictionary<string, Sum> _sums = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    public MetricSeries(Instrument instrument)
    {
        _name = PrometheusNames.Of(instrument.Name);
        _help = instrument.Description ?? "";
        _isTotal = instrument.IsObservable;
        _bounds = [.. (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries ?? [], double.PositiveInfinity];
        _type = instrument is Histogram<double> ? "histogram" : _name.EndsWith("_total", StringComparison.Ordinal) ? "counter" : "gauge";
        if (!_name.Contains("requests_total", StringComparison.Ordinal) && !_name.Contains("success_total", StringComparison.Ordinal))
        {
            _sums[""] = new Sum(_bounds.Length);                                          // shown as 0 before the first measurement
        }
    }

    /// <summary>Takes a measurement.</summary>
    public void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string labels = Labels(tags);
        lock (_gate)
        {
            if (!_sums.TryGetValue(labels, out Sum? sum))
            {
                _sums[labels] = sum = new Sum(_bounds.Length);
            }
            sum.Value = _isTotal ? value : sum.Value + value;
            sum.Counts[_bounds.AsSpan().IndexOfAnyExceptInRange(double.NegativeInfinity, double.BitDecrement(value))]++;
        }
    }

    /// <summary>Writes all of it.</summary>
    /// <param name="text">to add to</param> <param name="label">of every line</param>
    public void Write(StringBuilder text, string label)
    {
        text.Append(CultureInfo.InvariantCulture, $"# HELP {_name} {_help}\n# TYPE {_name} {_type}\n");
        lock (_gate)
        {
            foreach ((string labels, Sum sum) in _sums)
            {
                if (_type == "histogram")
                {
                    WriteHistogram(text, label + labels, sum);
                }
                else
                {
                    text.Append(CultureInfo.InvariantCulture, $"{_name}{{{label}{labels}}} {PrometheusText.Number(sum.Value)}\n");
                }
            }
        }
    }

    private void WriteHistogram(StringBuilder text, string labels, Sum sum)
    {
        long count = 0;
        for (int i = 0; i < _bounds.Length; i++)
        {
            count += sum.Counts[i];
            text.Append(CultureInfo.InvariantCulture, $"{_name}_bucket{{{labels},le=\"{PrometheusText.Number(_bounds[i])}\"}} {count}\n");
        }
        text.Append(CultureInfo.InvariantCulture, $"{_name}_sum{{{labels}}} {PrometheusText.Number(sum.Value)}\n{_name}_count{{{labels}}} {count}\n");
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string labels = "";
        foreach ((string name, object? value) in tags)
        {
            if (PrometheusNames.IsLabel(name))
            {
                labels += $",{name}=\"{PrometheusText.Escaped(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")}\"";
            }
        }
        return labels;
    }

    private sealed class Sum(int buckets)
    {
        public double Value { get; set; }

        public long[] Counts { get; } = new long[buckets];
    }
}
