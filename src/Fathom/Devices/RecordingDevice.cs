using System.Runtime.InteropServices;
using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>
/// Writes down what passes through the layers of a forward pass, one row per token, under the names that the golden vectors use. It tells the
/// layers apart by the order of operations, so the model need not know that it is watched. Feed one sequence at a time.
/// </summary>
public sealed class RecordingDevice(Device inner) : DeviceDecorator(inner)
{
    private readonly Dictionary<string, List<float[]>> _rows = [];
    private int _sublayer = -1;
    private int _compressions;
    private bool _atInput;
    private bool _afterEmbed;
    private bool _active;

    /// <summary>Whether passes are written down.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>The rows of a quantity so far, in the order in which they were computed; empty if there are none.</summary>
    public IReadOnlyList<float[]> Rows(string name) => _rows.TryGetValue(name, out List<float[]>? rows) ? rows : [];

    /// <summary>Forgets everything.</summary>
    public void Clear() => _rows.Clear();

    /// <inheritdoc/>
    public override void Embed(in Tensor table, in Tensor ids, in Tensor y)
    {
        Inner.Embed(table, ids, y);
        _afterEmbed = true;
    }

    /// <inheritdoc/>
    public override void HcExpand(in Tensor x, in Tensor streams)
    {
        Inner.HcExpand(x, streams);
        // A pass of the main model begins with the embedding spread over the streams; MTP projects it first and is not recorded.
        _active = Enabled && _afterEmbed;
        _sublayer = -1;
        Record("hidden_streams.0", streams);
    }

    /// <inheritdoc/>
    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        Inner.HcPre(streams, hc, y, mix);
        _sublayer++;
        _compressions = 0;
        _atInput = true;
    }

    /// <inheritdoc/>
    public override void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y)
    {
        Inner.RmsNorm(x, weight, epsilon, y);
        if (_atInput)
        {
            Record(Name("attn_in", "ffn_in"), y);
        }
        _atInput = false;
        _afterEmbed = false;
    }

    /// <inheritdoc/>
    public override void HcPost(in Tensor streams, in Tensor f, in Tensor mix)
    {
        Record(Name("attn_out", "ffn_out"), f);
        Inner.HcPost(streams, f, mix);
        if (_sublayer % 2 == 1)
        {
            Record($"hidden_streams.{Layer + 1}", streams);
        }
    }

    /// <inheritdoc/>
    public override void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window)
    {
        Record($"window_kv.{Layer}", rows);
        Inner.LoadWindow(ring, format, firstPosition, rows, window);
    }

    /// <inheritdoc/>
    public override void Compress(in CompressOperand operand, in Tensor entries)
    {
        Inner.Compress(operand, entries);
        _compressions++;
    }

    /// <inheritdoc/>
    public override void StoreRows(in Tensor rows, int first, in RowBlocks target)
    {
        Record($"{(_compressions == 1 ? "compressed_kv" : "index_k")}.{Layer}", rows);
        Inner.StoreRows(rows, first, target);
    }

    /// <inheritdoc/>
    public override void SelectRows(
        in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
        Inner.SelectRows(queries, weights, keys, ratio, firstPosition, selection);
        Record($"index_q.{Layer}", queries);
        Record($"indexer_topk.{Layer}", selection);
    }

    /// <inheritdoc/>
    public override void RouteByScore(in Tensor logits, in Tensor bias, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        Inner.RouteByScore(logits, bias, routing, experts, weights);
        RecordRouting(experts, weights);
    }

    /// <inheritdoc/>
    public override void RouteByHash(
        in Tensor logits, in Tensor table, in Tensor ids, RoutingOperand routing, in Tensor experts, in Tensor weights)
    {
        Inner.RouteByHash(logits, table, ids, routing, experts, weights);
        RecordRouting(experts, weights);
    }

    private int Layer => _sublayer / 2;

    private string Name(string attention, string experts) => $"{(_sublayer % 2 == 0 ? attention : experts)}.{Layer}";

    private void RecordRouting(in Tensor experts, in Tensor weights)
    {
        Record($"router_idx.{Layer}", experts);
        Record($"router_w.{Layer}", weights);
    }

    // Integers are recorded as singles: expert ids and row numbers are far below 2²⁴.
    private void Record(string name, in Tensor rows)
    {
        if (!_active)
        {
            return;
        }
        if (!_rows.TryGetValue(name, out List<float[]>? list))
        {
            _rows[name] = list = [];
        }
        for (int t = 0; t < rows.Rows; t++)
        {
            var row = new float[rows.Columns];
            if (rows.Type == DType.I32)
            {
                var integers = new int[rows.Columns];
                Inner.Download(rows.Row(t), MemoryMarshal.AsBytes(integers.AsSpan()));
                for (int i = 0; i < row.Length; i++)
                {
                    row[i] = integers[i];
                }
            }
            else
            {
                Inner.Download(rows.Row(t), MemoryMarshal.AsBytes(row.AsSpan()));
            }
            list.Add(row);
        }
    }
}
