using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Tests.Devices;

/// <summary>
/// A device without memory and without arithmetic: a model that runs on it shows which operations it is made of, whatever its size. Integers that
/// are asked for are 0, 1, 2, …, so that a token's experts are different ones.
/// </summary>
internal sealed class DryDevice : Device
{
    public override NumericMode NumericMode => NumericMode.Exact;

    public override Storage Allocate(long bytes, MemoryPurpose purpose) => new NoMemory(bytes, purpose);

    public override WeightMatrix Pack(ReadOnlySpan<RawMatrix> stack)
    {
        (WeightFormat format, int rows, int columns) = (WeightFormats.Of(stack[0].Values.Type), stack[0].Rows, stack[0].Columns);
        Storage storage = Allocate(WeightMatrix.BytesOfStack(format, stack.Length, rows, columns), MemoryPurpose.Weights);
        return new WeightMatrix(storage, format, stack.Length, rows, columns);
    }

    public override WeightMatrix Place(WeightMatrix packed) => packed;

    public override void Upload(ReadOnlySpan<byte> source, in Tensor target)
    {
    }

    public override void Download(in Tensor source, Span<byte> target)
    {
        Span<int> integers = MemoryMarshal.Cast<byte, int>(target);
        for (int i = 0; i < integers.Length; i++)
        {
            integers[i] = i;
        }
    }

    public override void Copy(in Tensor source, in Tensor target)
    {
    }

    public override void Embed(in Tensor table, in Tensor ids, in Tensor y)
    {
    }

    public override void MatMul(WeightMatrix w, in Tensor x, in Tensor y)
    {
    }

    public override void GroupedMatMul(WeightMatrix w, in Tensor x, in Tensor y)
    {
    }

    public override void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y)
    {
    }

    public override void Add(in Tensor x, in Tensor y)
    {
    }

    public override void Gather(in Tensor x, in Tensor rows, in Tensor y)
    {
    }

    public override void RopeAngles(in Tensor positions, in Tensor frequencies, in Tensor angles)
    {
    }

    public override void Rope(in Tensor x, int headDim, in Tensor angles, bool inverse)
    {
    }

    public override void RoundToBf16(in Tensor x)
    {
    }

    public override void Hadamard(in Tensor x)
    {
    }

    public override void RoundRows(in Tensor x, RowFormat format)
    {
    }

    public override void HcExpand(in Tensor x, in Tensor streams)
    {
    }

    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
    }

    public override void HcPost(in Tensor streams, in Tensor f, in Tensor mix)
    {
    }

    public override void HcHead(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
    }

    public override void Compress(in CompressOperand operand, in Tensor entries)
    {
    }

    public override void StoreRows(in Tensor rows, int first, in RowBlocks target)
    {
    }

    public override void StoreRing(in Tensor rows, int firstPosition, RowFormat format, in Tensor ring)
    {
    }

    public override void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window)
    {
    }

    public override void SelectRows(
        in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
    }

    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs)
    {
    }

    public override void WillNeed(ExpertOperand routed, in Tensor table, in Tensor ids)
    {
    }

    public override void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
    }

    public override void RouteByHash(
        in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
    }

    public override void Experts(
        in Tensor x, in Tensor experts, in Tensor weights, ExpertOperand routed, ExpertOperand? sharedExpert, float limit, in Tensor y)
    {
    }

    protected override void Dispose(bool disposing)
    {
    }

    private sealed class NoMemory(long bytes, MemoryPurpose purpose) : Storage(bytes, purpose)
    {
        protected override void Dispose(bool disposing)
        {
        }
    }
}
