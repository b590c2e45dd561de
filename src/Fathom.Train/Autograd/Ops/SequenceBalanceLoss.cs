namespace Fathom.Train.Autograd.Ops;

/// <summary>
/// For every sample Σ_i f_i P_i with f_i = E / (k T) · (times chosen), a constant, and P_i = mean_t s_t,i / Σ_j s_t,j; the mean over samples.
/// </summary>
/// <remarks>ds_t,i = (f_i / S_t − Σ_j f_j s_t,j / S_t²) / T.</remarks>
internal static class SequenceBalanceLoss
{
    /// <param name="tape">where to record</param> <param name="scores">(T, E)</param> <param name="experts">(T · k) chosen</param>
    /// <param name="samples">which rows belong together</param> <param name="factor">of the gradient</param>
    /// <returns>the mean, without the factor</returns>
    public static double Apply(Tape tape, Variable scores, int[] experts, IReadOnlyList<Sample> samples, float factor)
    {
        int e = scores.Columns, k = experts.Length / scores.Rows;
        float[] shares = new float[samples.Count * e];
        double loss = 0;
        for (int s = 0; s < samples.Count; s++)
        {
            Span<float> share = shares.AsSpan(s * e, e);
            Sample sample = samples[s];
            foreach (int expert in experts.AsSpan(sample.FirstRow * k, sample.Count * k))
            {
                share[expert] += e / (float)(k * sample.Count);
            }
            for (int t = sample.FirstRow; t < sample.FirstRow + sample.Count; t++)
            {
                (float sum, float along) = Sums(scores.Row(t), share);
                loss += along / sum / (double)sample.Count;
            }
        }
        tape.Record(() =>
        {
            for (int s = 0; s < samples.Count; s++)
            {
                ReadOnlySpan<float> share = shares.AsSpan(s * e, e);
                float each = factor / samples[s].Count / samples.Count;
                for (int t = samples[s].FirstRow; t < samples[s].FirstRow + samples[s].Count; t++)
                {
                    (float sum, float along) = Sums(scores.Row(t), share);
                    Span<float> gradient = scores.GradientRow(t);
                    for (int i = 0; i < e; i++)
                    {
                        gradient[i] += each * ((share[i] / sum) - (along / sum / sum));
                    }
                }
            }
        });
        return loss / samples.Count;
    }

    private static (float Sum, float Along) Sums(ReadOnlySpan<float> scores, ReadOnlySpan<float> share)
    {
        float sum = 0, along = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            sum += scores[i];
            along += scores[i] * share[i];
        }
        return (sum, along);
    }
}
