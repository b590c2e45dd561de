namespace Fathom.Parity;

/// <summary>
/// How far an fp32 or better implementation may be from the golden files, from their README: fp32 against fp64 is 2e-5 to 1e-4 on logits whose
/// deviation is about 3; a rounded cache turns a difference of 1e-7 into a whole rounding step, so there only means and rare steps are bounded.
/// </summary>
internal static class Tolerances
{
    /// <summary>Largest absolute difference of a logit, cache not rounded.</summary>
    public const double Logits = 3e-4;

    /// <summary>Streams, sublayer inputs and outputs, cached rows: |a − b| / max(1, |b|).</summary>
    public const double Hidden = 1e-3;

    /// <summary>A routed expert's weight, cache not rounded.</summary>
    public const double RouterWeights = 1e-4;

    /// <summary>Scores closer than this may change places: they are of order 1 and, like the weights made of them, that far apart at most.</summary>
    public const double RouterMargin = RouterWeights;

    /// <summary>A routed expert's weight, rounded cache: the README bounds logits only; a logit's 0.3 of a deviation of 3 is a tenth.</summary>
    public const double MixedRouterWeights = 0.1;

    /// <summary>Unit files: |a − b| relative to the golden value or, where larger, to the tensor's root mean square.</summary>
    public const double Unit = 1e-5;

    /// <summary>Cosines and sines with fp32 angles.</summary>
    public const double RopeTable = 1e-6;

    /// <summary>Dequantised weights and quantisers.</summary>
    public const double Exact = 0;

    /// <summary>Share of a rounded cache's values that may be a step away, one layer from the golden input.</summary>
    public const double CacheSteps = 1e-3;

    /// <summary>One layer's attention output from the golden input, rounded cache: largest and mean difference.</summary>
    public const double MixedAttentionMax = 2e-2;

    public const double MixedAttentionMean = 2e-4;
}
