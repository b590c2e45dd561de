using System.Globalization;
using Fathom.Model;
using Fathom.Quantization;
using Fathom.Tensors;
using Fathom.Train.Optimizers;

namespace Fathom.Train.Runs;

/// <summary>An estimate, in bytes, of what training a model takes, made before anything is allocated.</summary>
/// <param name="Weights">masters, tables, the average and the rounded copies</param> <param name="Gradients">of the weights</param>
/// <param name="Optimizers">momenta of Muon, means and squares of AdamW</param>
/// <param name="Activations">values and gradients of the largest batch</param>
internal sealed record TrainingMemory(double Weights, double Gradients, double Optimizers, double Activations)
{
    // A variable on the tape is a value and a gradient.
    private const int Both = 2;
    private const double GiB = 1L << 30;

    public double Total => Weights + Gradients + Optimizers + Activations;

    public static TrainingMemory Of(ModelConfig model, RunConfig run)
    {
        double weights = 0, gradients = 0, optimizers = 0;
        foreach (ExpectedWeight weight in ExpectedWeights.Of(model))
        {
            double bytes = sizeof(float) * (double)weight.Count;
            weights += bytes;
            if (weight.Role == WeightRole.Ids)
            {
                continue;
            }
            gradients += bytes;
            optimizers += Muon.Trains(weight) ? bytes : 2 * bytes;
            weights += run.AverageDecay > 0 ? bytes : 0;
            weights += run.QuantizeFrom is not null && ModelFormat.Official.TypeOf(weight) != DType.F32 ? bytes : 0;
        }
        return new TrainingMemory(weights, gradients, optimizers, sizeof(float) * Rows(run) * FloatsOfRow(model, run));
    }

    /// <exception cref="RunException">the estimate is above what this process may use</exception>
    public void Require(RunConfig run, long availableBytes)
    {
        if (Total > availableBytes)
        {
            throw new RunException(string.Create(CultureInfo.InvariantCulture,
                $"{run.Model}: expected a model whose training fits the {availableBytes / GiB:N1} GiB of memory that this process may use, found about {Total / GiB:N1} GiB: weights {Weights / GiB:N1}, gradients {Gradients / GiB:N1}, optimisers {Optimizers / GiB:N1}, activations of {Rows(run):N0} tokens {Activations / GiB:N1}. Choose a smaller model, fewer batchTokens or shorter stages."));
        }
    }

    private static double Rows(RunConfig run) => Math.Max(run.BatchTokens, HeldOutText.WindowTokens);

    private static double FloatsOfRow(ModelConfig m, RunConfig run)
    {
        int length = Math.Max(HeldOutText.WindowTokens, run.Stages.Max(stage => stage.Length));
        double d = m.HiddenSize, streams = m.HcMult * d, heads = 0;
        for (int layer = 0; layer < m.LayerCount + m.MtpLayerCount; layer++)
        {
            LayerPlan plan = LayerPlan.For(m, layer);
            heads += Attention(m, plan, length) + Experts(m) + (2 * ((Both * (streams + (3 * d))) + Mix(m)));
        }
        int outputs = 1 + m.MtpLayerCount;
        return heads + (Both * (streams + d)) + (outputs * ((Both * (m.VocabularySize + (3 * d))) + streams));
    }

    // Projected mixes, their weights and gradients.
    private static double Mix(ModelConfig m) => 4.0 * m.HcMult * (m.HcMult + 2);

    private static double Attention(ModelConfig m, LayerPlan plan, int length)
    {
        double c = m.HeadDim, heads = m.HeadCount * c;
        double floats = Both * ((2.0 * m.QueryRank) + (3 * heads) + (3 * c) + ((double)m.OutputGroups * m.OutputRank));
        if (plan.Attention == AttentionKind.Window)
        {
            return floats;
        }
        floats += Both * plan.WindowsPerEntry * 2 * c;
        if (plan.Attention == AttentionKind.Csa)
        {
            double index = m.IndexHeadDim;
            floats += Both * ((2 * m.IndexHeadCount * index) + m.IndexHeadCount + (plan.WindowsPerEntry * 2 * index));
            // Scores and their gradients, the choice, the teacher and the difference, each for every entry of the sample.
            floats += 5.0 * (length / plan.Ratio);
        }
        return floats;
    }

    private static double Experts(ModelConfig m)
    {
        double d = m.HiddenSize, width = m.ExpertHiddenSize;
        double routed = m.ExpertsPerToken * ((4 * d) + (6 * width)), shared = m.SharedExpertCount * Both * 3 * width;
        return routed + shared + (Both * ((3 * d) + (2.0 * m.ExpertCount)));
    }
}
