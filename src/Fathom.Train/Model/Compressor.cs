using Fathom.Model;
using Fathom.Tensors;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>
/// Token-level compression (§2.3 of the report): every ratio tokens of a sample become one entry, a softmax-weighted sum channel by channel.
/// Where windows overlap, an entry reads the window before its own as well.
/// </summary>
internal sealed class Compressor(ModelConfig config, LayerPlan plan, Parameters p, bool forIndex)
{
    /// <param name="tape">where to record</param> <param name="x">normed input, (T, d)</param> <param name="entries">where they lie</param>
    /// <param name="angles">of the entries' positions</param> <param name="format">of an entry in the cache</param>
    /// <returns>(entries, c), as the cache holds them</returns>
    public Variable Forward(Tape tape, Variable x, Entries entries, Memory<float> angles, RowFormat format)
    {
        int dim = forIndex ? config.IndexHeadDim : config.HeadDim;
        Variable values = MatMul.Apply(tape, x, Of(WeightPart.CompressorKv, WeightPart.IndexCompressorKv));         // a
        Variable gates = MatMul.Apply(tape, x, Of(WeightPart.CompressorGate, WeightPart.IndexCompressorGate));      // b
        Variable rows = Compress.Apply(
            tape, values, gates, Of(WeightPart.CompressorPositionBias, WeightPart.IndexCompressorPositionBias), entries, dim);
        return CacheRows.Finish(tape, rows, Of(WeightPart.CompressorNorm, WeightPart.IndexCompressorNorm), config.RmsNormEpsilon, angles, format);
    }

    private Parameter Of(WeightPart main, WeightPart index) => p[forIndex ? index : main, plan.Layer];
}
