using System.Diagnostics;
using System.Runtime.InteropServices;
using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>
/// Times every operation and counts what it computes and moves, by layer: of its operands, whatever the inner device does with them. It tells
/// the layers apart by the order of operations, so the model need not know that it is timed. Meant for a device whose calls return when the
/// work is done; of one that only enqueues, it would time the enqueueing. Feed it the main model, not MTP; after its first passes it allocates
/// nothing.
/// </summary>
public sealed partial class ProfilingDevice : DeviceDecorator
{
    /// <summary>The segment of everything before the first layer and behind the last: embedding, angles, collapse of the streams, head.</summary>
    public const int Rest = 0;

    private static readonly int s_operations = Enum.GetValues<DeviceOperation>().Length;

    private readonly OperationCost[] _costs;
    private readonly HashSet<int>[] _experts;
    private int[] _chosen = [];
    private int _segment;
    private int _sublayers;

    /// <summary>Stands before <paramref name="inner"/>, which is not owned.</summary>
    /// <param name="inner">does the work</param>
    /// <param name="layers">main layers of the model</param>
    public ProfilingDevice(Device inner, int layers) : base(inner)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        Layers = layers;
        _costs = new OperationCost[(layers + 1) * s_operations];
        _experts = new HashSet<int>[layers];
        for (int i = 0; i < layers; i++)
        {
            _experts[i] = [];
        }
    }

    /// <summary>Main layers of the model.</summary>
    public int Layers { get; }

    /// <summary>The cost of an operation since the last <see cref="Clear"/>.</summary>
    /// <param name="segment"><see cref="Rest"/>, or 1 + the number of a layer</param>
    /// <param name="operation">which</param>
    public OperationCost Cost(int segment, DeviceOperation operation) => _costs[(segment * s_operations) + (int)operation];

    /// <summary>The cost of all operations of a segment.</summary>
    public OperationCost Cost(int segment)
    {
        OperationCost sum = default;
        for (int i = segment * s_operations; i < (segment + 1) * s_operations; i++)
        {
            sum += _costs[i];
        }
        return sum;
    }

    /// <summary>The cost of an operation in all segments.</summary>
    public OperationCost Cost(DeviceOperation operation)
    {
        OperationCost sum = default;
        for (int segment = 0; segment <= Layers; segment++)
        {
            sum += Cost(segment, operation);
        }
        return sum;
    }

    /// <summary>The routed experts of a layer, counted from 0, that any token used since the last <see cref="ClearExperts"/>.</summary>
    public IReadOnlySet<int> ExpertsUsed(int layer) => _experts[layer];

    /// <summary>Forgets all costs; the experts stay.</summary>
    public void Clear() => Array.Clear(_costs);

    /// <summary>Forgets which experts were used.</summary>
    public void ClearExperts()
    {
        foreach (HashSet<int> used in _experts)
        {
            used.Clear();
        }
    }

    private static long Size(in Tensor x) => x.IsNone ? 0 : x.Count * x.Type.Size();

    private static long Size(WeightMatrix w) => w.Count * w.ReadBytes;

    private static long Size(ExpertOperand experts) => Size(experts.Gate) + Size(experts.Up) + Size(experts.Down);

    private static long Size(HyperConnectionOperand hc) => Size(hc.Scale) + Size(hc.Bias);

    // Of every matrix of a stack with so many rows.
    private static FlopCount Products(WeightMatrix w, int rows) => ProductsOfOne(w, (long)w.Count * rows);

    // Of one expert's three matrices with so many rows.
    private static FlopCount ProductsOfOne(ExpertOperand experts, long rows) =>
        ProductsOfOne(experts.Gate, rows) + ProductsOfOne(experts.Up, rows) + ProductsOfOne(experts.Down, rows);

    private static FlopCount ProductsOfOne(WeightMatrix w, long rows) => FlopCount.OfWeights(w.Format, rows * w.Rows * w.Columns);

    // Different experts of this call; the layer's set remembers them as well.
    private int CountExperts(in Tensor experts)
    {
        int count = checked((int)experts.Count), unique = 0;
        if (_chosen.Length < count)
        {
            _chosen = new int[count];
        }
        Span<int> ids = _chosen.AsSpan(0, count);
        Inner.Download(experts, MemoryMarshal.AsBytes(ids));
        ids.Sort();
        for (int i = 0; i < ids.Length; i++)
        {
            if (i == 0 || ids[i] != ids[i - 1])
            {
                unique++;
                _experts[Math.Max(0, _segment - 1)].Add(ids[i]);
            }
        }
        return unique;
    }

    // An operation that multiplies no weights and reads no cache.
    private void Record(DeviceOperation operation, long start, long otherBytes) => Record(operation, start, 0, 0, otherBytes, default);

    private void Record(DeviceOperation operation, long start, long weightBytes, long cacheBytes, long otherBytes, in FlopCount flops) =>
        Add(operation, new OperationCost(1, Stopwatch.GetTimestamp() - start, weightBytes, cacheBytes, otherBytes, flops));

    private void Add(DeviceOperation operation, in OperationCost cost) => _costs[(_segment * s_operations) + (int)operation] += cost;
}
