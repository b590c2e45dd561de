using Fathom.Serving;

namespace Fathom.Server.Telemetry;

/// <summary>What metrics, traces and log lines call the end of a generation. Stateless.</summary>
internal static class FinishNames
{
    /// <summary>The client left, or the server stopped.</summary>
    public const string Abort = "abort";

    /// <summary>Something broke, or the engine refused the request.</summary>
    public const string Error = "error";

    /// <summary>The words that dashboards for vLLM know.</summary>
    public static IReadOnlyList<string> Reasons { get; } = ["stop", "length", Abort, Error];

    /// <summary>In the words of the GenAI conventions.</summary>
    public static string Of(GenerationEvent end) => end switch
    {
        GenerationEvent.Finished { Reason: EndReason.Stop } => "stop",
        GenerationEvent.Finished { Reason: EndReason.StopString } => "stop_string",
        GenerationEvent.Finished { Reason: EndReason.ToolCalls } => "tool_calls",
        GenerationEvent.Finished { Reason: EndReason.Length } => "length",
        GenerationEvent.Finished { Reason: EndReason.Loop } => "loop",
        GenerationEvent.Finished => Abort,
        _ => Error,
    };

    /// <summary>One of <see cref="Reasons"/>.</summary>
    public static string ReasonOf(string name) => name switch
    {
        "stop_string" or "tool_calls" => "stop",
        "loop" => "length",
        _ => name,
    };
}
