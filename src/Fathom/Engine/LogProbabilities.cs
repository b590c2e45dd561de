namespace Fathom.Engine;

/// <summary>log softmax, in double precision.</summary>
internal static class LogProbabilities
{
    /// <summary>ln p of one token.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <param name="id">the token</param>
    /// <exception cref="RequestException">a logit is no number</exception>
    public static double Of(ReadOnlySpan<float> logits, int id) => logits[id] - LogSum(logits);

    /// <summary>ln Σ e^logit.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <exception cref="RequestException">a logit is no number: a choice by such logits would look like any other</exception>
    public static double LogSum(ReadOnlySpan<float> logits)
    {
        float max = float.NegativeInfinity;
        foreach (float logit in logits)
        {
            max = Math.Max(max, logit);
        }
        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp((double)logit - max);
        }
        double result = max + Math.Log(sum);
        return double.IsFinite(result) ? result : throw new RequestException(
            "The model's logits: expected finite numbers, found one that is none. Its weights overflow single precision; check where they come from.");
    }
}
