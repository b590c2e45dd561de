using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>
/// Token-level compression (§2.3 of the report): every ratio tokens of a sample become one entry, a softmax-weighted sum channel by channel.
/// Where windows overlap, an entry reads the window before its own as well.
/// </summary>
internal sealed class Compressor(ModelConfig config, LayerPlan plan, Parameters p, bool forIndex)
{
    /// <param name="step">the batch</param> <param name="x">normed input, (T, d)</param>
    /// <returns>(entries, c), as the cache holds them</returns>
    public Variable Forward(Step step, Variable x)
    {
        int dim = forIndex ? config.IndexHeadDim : config.HeadDim;
        Variable values = MatMul.Apply(step.Tape, x, Of(WeightPart.CompressorKv, WeightPart.IndexCompressorKv));         // a
        Variable gates = MatMul.Apply(step.Tape, x, Of(WeightPart.CompressorGate, WeightPart.IndexCompressorGate));      // b
        Variable entries = Compress.Apply(
            step.Tape, values, gates, Of(WeightPart.CompressorPositionBias, WeightPart.IndexCompressorPositionBias), step.EntriesOf(plan), dim);
        return CacheRows.Finish(
            step.Tape, entries, Of(WeightPart.CompressorNorm, WeightPart.IndexCompressorNorm), config.RmsNormEpsilon, step.EntryAngles(plan),
            forIndex ? step.Cache.IndexFormat : step.Cache.KeyFormat);
    }

    private Parameter Of(WeightPart main, WeightPart index) => p[forIndex ? index : main, plan.Layer];
}
