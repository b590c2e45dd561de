using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>Hands every operation on to another device. Timing, checking and recording derive from it, so that the maths knows nothing of them.</summary>
public abstract class DeviceDecorator(Device inner) : Device
{
    /// <summary>The device that does the work; not owned.</summary>
    protected Device Inner { get; } = inner;

    /// <inheritdoc/>
    public override NumericMode NumericMode => Inner.NumericMode;

    /// <inheritdoc/>
    public override Storage Allocate(long bytes, MemoryPurpose purpose) =>
        Inner.Allocate(bytes, purpose);

    /// <inheritdoc/>
    public override WeightMatrix Pack(ReadOnlySpan<RawMatrix> stack) =>
        Inner.Pack(stack);

    /// <inheritdoc/>
    public override WeightMatrix Place(WeightMatrix packed) =>
        Inner.Place(packed);

    /// <inheritdoc/>
    public override void Upload(ReadOnlySpan<byte> source, in Tensor target) =>
        Inner.Upload(source, in target);

    /// <inheritdoc/>
    public override void Download(in Tensor source, Span<byte> target) =>
        Inner.Download(in source, target);

    /// <inheritdoc/>
    public override void Copy(in Tensor source, in Tensor target) =>
        Inner.Copy(in source, in target);

    /// <inheritdoc/>
    public override void Embed(in Tensor table, in Tensor ids, in Tensor y) =>
        Inner.Embed(in table, in ids, in y);

    /// <inheritdoc/>
    public override void MatMul(WeightMatrix w, in Tensor x, in Tensor y) =>
        Inner.MatMul(w, in x, in y);

    /// <inheritdoc/>
    public override void GroupedMatMul(WeightMatrix w, in Tensor x, in Tensor y) =>
        Inner.GroupedMatMul(w, in x, in y);

    /// <inheritdoc/>
    public override void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y) =>
        Inner.RmsNorm(in x, in weight, epsilon, in y);

    /// <inheritdoc/>
    public override void Add(in Tensor x, in Tensor y) =>
        Inner.Add(in x, in y);

    /// <inheritdoc/>
    public override void Gather(in Tensor x, in Tensor rows, in Tensor y) =>
        Inner.Gather(in x, in rows, in y);

    /// <inheritdoc/>
    public override void RopeAngles(in Tensor positions, in Tensor frequencies, in Tensor angles) =>
        Inner.RopeAngles(in positions, in frequencies, in angles);

    /// <inheritdoc/>
    public override void Rope(in Tensor x, int headDim, in Tensor angles, bool inverse) =>
        Inner.Rope(in x, headDim, in angles, inverse);

    /// <inheritdoc/>
    public override void RoundToBf16(in Tensor x) =>
        Inner.RoundToBf16(in x);

    /// <inheritdoc/>
    public override void Hadamard(in Tensor x) =>
        Inner.Hadamard(in x);

    /// <inheritdoc/>
    public override void RoundRows(in Tensor x, RowFormat format) =>
        Inner.RoundRows(in x, format);

    /// <inheritdoc/>
    public override void HcExpand(in Tensor x, in Tensor streams) =>
        Inner.HcExpand(in x, in streams);

    /// <inheritdoc/>
    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix) =>
        Inner.HcPre(in streams, hc, in y, in mix);

    /// <inheritdoc/>
    public override void HcPost(in Tensor streams, in Tensor f, in Tensor mix) =>
        Inner.HcPost(in streams, in f, in mix);

    /// <inheritdoc/>
    public override void HcHead(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix) =>
        Inner.HcHead(in streams, hc, in y, in mix);

    /// <inheritdoc/>
    public override void Compress(in CompressOperand operand, in Tensor entries) =>
        Inner.Compress(in operand, in entries);

    /// <inheritdoc/>
    public override void StoreRows(in Tensor rows, int first, in RowBlocks target) =>
        Inner.StoreRows(in rows, first, in target);

    /// <inheritdoc/>
    public override void StoreRing(in Tensor rows, int firstPosition, RowFormat format, in Tensor ring) =>
        Inner.StoreRing(in rows, firstPosition, format, in ring);

    /// <inheritdoc/>
    public override void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window) =>
        Inner.LoadWindow(in ring, format, firstPosition, in rows, in window);

    /// <inheritdoc/>
    public override void SelectRows(in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection) =>
        Inner.SelectRows(in queries, in weights, in keys, ratio, firstPosition, in selection);

    /// <inheritdoc/>
    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs) =>
        Inner.SparseAttention(in queries, in context, in sinks, scale, in outputs);

    /// <inheritdoc/>
    public override void WillNeed(ExpertOperand routed, in Tensor table, in Tensor ids) =>
        Inner.WillNeed(routed, in table, in ids);

    /// <inheritdoc/>
    public override void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights) =>
        Inner.RouteByScore(in logits, in bias, routing, in experts, in weights);

    /// <inheritdoc/>
    public override void RouteByHash(in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights) =>
        Inner.RouteByHash(in logits, in table, in ids, routing, in experts, in weights);

    /// <inheritdoc/>
    public override void Experts(in Tensor x, in Tensor experts, in Tensor weights, ExpertOperand routed, ExpertOperand? sharedExpert, float limit, in Tensor y) =>
        Inner.Experts(in x, in experts, in weights, routed, sharedExpert, limit, in y);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }
}
