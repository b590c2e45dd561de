using System.Diagnostics;
using Fathom.Tensors;

namespace Fathom.Devices;

public sealed partial class ProfilingDevice
{
    /// <inheritdoc/>
    public override void Upload(ReadOnlySpan<byte> source, in Tensor target)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Upload(source, target);
        Record(DeviceOperation.Upload, start, source.Length);
    }

    /// <inheritdoc/>
    public override void Copy(in Tensor source, in Tensor target)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Copy(source, target);
        Record(DeviceOperation.Copy, start, Size(source) + Size(target));
    }

    /// <inheritdoc/>
    public override void Embed(in Tensor table, in Tensor ids, in Tensor y)
    {
        _segment = Rest;
        _sublayers = 0;
        long start = Stopwatch.GetTimestamp();
        Inner.Embed(table, ids, y);
        Record(DeviceOperation.Embed, start, ((long)ids.Columns * table.Columns * table.Type.Size()) + Size(y));
    }

    /// <inheritdoc/>
    public override void MatMul(WeightMatrix w, in Tensor x, in Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.MatMul(w, x, y);
        Record(DeviceOperation.MatMul, start, Size(w), 0, Size(x) + Size(y), Products(w, x.Rows));
    }

    /// <inheritdoc/>
    public override void GroupedMatMul(WeightMatrix w, in Tensor x, in Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.GroupedMatMul(w, x, y);
        Record(DeviceOperation.GroupedMatMul, start, Size(w), 0, Size(x) + Size(y), Products(w, x.Rows));
    }

    /// <inheritdoc/>
    public override void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.RmsNorm(x, weight, epsilon, y);
        Record(DeviceOperation.RmsNorm, start, Size(weight) + Size(x) + Size(y));
    }

    /// <inheritdoc/>
    public override void Add(in Tensor x, in Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Add(x, y);
        Record(DeviceOperation.Add, start, (2 * Size(x)) + Size(y));
    }

    /// <inheritdoc/>
    public override void Gather(in Tensor x, in Tensor rows, in Tensor y)
    {
        _segment = Rest;
        long start = Stopwatch.GetTimestamp();
        Inner.Gather(x, rows, y);
        Record(DeviceOperation.Gather, start, 2 * Size(y));
    }

    /// <inheritdoc/>
    public override void RopeAngles(in Tensor positions, in Tensor frequencies, in Tensor angles)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.RopeAngles(positions, frequencies, angles);
        Record(DeviceOperation.RopeAngles, start, Size(angles));
    }

    /// <inheritdoc/>
    public override void Rope(in Tensor x, int headDim, in Tensor angles, bool inverse)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Rope(x, headDim, angles, inverse);
        Record(DeviceOperation.Rope, start, (2 * Size(x) / headDim * angles.Columns) + Size(angles));
    }

    /// <inheritdoc/>
    public override void RoundToBf16(in Tensor x)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.RoundToBf16(x);
        Record(DeviceOperation.RoundToBf16, start, 2 * Size(x));
    }

    /// <inheritdoc/>
    public override void Hadamard(in Tensor x)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Hadamard(x);
        Record(DeviceOperation.Hadamard, start, 2 * Size(x));
    }

    /// <inheritdoc/>
    public override void RoundRows(in Tensor x, RowFormat format)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.RoundRows(x, format);
        Record(DeviceOperation.RoundRows, start, 2 * Size(x));
    }

    /// <inheritdoc/>
    public override void HcExpand(in Tensor x, in Tensor streams)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.HcExpand(x, streams);
        Record(DeviceOperation.HcExpand, start, Size(x) + Size(streams));
    }

    /// <inheritdoc/>
    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        _segment = 1 + Math.Min(Layers - 1, _sublayers++ / 2);
        long start = Stopwatch.GetTimestamp();
        Inner.HcPre(streams, hc, y, mix);
        Record(DeviceOperation.HcPre, start, Size(hc.Projection), 0, Size(hc) + Size(streams) + Size(y), Products(hc.Projection, streams.Rows));
    }

    /// <inheritdoc/>
    public override void HcPost(in Tensor streams, in Tensor f, in Tensor mix)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.HcPost(streams, f, mix);
        Record(DeviceOperation.HcPost, start, (2 * Size(streams)) + Size(f));
    }

    /// <inheritdoc/>
    public override void HcHead(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.HcHead(streams, hc, y, mix);
        Record(DeviceOperation.HcHead, start, Size(hc.Projection), 0, Size(hc) + Size(streams) + Size(y), Products(hc.Projection, streams.Rows));
    }

    /// <inheritdoc/>
    public override void Compress(in CompressOperand operand, in Tensor entries)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Compress(operand, entries);
        Record(DeviceOperation.Compress, start, Size(operand.PositionBias) + (Size(entries) * ((2L * operand.ValueRing.Rows) + 1)));
    }

    /// <inheritdoc/>
    public override void StoreRows(in Tensor rows, int first, in RowBlocks target)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.StoreRows(rows, first, target);
        Record(DeviceOperation.StoreRows, start, Size(rows) + ((long)rows.Rows * target.Format.Bytes));
    }

    /// <inheritdoc/>
    public override void StoreRing(in Tensor rows, int firstPosition, RowFormat format, in Tensor ring)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.StoreRing(rows, firstPosition, format, ring);
        Record(DeviceOperation.StoreRing, start, Math.Min(rows.Rows, ring.Rows) * (format.Bytes + ((long)rows.Columns * sizeof(float))));
    }

    /// <inheritdoc/>
    public override void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.LoadWindow(ring, format, firstPosition, rows, window);
        long ringBytes = Math.Min(firstPosition, window.Rows - rows.Rows) * (long)format.Bytes;   // rows of this batch are not read from the ring
        Record(DeviceOperation.LoadWindow, start, 0, ringBytes, Size(rows) + Size(window), default);
    }

    /// <inheritdoc/>
    public override void SelectRows(
        in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.SelectRows(queries, weights, keys, ratio, firstPosition, selection);
        long scored = 0;
        for (int t = 0; t < queries.Rows; t++)
        {
            int seen = (firstPosition + t + 1) / ratio;
            scored += seen > selection.Columns ? seen : 0;                                // fewer are all chosen, unscored
        }
        long keyBytes = scored > 0 ? (long)((firstPosition + queries.Rows) / ratio) * keys.Format.Bytes : 0;
        Record(
            DeviceOperation.SelectRows, start, 0, keyBytes, Size(queries) + Size(weights) + Size(selection),
            new FlopCount { Index = 2 * scored * queries.Columns });
    }

    /// <inheritdoc/>
    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.SparseAttention(queries, context, sinks, scale, outputs);
        int window = context.Window.Rows - queries.Rows + 1, most = context.Selection.IsNone ? int.MaxValue : context.Selection.Columns;
        long seen = 0, chosen = 0;
        for (int t = 0; t < queries.Rows; t++)
        {
            int position = context.FirstPosition + t, compressed = Math.Min(most, context.Visible(position));
            seen += Math.Min(window, position + 1) + compressed;
            chosen += compressed;
        }
        // Rows that every query sees are read once; rows that each chooses for itself, once for each, at most all there are.
        long rows = Math.Min(chosen, context.Visible(context.FirstPosition + queries.Rows - 1));
        Record(
            DeviceOperation.SparseAttention, start, 0, rows * context.Compressed.Format.Bytes,
            Size(sinks) + Size(queries) + Size(outputs) + Size(context.Window),
            new FlopCount { Attention = 4 * seen * queries.Columns });                    // q·k and p·v
    }

    /// <inheritdoc/>
    public override void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.RouteByScore(logits, bias, routing, experts, weights);
        Record(DeviceOperation.RouteByScore, start, Size(bias) + (2 * Size(logits)) + Size(experts) + Size(weights));
    }

    /// <inheritdoc/>
    public override void RouteByHash(
        in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.RouteByHash(logits, table, ids, routing, experts, weights);
        Record(DeviceOperation.RouteByHash, start, (2 * Size(logits)) + (2 * Size(experts)) + Size(weights));
    }

    /// <inheritdoc/>
    public override void Experts(
        in Tensor x, in Tensor experts, in Tensor weights, ExpertOperand routed, ExpertOperand? sharedExpert, float limit, in Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Experts(x, experts, weights, routed, sharedExpert, limit, y);
        long ticks = Stopwatch.GetTimestamp() - start;
        int unique = CountExperts(experts);
        long bytes = unique * (Size(routed) / routed.Gate.Count);
        FlopCount flops = ProductsOfOne(routed, experts.Count);
        if (sharedExpert is not null)
        {
            bytes += Size(sharedExpert);
            flops += ProductsOfOne(sharedExpert, x.Rows);
        }
        Add(DeviceOperation.Experts, new OperationCost(1, ticks, bytes, 0, Size(x) + Size(y), flops));
    }
}
