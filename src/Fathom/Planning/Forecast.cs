namespace Fathom.Planning;

/// <summary>
/// The least time a plan can take on a machine: decoding reads the active weights and the cache once for each token, prefill is bound by
/// arithmetic. No engine is faster at these formats; how close one comes is for a benchmark to say.
/// </summary>
public sealed record Forecast
{
    /// <summary>Bytes of weights and of all users' caches.</summary>
    public required long MemoryNeeded { get; init; }

    /// <summary>Bytes that are free, or can be freed by dropping file pages.</summary>
    public required long MemoryAvailable { get; init; }

    /// <summary>Whether weights and caches stay in memory; if not, weights come from disk and the times below do not hold.</summary>
    public bool Fits => MemoryNeeded <= MemoryAvailable;

    /// <summary>Seconds for one new token at full context, one user.</summary>
    public required double SecondsPerToken { get; init; }

    /// <summary>Seconds for reading the whole context once.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>The forecast of <paramref name="plan"/> for a number of users that hold a whole context each.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one user.</exception>
    public static Forecast For(ContextPlan plan, MachineRates rates, long users, long memoryAvailable)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(rates);
        ArgumentOutOfRangeException.ThrowIfLessThan(users, 1);
        double readSeconds = (plan.WeightsBytesPerToken + plan.KvBytesRead) / (rates.ReadGBps * 1e9);
        double computeSeconds = plan.Flops.Raw / (rates.FmaGflops * 1e9);
        return new Forecast
        {
            MemoryNeeded = checked(plan.WeightsBytes + users * plan.KvBytes),
            MemoryAvailable = memoryAvailable,
            SecondsPerToken = Math.Max(readSeconds, computeSeconds),
            PrefillSeconds = plan.PrefillFlops / (rates.FmaGflops * 1e9),
        };
    }
}
