using Fathom.Tensors;

namespace Fathom.Devices;

public sealed partial class CheckedDevice
{
    /// <inheritdoc/>
    public override void HcExpand(in Tensor x, in Tensor streams)
    {
        OperationCheck check = Check(nameof(HcExpand));
        check.Rows(nameof(x), x, x.Columns);
        check.Is(nameof(streams), streams, DType.F32, x.Rows, streams.Columns);
        check.Multiple("streams' columns", streams.Columns, x.Columns);
        check.Apart(nameof(streams), streams, nameof(x), x);
        Inner.HcExpand(x, streams);
        check.Finite(nameof(streams), streams);
    }

    /// <inheritdoc/>
    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        OperationCheck check = Check(nameof(HcPre));
        int n = Streams(check, streams, y);
        Connection(check, hc, streams, (2 * n) + (n * n), scales: 3, mix);
        check.AtLeast("iterations", hc.Iterations, 1);
        Collapse(check, streams, y, mix);
        Inner.HcPre(streams, hc, y, mix);
        check.Finite(nameof(y), y);
        check.Finite(nameof(mix), mix);
    }

    /// <inheritdoc/>
    public override void HcPost(in Tensor streams, in Tensor f, in Tensor mix)
    {
        OperationCheck check = Check(nameof(HcPost));
        check.Rows(nameof(f), f, f.Columns);
        int n = Streams(check, streams, f);
        check.Is(nameof(mix), mix, DType.F32, streams.Rows, (2 * n) + (n * n));
        check.Apart(nameof(f), f, nameof(streams), streams);
        check.Apart(nameof(mix), mix, nameof(streams), streams);
        Inner.HcPost(streams, f, mix);
        check.Finite(nameof(streams), streams);
    }

    /// <inheritdoc/>
    public override void HcHead(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        OperationCheck check = Check(nameof(HcHead));
        Connection(check, hc, streams, Streams(check, streams, y), scales: 1, mix);
        Collapse(check, streams, y, mix);
        Inner.HcHead(streams, hc, y, mix);
        check.Finite(nameof(y), y);
    }

    /// <inheritdoc/>
    public override void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        OperationCheck check = Check(nameof(RouteByScore));
        check.Rows(nameof(logits), logits, logits.Columns);
        check.Is(nameof(bias), bias, DType.F32, 1, logits.Columns);
        Routing(check, logits, experts, weights);
        Inner.RouteByScore(logits, bias, routing, experts, weights);
        Routed(check, logits, experts, weights);
    }

    /// <inheritdoc/>
    public override void RouteByHash(
        in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        OperationCheck check = Check(nameof(RouteByHash));
        check.Rows(nameof(logits), logits, logits.Columns);
        check.Is(nameof(table), table, DType.I32, table.Rows, experts.Columns);
        check.Is(nameof(ids), ids, DType.I32, 1, logits.Rows);
        check.InRange(nameof(ids), ids, 0, table.Rows - 1);
        Routing(check, logits, experts, weights);
        Inner.RouteByHash(logits, table, ids, routing, experts, weights);
        Routed(check, logits, experts, weights);
    }

    /// <inheritdoc/>
    public override void Experts(
        in Tensor x, in Tensor experts, in Tensor weights, ExpertOperand routed, ExpertOperand? sharedExpert, float limit, in Tensor y)
    {
        OperationCheck check = Check(nameof(Experts));
        check.Rows(nameof(x), x, x.Columns);
        check.Is(nameof(experts), experts, DType.I32, x.Rows, experts.Columns);
        check.InRange(nameof(experts), experts, 0, routed.Gate.Count - 1);
        check.Is(nameof(weights), weights, DType.F32, x.Rows, experts.Columns);
        Stack(check, nameof(routed), routed, routed.Gate.Count, x.Columns);
        if (sharedExpert is not null)
        {
            Stack(check, nameof(sharedExpert), sharedExpert, 1, x.Columns);
        }
        if (!(limit > 0))
        {
            check.Fail(nameof(limit), "a number above 0", $"{limit}");
        }
        check.Is(nameof(y), y, DType.F32, x.Rows, x.Columns);
        check.Apart(nameof(y), y, nameof(x), x);
        Inner.Experts(x, experts, weights, routed, sharedExpert, limit, y);
        check.Finite(nameof(y), y);
    }

    // n, from the widths of the streams and of one of them.
    private static int Streams(OperationCheck check, in Tensor streams, in Tensor one)
    {
        check.Rows(nameof(streams), streams, streams.Columns);
        check.Multiple("streams' columns", streams.Columns, one.Columns);
        check.Is("a stream", one, DType.F32, streams.Rows, one.Columns);
        return streams.Columns / one.Columns;
    }

    private static void Connection(OperationCheck check, HyperConnectionOperand hc, in Tensor streams, int outputs, int scales, in Tensor mix)
    {
        check.Is("projection", hc.Projection, 1, outputs, streams.Columns);
        check.Is("scale", hc.Scale, DType.F32, 1, scales);
        check.Is("bias", hc.Bias, DType.F32, 1, outputs);
        check.Is(nameof(mix), mix, DType.F32, streams.Rows, outputs);
    }

    private static void Collapse(OperationCheck check, in Tensor streams, in Tensor y, in Tensor mix)
    {
        check.Apart(nameof(y), y, nameof(streams), streams);
        check.Apart(nameof(mix), mix, nameof(streams), streams);
        check.Apart(nameof(mix), mix, nameof(y), y);
    }

    private static void Routing(OperationCheck check, in Tensor logits, in Tensor experts, in Tensor weights)
    {
        check.Is(nameof(experts), experts, DType.I32, logits.Rows, experts.Columns);
        check.AtLeast("logits' columns", logits.Columns, experts.Columns);
        check.Is(nameof(weights), weights, DType.F32, logits.Rows, experts.Columns);
        check.Apart(nameof(weights), weights, nameof(logits), logits);
    }

    private static void Routed(OperationCheck check, in Tensor logits, in Tensor experts, in Tensor weights)
    {
        check.Finite(nameof(logits), logits);
        check.InRange(nameof(experts), experts, 0, logits.Columns - 1);
        check.Finite(nameof(weights), weights);
    }

    private static void Stack(OperationCheck check, string operand, ExpertOperand experts, int count, int d)
    {
        int hidden = experts.Gate.Rows;
        check.Is($"{operand}.Gate", experts.Gate, count, hidden, d);
        check.Is($"{operand}.Up", experts.Up, count, hidden, d);
        check.Is($"{operand}.Down", experts.Down, count, d, hidden);
    }
}
