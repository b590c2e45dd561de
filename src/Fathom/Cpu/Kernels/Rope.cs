namespace Fathom.Cpu.Kernels;

/// <summary>Rotary position embedding over interleaved pairs, on the last dimensions of each head.</summary>
internal static class Rope
{
    /// <summary>cos and sin of position · f_i, interleaved. The angle is an fp32 product, as the model was trained; its cosine is accurate.</summary>
    /// <param name="position">absolute, 0-based</param>
    /// <param name="frequencies">(r/2)</param>
    /// <param name="angles">(r)</param>
    public static void Angles(int position, ReadOnlySpan<float> frequencies, Span<float> angles)
    {
        for (int i = 0; i < frequencies.Length; i++)
        {
            (double sin, double cos) = Math.SinCos((float)position * frequencies[i]);
            angles[2 * i] = (float)cos;
            angles[(2 * i) + 1] = (float)sin;
        }
    }

    /// <summary>(a + bi) ← (a + bi) · (cos ± i sin) on the last r dimensions of every head of one row.</summary>
    /// <param name="row">(heads · headDim), in place</param>
    /// <param name="headDim">dimensions of a head</param>
    /// <param name="angles">(r) from <see cref="Angles"/></param>
    /// <param name="inverse">rotates by the negative angle</param>
    public static void Run(Span<float> row, int headDim, ReadOnlySpan<float> angles, bool inverse)
    {
        for (int head = 0; head < row.Length; head += headDim)
        {
            Span<float> rotary = row.Slice(head + headDim - angles.Length, angles.Length);
            for (int i = 0; i < rotary.Length; i += 2)
            {
                float cos = angles[i], sin = inverse ? -angles[i + 1] : angles[i + 1];
                float a = rotary[i], b = rotary[i + 1];
                rotary[i] = (a * cos) - (b * sin);
                rotary[i + 1] = (a * sin) + (b * cos);
            }
        }
    }
}
