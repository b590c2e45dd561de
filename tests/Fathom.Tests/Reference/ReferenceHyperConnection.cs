namespace Fathom.Tests.Reference;

/// <summary>One token's mixing of its streams: A, C and Bᵀ of X' = B X + C F(A X).</summary>
/// <param name="Pre">(n_hc)</param> <param name="Post">(n_hc)</param> <param name="Comb">(n_hc · n_hc), source stream first.</param>
internal sealed record HyperMix(double[] Pre, double[] Post, double[] Comb);

/// <summary>Manifold-constrained hyper-connections (§2.2). A token's streams are one row, stream after stream.</summary>
internal static class ReferenceHyperConnection
{
    /// <summary>fn · v / √(mean(v²) + ε).</summary>
    public static double[] Mixes(ReferenceTensor fn, double[] streams, double rmsEpsilon)
    {
        double rms = ReferenceLinear.InverseRms(streams, rmsEpsilon);
        return Array.ConvertAll(ReferenceLinear.Apply(fn, streams), value => value * rms);
    }

    public static HyperMix Split(double[] mixes, double[] scale, double[] bias, int streamCount, int iterations, double epsilon)
    {
        int n = streamCount;
        HyperMix mix = new(new double[n], new double[n], new double[n * n]);
        for (int i = 0; i < n; i++)
        {
            mix.Pre[i] = ReferenceLinear.Sigmoid(mixes[i] * scale[0] + bias[i]) + epsilon;
            mix.Post[i] = 2 * ReferenceLinear.Sigmoid(mixes[n + i] * scale[1] + bias[n + i]);
        }

        for (int i = 0; i < n * n; i++) mix.Comb[i] = mixes[2 * n + i] * scale[2] + bias[2 * n + i];
        Sinkhorn(mix.Comb, n, iterations, epsilon);
        return mix;
    }

    /// <summary>Makes a square matrix of logits nearly doubly stochastic, in place.</summary>
    public static void Sinkhorn(double[] c, int n, int iterations, double epsilon)
    {
        for (int j = 0; j < n; j++)
        {
            double most = double.NegativeInfinity;
            double sum = 0;
            for (int k = 0; k < n; k++) most = Math.Max(most, c[j * n + k]);
            for (int k = 0; k < n; k++) sum += c[j * n + k] = Math.Exp(c[j * n + k] - most);
            for (int k = 0; k < n; k++) c[j * n + k] = c[j * n + k] / sum + epsilon;
        }

        DivideColumns(c, n, epsilon);
        for (int round = 1; round < iterations; round++)
        {
            DivideRows(c, n, epsilon);
            DivideColumns(c, n, epsilon);
        }
    }

    /// <summary>Σ_i w_i X_i.</summary>
    public static double[] Gather(double[] streams, double[] weights)
    {
        int d = streams.Length / weights.Length;
        double[] y = new double[d];
        for (int i = 0; i < weights.Length; i++)
        {
            for (int t = 0; t < d; t++) y[t] += weights[i] * streams[i * d + t];
        }

        return y;
    }

    /// <summary>X'_k = post_k · f + Σ_j C[j, k] X_j.</summary>
    public static double[] Post(double[] output, double[] streams, HyperMix mix)
    {
        int n = mix.Post.Length;
        int d = output.Length;
        double[] next = new double[n * d];
        for (int k = 0; k < n; k++)
        {
            for (int t = 0; t < d; t++)
            {
                double sum = mix.Post[k] * output[t];
                for (int j = 0; j < n; j++) sum += mix.Comb[j * n + k] * streams[j * d + t];
                next[k * d + t] = sum;
            }
        }

        return next;
    }

    /// <summary>The streams' weights at the model's end: no Sinkhorn, no post.</summary>
    public static double[] Head(double[] streams, ReferenceTensor fn, double scale, double[] bias, double rmsEpsilon, double epsilon)
    {
        double[] weights = Mixes(fn, streams, rmsEpsilon);
        for (int i = 0; i < weights.Length; i++) weights[i] = ReferenceLinear.Sigmoid(weights[i] * scale + bias[i]) + epsilon;
        return Gather(streams, weights);
    }

    private static void DivideRows(double[] c, int n, double epsilon)
    {
        for (int j = 0; j < n; j++)
        {
            double sum = epsilon;
            for (int k = 0; k < n; k++) sum += c[j * n + k];
            for (int k = 0; k < n; k++) c[j * n + k] /= sum;
        }
    }

    private static void DivideColumns(double[] c, int n, double epsilon)
    {
        for (int k = 0; k < n; k++)
        {
            double sum = epsilon;
            for (int j = 0; j < n; j++) sum += c[j * n + k];
            for (int j = 0; j < n; j++) c[j * n + k] /= sum;
        }
    }
}
