using System.Diagnostics;

namespace Fathom.Server.Telemetry;

/// <summary>Names under which a server is observed. What is observed holds no text of a client, no path and no key; keys are called by their names, in log lines alone.</summary>
public static class ServerTelemetry
{
    /// <summary>Name of the <see cref="System.Diagnostics.Metrics.Meter"/> and of the <see cref="ActivitySource"/>.</summary>
    public const string Name = "Fathom";

    internal static ActivitySource Source { get; } = new(Name);
}
