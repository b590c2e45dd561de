using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace Fathom.Engine;

/// <summary>log softmax, in double precision.</summary>
public static class LogProbabilities
{
    /// <summary>The likeliest tokens of a position, the likeliest first, at temperature 1 and before masks and filters; of equals the lower id first.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <param name="count">tokens to give, at least 0; fewer if the vocabulary has fewer</param>
    /// <exception cref="RequestException">the number is negative, or a logit is no number</exception>
    public static Token[] Likeliest(ReadOnlySpan<float> logits, int count)
    {
        if (count < 0)
        {
            throw new RequestException($"Likeliest tokens: expected a number of at least 0, found {count}.");
        }
        var best = new Token[Math.Min(count, logits.Length)];
        if (best.Length == 0)
        {
            return best;
        }
        double sum = LogSum(logits);
        int found = 0;
        for (int id = 0; id < logits.Length; id++)
        {
            if (found == best.Length && logits[id] <= logits[best[found - 1].Id])
            {
                continue;
            }
            int at = found < best.Length ? found++ : found - 1;
            for (; at > 0 && logits[best[at - 1].Id] < logits[id]; at--)
            {
                best[at] = best[at - 1];
            }
            best[at] = new Token(id, (float)(logits[id] - sum));
        }
        return best;
    }

    /// <summary>ln p of one token.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <param name="id">the token</param>
    /// <exception cref="RequestException">a logit is no number</exception>
    internal static double Of(ReadOnlySpan<float> logits, int id) => logits[id] - LogSum(logits);

    /// <summary>ln Σ e^logit.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <exception cref="RequestException">a logit is no number</exception>
    internal static double LogSum(ReadOnlySpan<float> logits)
    {
        float max = Max(logits);
        Vector512<double> shift = Vector512.Create((double)max), sums = default;
        int id = 0;
        for (; id + Vector512<double>.Count <= logits.Length; id += Vector512<double>.Count)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Create(logits[id..]));
            sums += Vector512.Exp(Vector512.Create(low, high) - shift);
        }
        double sum = Vector512.Sum(sums);
        for (; id < logits.Length; id++)
        {
            sum += Math.Exp((double)logits[id] - max);
        }
        return max + Math.Log(sum);
    }

    /// <summary>The largest logit.</summary>
    /// <param name="logits">(vocabulary)</param>
    /// <exception cref="RequestException">a logit is no number: a choice by such logits would look like any other</exception>
    internal static float Max(ReadOnlySpan<float> logits)
    {
        float max = TensorPrimitives.Max(logits);                                         // no number if one of them is none
        return float.IsFinite(max) ? max : throw new RequestException(
            "The model's logits: expected finite numbers, found one that is none. Its weights overflow single precision; check where they come from.");
    }
}
