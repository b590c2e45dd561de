using System.Text.Json;
using Fathom.Server.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Fathom.Cli;

/// <summary>Where a server's log lines, traces and metrics go: to stderr, and to a collector where the environment names one.</summary>
internal sealed class ServeObservation : IDisposable
{
    public const string Text = "text";
    public const string Json = "json";
    public const string None = "none";

    // OpenTelemetry's own variable; the exporter reads it and its kin.
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string ServiceVariable = "OTEL_SERVICE_NAME";
    private const string Service = "fathom";

    private readonly TracerProvider? _traces;
    private readonly MeterProvider? _metrics;
    private readonly ServiceProvider? _logging;

    /// <param name="log"><see cref="Text"/>, <see cref="Json"/> or <see cref="None"/></param>
    public ServeObservation(string log)
    {
        if (log != None)
        {
            _logging = new ServiceCollection().AddLogging(logging => AddConsole(logging, isJson: log == Json)).BuildServiceProvider();
        }
        if (Environment.GetEnvironmentVariable(EndpointVariable) is { Length: > 0 })
        {
            string service = Environment.GetEnvironmentVariable(ServiceVariable) ?? Service;
            _traces = Sdk.CreateTracerProviderBuilder().AddSource(ServerTelemetry.Name).ConfigureResource(resource => resource.AddService(service)).AddOtlpExporter().Build();
            _metrics = Sdk.CreateMeterProviderBuilder().AddMeter(ServerTelemetry.Name).ConfigureResource(resource => resource.AddService(service)).AddOtlpExporter().Build();
        }
    }

    /// <summary>Gets the lines; null for none.</summary>
    public ILoggerFactory? Logging => _logging?.GetRequiredService<ILoggerFactory>();

    /// <summary>Sends what is left.</summary>
    public void Dispose()
    {
        _traces?.Dispose();
        _metrics?.Dispose();
        _logging?.Dispose();
    }

    private static void AddConsole(ILoggingBuilder logging, bool isJson)
    {
        logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        if (isJson)
        {
            logging.AddJsonConsole(json =>
            {
                json.UseUtcTimestamp = true;
                json.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
                json.JsonWriterOptions = new JsonWriterOptions { Indented = false };
            });
        }
        else
        {
            logging.AddSimpleConsole(simple =>
            {
                simple.SingleLine = true;
                simple.ColorBehavior = LoggerColorBehavior.Disabled;
                simple.TimestampFormat = "HH:mm:ss ";
            });
        }
    }
}
