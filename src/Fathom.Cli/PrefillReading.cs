using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Fathom.Cache;
using Fathom.Engine;
using Fathom.Planning;
using Fathom.Tensors;

namespace Fathom.Cli;

/// <summary>Reads a long text into a store, tells how long it will take, and how long it took.</summary>
internal sealed class PrefillReading(ModelSession session, PrefixStore store, int[] tokens, int checkpoint, bool quiet)
{
    private const string CsvHeader = "tokens,seconds,tokensPerSecond,residentBytes,cacheBytes\n";

    // A forecast waits so long, or for half of a short text: writing what was read to the disk now and then takes as long as a thousand tokens of a small model.
    private const double EnoughSeconds = 1;

    private readonly StringBuilder _csv = new(CsvHeader);
    private readonly ReadingForecast _costs = new(session.Model.Config);
    private int _stored;
    private double _seconds;
    private double? _forecast;

    /// <summary>Tokens, seconds and memory along the way.</summary>
    public string Csv => _csv.ToString();

    /// <exception cref="RequestException">stopped; what was read is stored</exception>
    public void Run(CancellationToken cancellation)
    {
        using var generator = new Generator(session.Model, session.Device, session.Model.Config.MaxPositions, store.HasDrafts);
        var progress = new ReadingProgress(tokens.Length, quiet);
        long begin = Stopwatch.GetTimestamp();
        (int Tokens, double Seconds) last = default, sample = default;
        try
        {
            generator.Read(tokens, store, TimeSpan.Zero, Found, Report, cancellation, checkpoint);
        }
        catch (OperationCanceledException)
        {
            progress.End();
            throw new RequestException(string.Create(
                CultureInfo.InvariantCulture, $"Stopped at {generator.Length:N0} of {tokens.Length:N0} tokens, which are stored. Give the same command again to go on."));
        }

        progress.End();
        _seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;

        void Found(int found)
        {
            _stored = found;
            last = (found, 0);
            progress.Found(found);
            Tell($"{tokens.Length:N0} tokens, {found:N0} of them stored already");
        }

        void Report(int done)
        {
            double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            if (sample.Tokens == 0 && done >= _stored + ReadingSample.WarmUpTokens)
            {
                sample = (done, seconds);
            }
            else if (_forecast is null && sample.Tokens > 0 && done >= sample.Tokens + ReadingSample.PartTokens
                && (seconds - sample.Seconds >= EnoughSeconds || 2 * done >= tokens.Length))
            {
                _forecast = seconds + _costs.Seconds(done, tokens.Length, sample.Tokens, done, seconds - sample.Seconds);
                Tell($"forecast by the first {done - _stored:N0} tokens: {_forecast:N0} s");
            }

            progress.Report(done);
            if (done % checkpoint == 0 || done == tokens.Length)
            {
                double speed = (done - last.Tokens) / Math.Max(1e-9, seconds - last.Seconds);
                _csv.Append(CultureInfo.InvariantCulture, $"{done},{seconds:F2},{speed:F1},{Environment.WorkingSet},{Storage.LiveBytes(MemoryPurpose.Cache)}\n");
                last = (done, seconds);
            }
        }
    }

    public void WriteJson(Utf8JsonWriter json, string name)
    {
        json.WriteString("pin", name);
        json.WriteNumber("tokens", tokens.Length);
        json.WriteNumber("cachedTokens", _stored);
        json.WriteNumber("seconds", _seconds);
        if (_forecast is { } forecast)
            json.WriteNumber("forecastSeconds", forecast);
        json.WriteNumber("bytesWritten", store.Statistics.BytesWritten);
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{tokens.Length:N0} tokens, {tokens.Length - _stored:N0} of them read in {_seconds:N1} s{Forecast}, {store.Statistics.BytesWritten:N0} B written");

    private string Forecast => _forecast is { } forecast ? string.Create(CultureInfo.InvariantCulture, $" (forecast {forecast:N0})") : "";

    private void Tell(FormattableString line)
    {
        if (!quiet)
            Console.Error.WriteLine(line.ToString(CultureInfo.InvariantCulture));
    }
}
