using Fathom.Devices;

namespace Fathom.Model;

/// <summary>
/// Chooses which compressed entries a CSA query attends to: S_w = Σ_j ω_j ReLU(q_j · k_w), the k largest. Its keys come from a small
/// compressor of its own.
/// </summary>
internal sealed class LightningIndexer(Device device, ModelConfig config, LayerPlan plan)
{
    private readonly Compressor _compressor = new(device, config, plan);

    /// <summary>Stores the batch's index keys and fills s.Selection.</summary>
    /// <param name="batch">the tokens</param>
    /// <param name="w">the indexer's weights</param>
    /// <param name="s">s.Normed and s.QueryLatent are the inputs</param>
    /// <param name="format">of an index row</param>
    public void Forward(Batch batch, IndexerWeights w, Workspace s, Tensors.RowFormat format)
    {
        _compressor.Forward(batch, w.Compressor, s, forIndex: true);
        device.MatMul(w.QueryUp, s.QueryLatent, s.IndexQueries);
        CacheRows.RoundPoint(device, s.IndexQueries, format);
        CacheRows.Rotate(device, s.IndexQueries, s.CompressAngles, format);
        // ω's factor (c^I · n_h^I)^−½ is positive and the same for all entries: it cannot change which are the largest.
        device.MatMul(w.HeadWeights, s.Normed, s.IndexWeights);
        for (int i = 0; i < batch.Slices.Count; i++)
        {
            BatchSlice slice = batch.Slices[i];
            device.SelectRows(
                s.IndexQueries.Slice(slice.FirstRow, slice.Count), s.IndexWeights.Slice(slice.FirstRow, slice.Count),
                slice.Sequence.IndexRows(plan.Layer), plan.Ratio, slice.FirstPosition, s.Selection.Slice(slice.FirstRow, slice.Count));
        }
    }
}
