using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>From streams to logits, for the rows that want them: collapse of the streams, norm, head.</summary>
internal static class Output
{
    /// <param name="device">where</param>
    /// <param name="config">the model's shape</param>
    /// <param name="batch">which rows want logits</param>
    /// <param name="streams">(T, n_hc · d)</param>
    /// <param name="w">hyper-connection of the head, norm, head</param>
    /// <param name="s">activations</param>
    /// <param name="logits">(n, vocabulary)</param>
    public static void Forward(
        Device device, ModelConfig config, Batch batch, in Tensor streams,
        (HyperConnectionOperand Hc, Tensor Norm, WeightMatrix Head) w, Workspace s, in Tensor logits)
    {
        int count = batch.LogitRows.Length;
        if (count == 0)
        {
            return;
        }
        device.Gather(streams, s.LogitRows(batch.LogitRows), s.LogitStreams(count));
        Tensor collapsed = s.LayerInput.Slice(0, count), normed = s.Normed.Slice(0, count);
        device.HcHead(s.LogitStreams(count), w.Hc, collapsed, s.HeadMix(count));          // (n, n_hc, d) → (n, d)
        device.RmsNorm(collapsed, w.Norm, config.RmsNormEpsilon, normed);
        device.MatMul(w.Head, normed, logits);                                            // → (n, vocabulary)
    }
}
