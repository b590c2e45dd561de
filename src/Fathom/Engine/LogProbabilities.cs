namespace Fathom.Engine;

/// <summary>log softmax, in double precision.</summary>
internal static class LogProbabilities
{
    /// <summary>ln p of one token.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <param name="id">the token</param>
    public static double Of(ReadOnlySpan<float> logits, int id)
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
        return logits[id] - max - Math.Log(sum);
    }
}
