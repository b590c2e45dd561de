namespace Fathom.Engine;

/// <summary>How the next token is drawn. Filters apply in this order: top-k, min-p, then top-p of what they left; then the draw.</summary>
public sealed record SamplingOptions
{
    /// <summary>The most likely token, always.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Divides the logits; 0 takes the most likely token.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Keeps the k most likely tokens; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the most likely tokens until their probabilities sum to p; 1 for all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Keeps tokens at least p times as likely as the most likely one; 0 for all.</summary>
    public float MinP { get; init; }

    /// <summary>Seed of the draws: the same seed, prompt and model give the same text, whatever the threads or chunks.</summary>
    public ulong Seed { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="RequestException">a value is out of range; the message names it</exception>
    public SamplingOptions Validate()
    {
        Require(Temperature is >= 0 and <= 100, "temperature", Temperature, "from 0 to 100");
        Require(TopK >= 0, "top-k", TopK, "at least 0, where 0 keeps all tokens");
        Require(TopP is > 0 and <= 1, "top-p", TopP, "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, "min-p", MinP, "from 0 to 1");
        return this;
    }

    private static void Require(bool holds, string name, float found, string expected)
    {
        if (!holds)
        {
            throw new RequestException($"{name}: expected {expected}, found {found.ToString(System.Globalization.CultureInfo.InvariantCulture)}.");
        }
    }
}
