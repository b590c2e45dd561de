using Microsoft.Extensions.Logging;

namespace Fathom.Server.Telemetry;

/// <summary>The line of a request. Nothing in it comes from the client but the name of its key, which the operator gave.</summary>
internal static partial class RequestLog
{
    /// <summary>A request was answered, or its client left. Times in seconds.</summary>
    [LoggerMessage(1, LogLevel.Information, "{Id} {Dialect} {Status} {Finish}, key {Key}, tokens read {Read} cached {Cached} written {Written} reasoning {Reasoning}, "
        + "seconds {Total:F3} queued {Queued:F3} reading {Reading:F3} writing {Writing:F3}")]
    public static partial void Answered(
        ILogger logger, string id, string dialect, int status, string finish, string key, int read, int cached, int written, int reasoning, double total,
        double queued, double reading, double writing);
}
