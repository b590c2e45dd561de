using Fathom.Server.Telemetry;
using Fathom.Serving;
using Microsoft.AspNetCore.Http;

namespace Fathom.Server;

/// <summary>Who asks.</summary>
/// <param name="Key">name of the key; null where the server has none</param>
internal sealed record Caller(string? Key)
{
    private const int UserBytesMax = 512;

    /// <summary>Whose caches: those of the key, and of the end user where the client names one.</summary>
    public string Tenant(string? user) => $"{Key}\n{Checked(user)}";

    /// <summary>Whose share of the engine's time: the key's, or the end user's where there are no keys.</summary>
    public string Holder(string? user) => Key ?? Checked(user) ?? "";

    private static string? Checked(string? user) => user is null || System.Text.Encoding.UTF8.GetByteCount(user) <= UserBytesMax ? user
        : throw new RequestErrorException(ErrorReason.OutOfRange, $"user_id: expected at most {UserBytesMax} bytes, found "
            + $"{System.Text.Encoding.UTF8.GetByteCount(user)}.", "user_id");
}

/// <summary>One request whose sender is known, and what answers it.</summary>
internal sealed record Exchange(HttpContext Http, ServingEngine Engine, Caller Caller, ServerOptions Options)
{
    // Ignored things are told, not hidden.
    private const string IgnoredHeader = "x-fathom-ignored";

    // Some clients and proxies take no header of more than a few kilobytes.
    private const int IgnoredBytesMax = 2048;
    private const string WithoutReasoningHeader = "x-fathom-turns-without-reasoning";

    /// <summary>Bodies of all requests.</summary>
    public required BodyBudget Bodies { get; init; }

    /// <summary>What observes the request.</summary>
    public required RequestWatch Watch { get; init; }

    /// <summary>Ends when the client leaves or the server stops.</summary>
    public CancellationToken Cancellation => Http.RequestAborted;

    /// <summary>Says in the response's header what of the request has no effect.</summary>
    public void TellIgnored(IReadOnlyCollection<string> names)
    {
        if (names.Count > 0)
        {
            // Names come from the client: what no header may hold is left out.
            IEnumerable<string> safe = names.Select(name => string.Concat(name.Where(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-')));
            string all = string.Join(", ", safe.Where(name => name.Length > 0));
            Http.Response.Headers[IgnoredHeader] = all.Length > IgnoredBytesMax ? all[..IgnoredBytesMax] + "..." : all;
        }
    }

    /// <summary>Says in the response's header how many turns are read without the reasoning that they had.</summary>
    public void TellAccepted(GenerationEvent.Accepted accepted)
    {
        if (accepted.TurnsWithoutReasoning > 0 && !Http.Response.HasStarted)
        {
            Http.Response.Headers[WithoutReasoningHeader] = accepted.TurnsWithoutReasoning.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}
