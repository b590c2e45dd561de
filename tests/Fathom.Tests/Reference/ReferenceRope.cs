namespace Fathom.Tests.Reference;

/// <summary>Rotary positions over interleaved pairs of a row's last dimensions (§2.3), with YaRN in compressed layers.</summary>
/// <param name="frequencies">One per pair, in single precision as the model was trained.</param>
internal sealed class ReferenceRope(float[] frequencies)
{
    public float[] Frequencies => frequencies;

    public static ReferenceRope For(Fathom.Model.ModelConfig config, bool compressed) => compressed
        ? new ReferenceRope(Yarn(
            Plain(config.RopeDim, config.CompressRopeTheta),
            config.CompressRopeTheta,
            config.YarnFactor,
            config.YarnOriginalContext,
            (config.YarnBetaFast, config.YarnBetaSlow)))
        : new ReferenceRope(Plain(config.RopeDim, config.RopeTheta));

    /// <summary>f_i = θ^(−2i/r).</summary>
    public static float[] Plain(int ropeDim, float theta)
    {
        float[] f = new float[ropeDim / 2];
        for (int i = 0; i < f.Length; i++) f[i] = 1 / (float)Math.Pow(theta, 2f * i / ropeDim);
        return f;
    }

    /// <summary>Low frequencies divided by the factor, high ones kept, a linear ramp over the pair's index between; no magnitude term.</summary>
    public static float[] Yarn(float[] plain, float theta, float factor, int originalContext, (float Fast, float Slow) beta)
    {
        int ropeDim = plain.Length * 2;
        double low = Math.Max(Math.Floor(PairThatTurns(beta.Fast)), 0);
        double high = Math.Min(Math.Ceiling(PairThatTurns(beta.Slow)), ropeDim - 1);
        if (low == high) high += 0.001;
        float[] f = new float[plain.Length];
        for (int i = 0; i < f.Length; i++)
        {
            float kept = 1 - Math.Clamp((i - (float)low) / (float)(high - low), 0f, 1f);
            f[i] = plain[i] / factor * (1 - kept) + plain[i] * kept;
        }

        return f;

        double PairThatTurns(double turns) => ropeDim * Math.Log(originalContext / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
    }

    /// <summary>The cosine and sine of each pair's angle. The angle is a single precision product; beyond 100,000 tokens that is audible.</summary>
    public (double[] Cos, double[] Sin) Table(int position)
    {
        double[] cos = new double[frequencies.Length];
        double[] sin = new double[frequencies.Length];
        for (int i = 0; i < cos.Length; i++)
        {
            float angle = position * frequencies[i];
            cos[i] = Math.Cos(angle);
            sin[i] = Math.Sin(angle);
        }

        return (cos, sin);
    }

    /// <summary>Rotates a row's last dimensions to a position, or back from it.</summary>
    public double[] Rotate(double[] row, int position, bool inverse = false)
    {
        (double[] cos, double[] sin) = Table(position);
        double[] y = [.. row];
        int first = row.Length - 2 * cos.Length;
        for (int i = 0; i < cos.Length; i++)
        {
            double a = row[first + 2 * i];
            double b = row[first + 2 * i + 1];
            double s = inverse ? -sin[i] : sin[i];
            y[first + 2 * i] = a * cos[i] - b * s;
            y[first + 2 * i + 1] = a * s + b * cos[i];
        }

        return y;
    }
}
