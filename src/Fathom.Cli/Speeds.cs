using System.Globalization;
using Fathom.Engine;

namespace Fathom.Cli;

/// <summary>Tokens per second, of the prompt and of the text.</summary>
internal static class Speeds
{
    public static double Prefill(GenerationStats stats) => Rate(stats.PromptTokens, stats.PromptTime);

    public static double Decode(GenerationStats stats) => Rate(stats.DecodedTokens, stats.DecodeTime);

    /// <summary>"prompt 12 tokens at 340/s, text 60 tokens at 410/s", and the guesses if there were any.</summary>
    public static string Line(GenerationStats stats) => string.Create(
        CultureInfo.InvariantCulture,
        $"prompt {stats.PromptTokens} tokens at {Prefill(stats):N0}/s, text {stats.DecodedTokens} tokens at {Decode(stats):N1}/s{Guesses(stats)}");

    private static string Guesses(GenerationStats stats) =>
        stats.Guesses > 0 ? string.Create(CultureInfo.InvariantCulture, $", {stats.RightGuesses} of {stats.Guesses} guesses right") : "";

    private static double Rate(int tokens, TimeSpan time) => time > TimeSpan.Zero ? tokens / time.TotalSeconds : 0;
}
