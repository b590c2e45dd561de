namespace Fathom.Serving;

/// <summary>What the engine's thread is asked about a prompt.</summary>
/// <param name="Tenant">whose caches</param> <param name="Holder">whose share of the time</param> <param name="Tokens">of the prompt</param>
internal sealed record ForecastQuestion(string Tenant, string Holder, int[] Tokens)
{
    /// <summary>Set by the engine's thread; cancelled when it stops.</summary>
    public TaskCompletionSource<Forecast> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
