namespace Fathom.Cpu.Kernels;

/// <summary>Walsh–Hadamard transform in natural (Sylvester) order, scaled by 1/√d so that it is orthogonal.</summary>
internal static class Hadamard
{
    /// <param name="x">(d), d a power of two; in place</param>
    public static void Run(Span<float> x)
    {
        for (int half = 1; half < x.Length; half *= 2)
        {
            for (int block = 0; block < x.Length; block += 2 * half)
            {
                for (int i = block; i < block + half; i++)
                {
                    (x[i], x[i + half]) = (x[i] + x[i + half], x[i] - x[i + half]);
                }
            }
        }
        Rows.Scale(x, 1 / MathF.Sqrt(x.Length), x);
    }
}
