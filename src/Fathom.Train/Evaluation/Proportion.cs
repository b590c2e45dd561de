namespace Fathom.Train.Evaluation;

/// <summary>How many of several attempts succeeded.</summary>
/// <param name="Successes">of them</param> <param name="Count">attempts</param>
public readonly record struct Proportion(int Successes, int Count)
{
    // Two-sided 95 % of the normal distribution.
    private const double Quantile = 1.959963984540054;

    /// <summary>Successes per attempt; 0 without any attempt.</summary>
    public double Share => Count == 0 ? 0 : (double)Successes / Count;

    /// <summary>
    /// The 95 % confidence interval after Wilson, which holds near 0 and 1 and for few attempts; (0, 1) without any. It takes the attempts for
    /// independent: questions about one text are less than that.
    /// </summary>
    public (double Low, double High) Interval
    {
        get
        {
            if (Count == 0)
                return (0, 1);
            double z2 = Quantile * Quantile, n = Count;
            double centre = (Share + (z2 / (2 * n))) / (1 + (z2 / n));
            double half = Quantile / (1 + (z2 / n)) * Math.Sqrt((Share * (1 - Share) / n) + (z2 / (4 * n * n)));
            // At the ends the formula gives 0 and 1 but for rounding.
            return (Successes == 0 ? 0 : centre - half, Successes == Count ? 1 : centre + half);
        }
    }

    /// <summary>Counts what holds.</summary>
    public static Proportion Of<T>(IReadOnlyCollection<T> attempts, Func<T, bool> succeeded) => new(attempts.Count(succeeded), attempts.Count);
}
