using System.Diagnostics;
using Fathom.Engine;
using Fathom.Planning;

namespace Fathom.Cli;

/// <summary>How fast a model reads on this machine, by reading a little with it.</summary>
/// <param name="WarmUpSeconds">for the first <see cref="WarmUpTokens"/>, compilation among it</param>
/// <param name="Seconds">for the <see cref="Tokens"/> behind them</param>
internal sealed record ReadingSample(double WarmUpSeconds, double Seconds)
{
    /// <summary>Tokens during which code is still compiled.</summary>
    public const int WarmUpTokens = 1024;

    /// <summary>Tokens that say how fast the machine is.</summary>
    public const int Tokens = 2048;

    /// <summary>Reads tokens drawn at random: their experts are as many as those of a text.</summary>
    /// <exception cref="RequestException">the model's positions are too few</exception>
    public static ReadingSample Take(ModelSession session, CancellationToken cancellation)
    {
        if (session.Model.Config.MaxPositions < WarmUpTokens + Tokens)
            throw new RequestException($"--measure: expected a model with at least {WarmUpTokens + Tokens} positions, found {session.Model.Config.MaxPositions}.");
        var random = new Random(1);
        int[] tokens = [.. Enumerable.Range(0, WarmUpTokens + Tokens).Select(_ => random.Next(session.Model.Config.VocabularySize))];
        using var generator = new Generator(session.Model, session.Device, tokens.Length);
        long begin = Stopwatch.GetTimestamp();
        generator.Read(tokens.AsSpan(0, WarmUpTokens), null, cancellation);
        double warmUp = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        generator.Read(tokens.AsSpan(WarmUpTokens), null, cancellation);
        return new ReadingSample(warmUp, Stopwatch.GetElapsedTime(begin).TotalSeconds - warmUp);
    }

    /// <summary>Seconds for a whole context.</summary>
    public double Forecast(ReadingForecast costs, int context) => context < WarmUpTokens
        ? WarmUpSeconds * context / WarmUpTokens
        : WarmUpSeconds + costs.Seconds(WarmUpTokens, context, WarmUpTokens, WarmUpTokens + Tokens, Seconds);
}
