using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Fathom.Server.Telemetry;

/// <summary>Adds up what the instruments of one meter measure, and writes it as Prometheus reads it. May be used from any thread.</summary>
internal sealed class PrometheusText : IDisposable
{
    /// <summary>The text's type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly MeterListener _listener = new();
    private readonly List<MetricSeries> _series = [];
    private readonly Lock _gate = new();

    /// <summary>Begins to listen; instruments that are made afterwards are heard too.</summary>
    public PrometheusText(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter == meter)
            {
                var series = new MetricSeries(instrument);
                lock (_gate)
                {
                    _series.Add(series);
                }
                listener.EnableMeasurementEvents(instrument, series);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, series) => ((MetricSeries)series!).Add(value, tags));      // given above
        _listener.SetMeasurementEventCallback<double>((_, value, tags, series) => ((MetricSeries)series!).Add(value, tags));
        _listener.Start();
    }

    /// <summary>The text as it is now.</summary>
    /// <param name="model">a label of every line; empty while no model is loaded</param>
    public string Write(string model)
    {
        string label = $"model_name=\"{Escaped(model)}\"";
        var text = new StringBuilder();
        _listener.RecordObservableInstruments();
        lock (_gate)
        {
            foreach (MetricSeries series in _series)
            {
                series.Write(text, label);
            }
        }
        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>A number as Prometheus reads it.</summary>
    public static string Number(double value) => double.IsPositiveInfinity(value) ? "+Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    /// <summary>A label's value between quotation marks.</summary>
    public static string Escaped(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
