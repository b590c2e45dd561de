using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>
/// Token-level compression (§2.3 of the report): every ratio tokens become one entry, a softmax-weighted sum channel by channel. Where
/// windows overlap, an entry reads the window before its own as well. Whole prompts and single tokens take the same steps: what a later
/// token may need of an earlier one stands in a ring by position.
/// </summary>
internal sealed class Compressor(Device device, ModelConfig config, LayerPlan plan)
{
    /// <summary>Compresses the batch and stores the entries it completes.</summary>
    /// <param name="batch">the tokens</param>
    /// <param name="w">this compressor's weights</param>
    /// <param name="s">s.Normed is the input</param>
    /// <param name="forIndex">whether the entries are index keys</param>
    public void Forward(Batch batch, CompressorWeights w, Workspace s, bool forIndex)
    {
        int dim = forIndex ? config.IndexHeadDim : config.HeadDim;
        (Tensor values, Tensor gates) = s.CompressorInputs(plan.WindowsPerEntry * dim);
        device.MatMul(w.KeyValue, s.Normed, values);                                      // a
        device.MatMul(w.Gate, s.Normed, gates);                                           // b, the bias is added when read
        for (int i = 0; i < batch.Slices.Count; i++)
        {
            BatchSlice slice = batch.Slices[i];
            SequenceCache cache = slice.Sequence;
            (Tensor valueRing, Tensor gateRing) = forIndex ? cache.IndexRings(plan.Layer) : cache.CompressorRings(plan.Layer);
            var operand = new CompressOperand(
                values.Slice(slice.FirstRow, slice.Count), gates.Slice(slice.FirstRow, slice.Count),
                valueRing, gateRing, w.PositionBias, plan.Ratio, slice.FirstPosition);
            Emit(operand, w, s, dim, forIndex ? cache.IndexRows(plan.Layer) : cache.CompressedRows(plan.Layer));
            var ring = new RowFormat(RowKind.F32, values.Columns, 0);
            device.StoreRing(operand.Values, slice.FirstPosition, ring, AsBytes(valueRing));
            device.StoreRing(operand.Gates, slice.FirstPosition, ring, AsBytes(gateRing));
        }
    }

    // An entry's position is its window's first token.
    private void Emit(in CompressOperand operand, CompressorWeights w, Workspace s, int dim, in RowBlocks target)
    {
        int count = operand.EntryCount;
        if (count == 0)
        {
            return;
        }
        Tensor entries = s.Entries(count, dim);
        device.Compress(operand, entries);
        CacheRows.Finish(
            device, entries, w.Norm, config.RmsNormEpsilon, s.EntryAngles(operand.FirstEntry, count, plan.Ratio), target.Format);
        device.StoreRows(entries, operand.FirstEntry, target);
    }

    private static Tensor AsBytes(in Tensor ring) =>
        new(ring.Storage!, ring.Offset, DType.U8, 1, ring.Rows, ring.Columns * sizeof(float));
}
