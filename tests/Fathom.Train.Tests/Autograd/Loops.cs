namespace Fathom.Train.Tests.Autograd;

/// <summary>Rows of flat arrays, for references in double precision.</summary>
internal static class Loops
{
    public static double[] Row(double[] x, int row, int columns) => x[(row * columns)..((row + 1) * columns)];

    public static double[] Flat(IEnumerable<double[]> rows) => [.. rows.SelectMany(row => row)];

    /// <summary>x Wᵀ with W (n, k).</summary>
    public static double[] Times(double[] x, double[] w, int k)
    {
        int rows = x.Length / k, n = w.Length / k;
        var y = new double[rows * n];
        for (int r = 0; r < rows; r++)
        {
            for (int i = 0; i < n; i++)
            {
                for (int j = 0; j < k; j++)
                {
                    y[(r * n) + i] += x[(r * k) + j] * w[(i * k) + j];
                }
            }
        }
        return y;
    }
}
