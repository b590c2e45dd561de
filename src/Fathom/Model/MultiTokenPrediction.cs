using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>
/// The MTP block (§2.9): from the streams at position p and the embedding of token p + 1 it predicts token p + 2, at rotary position p. Its
/// attention has a window of its own in every sequence's cache.
/// </summary>
internal sealed class MultiTokenPrediction(Device device, ModelConfig config, CacheLayout layout)
{
    private readonly Block _block = new(device, config, layout.Plans[config.LayerCount]);

    /// <summary>Leaves MTP's logits in s.DraftLogits.</summary>
    /// <param name="batch">tokens p + 1 at positions p</param>
    /// <param name="model">embedding and head</param>
    /// <param name="w">MTP's own weights</param>
    /// <param name="s">s.ShiftedStreams holds the main model's streams at p; afterwards the block's</param>
    public void Forward(Batch batch, ModelWeights model, MtpWeights w, Workspace s)
    {
        s.Begin(batch);
        int d = config.HiddenSize;
        Tensor streams = s.ShiftedStreams(batch.Rows), each = streams.Shaped(batch.Rows * config.HcMult, d);
        device.RmsNorm(each, w.StreamNorm, config.RmsNormEpsilon, each);                  // each stream by itself
        // The main model's streams are spent, so their memory takes the projections.
        device.MatMul(w.StreamProjection, each, s.Streams.Shaped(batch.Rows * config.HcMult, d));
        device.Embed(model.Embedding, s.Tokens, s.LayerInput);
        device.RmsNorm(s.LayerInput, w.EmbeddingNorm, config.RmsNormEpsilon, s.Normed);
        device.MatMul(w.EmbeddingProjection, s.Normed, s.LayerOutput);
        device.HcExpand(s.LayerOutput, streams);                                          // the same for every stream
        device.Add(streams, s.Streams);
        _block.Forward(batch, w.Layer, streams, s);
        Output.Forward(device, config, batch, streams, (w.HeadHc, w.Norm, model.Head), s, s.DraftLogits(batch.LogitRows.Length));
    }
}
