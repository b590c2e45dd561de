using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Train.Evaluation;

/// <summary>How often the least and the most used routed expert of a layer were chosen, as multiples of an even share.</summary>
/// <param name="Layer">counted from 0</param> <param name="IsHashed">whether the token alone decides, so that no training can even it out</param>
/// <param name="Least">1 is an even share</param> <param name="Most">1 is an even share</param>
public sealed record ExpertLoad(int Layer, bool IsHashed, double Least, double Most);

/// <summary>
/// Stands before a device and counts how often each routed expert is chosen. A pass begins where tokens are embedded, and its layers route in
/// order: feed it the main model, not MTP. One thread at a time.
/// </summary>
/// <param name="inner">does the work; not owned</param>
public sealed class RoutingDevice(Device inner) : DeviceDecorator(inner)
{
    private readonly List<(bool IsHashed, long[] Counts)> _layers = [];
    private int[] _chosen = [];
    private int _layer;

    /// <summary>The loads of the layers so far; none before the first token.</summary>
    public IReadOnlyList<ExpertLoad> Loads => [.. _layers.Select((layer, number) =>
    {
        double share = (double)layer.Counts.Sum() / layer.Counts.Length;
        return new ExpertLoad(number, layer.IsHashed, layer.Counts.Min() / share, layer.Counts.Max() / share);
    })];

    /// <inheritdoc/>
    public override void Embed(in Tensor table, in Tensor ids, in Tensor y)
    {
        _layer = 0;
        base.Embed(table, ids, y);
    }

    /// <inheritdoc/>
    public override void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        base.RouteByScore(logits, bias, routing, experts, weights);
        Count(experts, logits.Columns, isHashed: false);
    }

    /// <inheritdoc/>
    public override void RouteByHash(in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        base.RouteByHash(logits, table, ids, routing, experts, weights);
        Count(experts, logits.Columns, isHashed: true);
    }

    private void Count(in Tensor experts, int available, bool isHashed)
    {
        if (_layer == _layers.Count)
            _layers.Add((isHashed, new long[available]));
        Array.Resize(ref _chosen, checked((int)experts.Count));
        Inner.Download(experts, MemoryMarshal.AsBytes(_chosen.AsSpan()));
        foreach (int expert in _chosen)
            _layers[_layer].Counts[expert]++;
        _layer++;
    }
}
