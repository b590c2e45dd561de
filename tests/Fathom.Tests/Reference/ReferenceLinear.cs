namespace Fathom.Tests.Reference;

/// <summary>Matrix products and norms over rows.</summary>
internal static class ReferenceLinear
{
    /// <summary>y = W x, with W (out, in).</summary>
    public static double[] Apply(ReferenceTensor weight, double[] x)
    {
        int columns = weight.Columns;
        if (x.Length != columns) throw new ArgumentException($"W takes {columns} values, x has {x.Length}.");
        double[] w = weight.Values;
        double[] y = new double[w.Length / columns];
        for (int o = 0; o < y.Length; o++)
        {
            double sum = 0;
            int begin = o * columns;
            for (int i = 0; i < columns; i++) sum += w[begin + i] * x[i];
            y[o] = sum;
        }

        return y;
    }

    public static double[][] Apply(ReferenceTensor weight, double[][] x) => ForEachRow(x.Length, t => Apply(weight, x[t]));

    /// <summary>y = w ⊙ x / √(mean(x²) + ε).</summary>
    public static double[] RmsNorm(double[] x, ReferenceTensor weight, double epsilon)
    {
        double rms = InverseRms(x, epsilon);
        double[] y = new double[x.Length];
        for (int i = 0; i < y.Length; i++) y[i] = x[i] * rms * weight.Values[i];
        return y;
    }

    /// <summary>1 / √(mean(x²) + ε).</summary>
    public static double InverseRms(ReadOnlySpan<double> x, double epsilon)
    {
        double sum = 0;
        foreach (double value in x) sum += value * value;
        return 1 / Math.Sqrt(sum / x.Length + epsilon);
    }

    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>Computes independent rows, on all cores.</summary>
    public static T[] ForEachRow<T>(int rows, Func<int, T> compute)
    {
        T[] result = new T[rows];
        Parallel.For(0, rows, row => result[row] = compute(row));
        return result;
    }
}
