using System.Diagnostics;
using Fathom.Engine;
using Fathom.Planning;

namespace Fathom.Cli;

/// <summary>How fast a model reads on this machine, by reading a little with it.</summary>
/// <param name="WarmUpSeconds">for the first <see cref="WarmUpTokens"/>, compilation among it</param>
/// <param name="PartSeconds">for each <see cref="PartTokens"/> behind them</param>
internal sealed record ReadingSample(double WarmUpSeconds, IReadOnlyList<double> PartSeconds)
{
    /// <summary>Tokens during which most code is still compiled.</summary>
    public const int WarmUpTokens = 1024;

    /// <summary>Tokens of a part.</summary>
    public const int PartTokens = 1024;

    // The first still has some compilation in it, and any may meet other work of the machine; a model that takes longer than this for one part needs no more.
    private const int Parts = 9;
    private const double EnoughSeconds = 2;

    /// <summary>Reads tokens drawn at random: their experts are as many as those of a text.</summary>
    /// <exception cref="RequestException">the model's positions are too few</exception>
    public static ReadingSample Take(ModelSession session, CancellationToken cancellation)
    {
        int parts = Math.Min(Parts, (session.Model.Config.MaxPositions - WarmUpTokens) / PartTokens);
        if (parts < 1)
        {
            throw new RequestException($"--measure: expected a model with at least {WarmUpTokens + PartTokens} positions, found {session.Model.Config.MaxPositions}.");
        }
        int[] tokens = new int[WarmUpTokens + (parts * PartTokens)];
        var random = new Random(1);
        foreach (ref int token in tokens.AsSpan())
        {
            token = random.Next(session.Model.Config.VocabularySize);
        }
        using var generator = new Generator(session.Model, session.Device, tokens.Length);
        double warmUp = Read(generator, tokens.AsSpan(0, WarmUpTokens), cancellation);
        var seconds = new List<double>();
        while (seconds.Count < parts && seconds.Sum() < EnoughSeconds)
        {
            seconds.Add(Read(generator, tokens.AsSpan(WarmUpTokens + (seconds.Count * PartTokens), PartTokens), cancellation));
        }
        return new ReadingSample(warmUp, seconds);
    }

    private static double Read(Generator generator, ReadOnlySpan<int> tokens, CancellationToken cancellation)
    {
        long begin = Stopwatch.GetTimestamp();
        generator.Read(tokens, null, cancellation);
        return Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }

    /// <summary>Seconds for a whole context: what most parts say.</summary>
    public double Forecast(ReadingForecast costs, int context)
    {
        if (context < WarmUpTokens)
        {
            return WarmUpSeconds * context / WarmUpTokens;
        }
        double[] each = [.. PartSeconds.Select((seconds, part) =>
        {
            int from = WarmUpTokens + (part * PartTokens);
            return costs.Seconds(WarmUpTokens, context, from, from + PartTokens, seconds);
        }).Order()];
        return WarmUpSeconds + each[each.Length / 2];
    }
}
