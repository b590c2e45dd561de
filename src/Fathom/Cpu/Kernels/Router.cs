using Fathom.Devices;

namespace Fathom.Cpu.Kernels;

/// <summary>From router logits to the chosen experts and their weights, one token at a time.</summary>
internal static class Router
{
    /// <summary>Logits become scores: √softplus, σ or softmax.</summary>
    /// <param name="logits">(E); in place</param>
    /// <param name="function">which</param>
    public static void Score(Span<float> logits, ScoringFunction function)
    {
        switch (function)
        {
            case ScoringFunction.SqrtSoftplus:
                for (int e = 0; e < logits.Length; e++)
                {
                    logits[e] = (float)Math.Sqrt(Softplus(logits[e]));
                }
                break;
            case ScoringFunction.Sigmoid:
                for (int e = 0; e < logits.Length; e++)
                {
                    logits[e] = Rows.Sigmoid(logits[e]);
                }
                break;
            default:
                Softmax(logits);
                break;
        }
    }

    /// <summary>The experts with the largest score plus bias, descending; among equals the lower index.</summary>
    /// <param name="scores">(E)</param>
    /// <param name="bias">(E), or empty</param>
    /// <param name="experts">(k); overwritten</param>
    public static void Choose(ReadOnlySpan<float> scores, ReadOnlySpan<float> bias, Span<int> experts)
    {
        Span<float> best = stackalloc float[experts.Length];
        int count = 0;
        for (int e = 0; e < scores.Length; e++)
        {
            float value = bias.IsEmpty ? scores[e] : scores[e] + bias[e];
            if (count == experts.Length && value <= best[^1])
            {
                continue;
            }
            int place = count < experts.Length ? count++ : count - 1;
            for (; place > 0 && value > best[place - 1]; place--)
            {
                best[place] = best[place - 1];
                experts[place] = experts[place - 1];
            }
            best[place] = value;
            experts[place] = e;
        }
    }

    /// <summary>w_e = s_e / Σ s · factor, from the scores without bias.</summary>
    /// <param name="scores">(E)</param>
    /// <param name="experts">(k)</param>
    /// <param name="normalize">whether to divide by the sum</param>
    /// <param name="factor">routed scaling factor</param>
    /// <param name="weights">(k); overwritten</param>
    public static void Weigh(ReadOnlySpan<float> scores, ReadOnlySpan<int> experts, bool normalize, float factor, Span<float> weights)
    {
        float sum = 0;
        for (int i = 0; i < experts.Length; i++)
        {
            weights[i] = scores[experts[i]];
            sum += weights[i];
        }
        Rows.Scale(weights, normalize ? factor / sum : factor, weights);
    }

    // The linear part from 20 on, as in DeepSeek's code. Below −17 log(1 + e^x) is e^x to a single's precision, and 1 + e^x would lose e^x:
    // hash routing must weigh experts that all score next to nothing.
    private static double Softplus(float x) => x switch { > 20 => x, < -17 => Math.Exp(x), _ => Math.Log(1 + Math.Exp(x)) };

    private static void Softmax(Span<float> x)
    {
        float max = float.NegativeInfinity, sum = 0;
        foreach (float value in x)
        {
            max = MathF.Max(max, value);
        }
        for (int e = 0; e < x.Length; e++)
        {
            x[e] = MathF.Exp(x[e] - max);
            sum += x[e];
        }
        Rows.Scale(x, 1 / sum, x);
    }
}
