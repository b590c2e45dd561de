namespace Fathom.Cpu.Kernels;

/// <summary>y = x / √(mean(x²) + ε) · w, row by row; sums in fp32.</summary>
internal static class RmsNorm
{
    /// <param name="x">(T, d)</param>
    /// <param name="dim">d</param>
    /// <param name="weight">(d), or empty for none</param>
    /// <param name="epsilon">ε, inside the root</param>
    /// <param name="y">(T, d); may be x</param>
    public static void Run(ReadOnlySpan<float> x, int dim, ReadOnlySpan<float> weight, float epsilon, Span<float> y)
    {
        for (int offset = 0; offset < x.Length; offset += dim)
        {
            ReadOnlySpan<float> row = x.Slice(offset, dim);
            float scale = InverseRoot(row, epsilon);
            if (weight.IsEmpty)
            {
                Rows.Scale(row, scale, y.Slice(offset, dim));
            }
            else
            {
                Rows.ScaleAndMultiply(row, scale, weight, y.Slice(offset, dim));
            }
        }
    }

    /// <summary>1 / √(mean(x²) + ε).</summary>
    public static float InverseRoot(ReadOnlySpan<float> x, float epsilon) => 1 / MathF.Sqrt((Rows.Dot(x, x) / x.Length) + epsilon);
}
