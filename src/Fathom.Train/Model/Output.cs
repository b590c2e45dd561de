using Fathom.Model;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>From streams to logits: collapse of the streams, norm, head.</summary>
internal static class Output
{
    /// <param name="tape">where to record</param> <param name="config">the model's shape</param> <param name="streams">(n, n_hc · d)</param>
    /// <param name="p">parameters</param> <param name="layer">−1, or that of the MTP block</param> <param name="shape">of the streams</param>
    /// <returns>(n, vocabulary)</returns>
    public static Variable Forward(Tape tape, ModelConfig config, Variable streams, Parameters p, int layer, HyperConnectionShape shape)
    {
        Variable collapsed = HcPre.Apply(tape, streams, p.HeadHc(layer), shape).Input;              // (n, n_hc, d) → (n, d)
        Variable normed = RmsNorm.Apply(tape, collapsed, p[WeightPart.FinalNorm, layer], config.RmsNormEpsilon);
        return MatMul.Apply(tape, normed, p[WeightPart.Head]);                                      // → (n, vocabulary)
    }
}
