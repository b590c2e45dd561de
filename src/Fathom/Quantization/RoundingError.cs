namespace Fathom.Quantization;

/// <summary>How far rounded values are from what they were.</summary>
/// <param name="Squares">Σ (after − before)²</param> <param name="Power">Σ before²</param>
/// <param name="Worst">largest |after − before|</param> <param name="Amplitude">largest |before|</param>
/// <param name="IsFinite">whether every value after is a number</param>
internal readonly record struct RoundingError(double Squares, double Power, float Worst, float Amplitude, bool IsFinite)
{
    public static RoundingError None => new(0, 0, 0, 0, true);

    /// <summary>√(Σ error² ∕ Σ value²); 0 for zeros.</summary>
    public double Rms => Power > 0 ? Math.Sqrt(Squares / Power) : 0;

    /// <summary>The largest error as a share of the largest value; 0 for zeros.</summary>
    public double WorstShare => Amplitude > 0 ? (double)Worst / Amplitude : 0;

    public static RoundingError Between(ReadOnlySpan<float> before, ReadOnlySpan<float> after)
    {
        double squares = 0, power = 0;
        float worst = 0, amplitude = 0;
        bool finite = true;
        for (int i = 0; i < before.Length; i++)
        {
            float error = after[i] - before[i];
            squares += (double)error * error;
            power += (double)before[i] * before[i];
            worst = MathF.Max(worst, MathF.Abs(error));
            amplitude = MathF.Max(amplitude, MathF.Abs(before[i]));
            finite &= float.IsFinite(after[i]);
        }
        return new RoundingError(squares, power, worst, amplitude, finite);
    }

    public RoundingError Plus(RoundingError other) => new(
        Squares + other.Squares, Power + other.Power, MathF.Max(Worst, other.Worst), MathF.Max(Amplitude, other.Amplitude), IsFinite && other.IsFinite);
}
