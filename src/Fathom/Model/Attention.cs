using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>
/// Attention (§2.3 of the report): low-rank queries; one row per token that is key and value of every head; a sliding window united with
/// compressed rows under one softmax with a sink; RoPE undone on the output; a grouped low-rank output projection.
/// </summary>
internal sealed class Attention(Device device, ModelConfig config, LayerPlan plan)
{
    private readonly Compressor _compressor = new(device, config, plan);
    private readonly LightningIndexer _indexer = new(device, config, plan);
    private readonly float _scale = 1 / MathF.Sqrt(config.HeadDim);

    /// <summary>s.Normed → s.LayerOutput; the sequences' caches remember the batch.</summary>
    public void Forward(Batch batch, AttentionWeights w, Workspace s)
    {
        Tensor angles = plan.UsesCompressRope ? s.CompressAngles : s.WindowAngles;
        int c = config.HeadDim;
        device.MatMul(w.QueryDown, s.Normed, s.QueryLatent);                              // (T, d) → (T, q rank)
        device.RmsNorm(s.QueryLatent, w.QueryNorm, config.RmsNormEpsilon, s.QueryLatent);
        device.MatMul(w.QueryUp, s.QueryLatent, s.Queries);                               // → (T, n_h · c)
        Tensor heads = s.Queries.Shaped(s.Rows * config.HeadCount, c);
        device.RmsNorm(heads, default, config.RmsNormEpsilon, heads);                     // each head by itself, no weight
        device.Rope(s.Queries, c, angles, inverse: false);
        device.MatMul(w.KeyValue, s.Normed, s.KeyValue);                                  // → (T, c)
        RowFormat format = batch.Slices[0].Sequence.Layout.KeyFormat;
        CacheRows.Finish(device, s.KeyValue, w.KeyValueNorm, config.RmsNormEpsilon, angles, format);
        if (w.Compressor is not null)
        {
            _compressor.Forward(batch, w.Compressor, s, forIndex: false);
        }
        if (w.Indexer is not null)
        {
            _indexer.Forward(batch, w.Indexer, s, batch.Slices[0].Sequence.Layout.IndexFormat);
        }
        for (int i = 0; i < batch.Slices.Count; i++)
        {
            Attend(batch.Slices[i], w, s, format);
        }
        device.Rope(s.Attended, c, angles, inverse: true);                                // values carry RoPE; phases become relative
        device.GroupedMatMul(w.OutputDown, s.Attended, s.Groups);                         // g × (n_h · c / g → d_g)
        device.MatMul(w.OutputUp, s.Groups, s.LayerOutput);                               // → (T, d)
    }

    private void Attend(in BatchSlice slice, AttentionWeights w, Workspace s, RowFormat format)
    {
        SequenceCache cache = slice.Sequence;
        Tensor rows = s.KeyValue.Slice(slice.FirstRow, slice.Count), ring = cache.WindowRing(plan.Layer), window = s.Window(slice.Count);
        int first = slice.FirstPosition;
        device.LoadWindow(ring, format, first, rows, window);
        var context = new ContextOperand(
            window, cache.CompressedRows(plan.Layer),
            w.Indexer is null ? default : s.Selection.Slice(slice.FirstRow, slice.Count), plan.Ratio, first);
        device.SparseAttention(
            s.Queries.Slice(slice.FirstRow, slice.Count), context, w.Sinks, _scale, s.Attended.Slice(slice.FirstRow, slice.Count));
        device.StoreRing(rows, first, format, ring);
    }
}
