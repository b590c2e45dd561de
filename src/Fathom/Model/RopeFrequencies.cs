namespace Fathom.Model;

/// <summary>The rotary frequencies f_i, i = 0 … r/2 − 1, of the two tables of a model. All in fp32, as the model was trained.</summary>
public static class RopeFrequencies
{
    /// <summary>f_i = θ^(−2i/r): layers without compression and MTP.</summary>
    public static float[] Plain(ModelConfig config) => Plain(config.RopeTheta, config.RopeDim);

    /// <summary>
    /// Layers with compression: f_i = θ^(−2i/r), divided by YaRN's factor where a pair turns less than β_slow times over the original
    /// context, unchanged above β_fast turns, and blended between. No magnitude factor.
    /// </summary>
    public static float[] Compressed(ModelConfig config)
    {
        float[] frequencies = Plain(config.CompressRopeTheta, config.RopeDim);
        if (config.YarnFactor == 1)
        {
            return frequencies;
        }
        double low = Math.Max(Math.Floor(Pair(config, config.YarnBetaFast)), 0);
        double high = Math.Min(Math.Ceiling(Pair(config, config.YarnBetaSlow)), config.RopeDim - 1);
        float width = (float)(low == high ? 0.001 : high - low);
        for (int i = 0; i < frequencies.Length; i++)
        {
            float keep = 1 - Math.Clamp((i - (float)low) / width, 0, 1);
            frequencies[i] = (frequencies[i] / config.YarnFactor * (1 - keep)) + (frequencies[i] * keep);
        }
        return frequencies;
    }

    // The pair that turns `turns` times over the original context.
    private static double Pair(ModelConfig config, double turns) =>
        config.RopeDim * Math.Log(config.YarnOriginalContext / (turns * 2 * Math.PI)) / (2 * Math.Log(config.CompressRopeTheta));

    private static float[] Plain(float theta, int dim)
    {
        var frequencies = new float[dim / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = 1 / (float)Math.Pow(theta, 2f * i / dim);
        }
        return frequencies;
    }
}
