using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Tensors;
using Fathom.Train.Autograd;

namespace Fathom.Train.Indexers;

/// <summary>
/// Writes down what the indexers of a forward pass see and what attention would do without them. It tells the layers apart by the order of
/// operations, so the model need not know that it is watched. Feed one sequence at a time, without MTP.
/// </summary>
/// <param name="inner">does the work; not owned</param> <param name="layers">by layer; null for those without an indexer</param>
/// <param name="tape">for threads and scratch</param>
internal sealed class CapturingDevice(Device inner, LayerCapture?[] layers, Tape tape) : DeviceDecorator(inner)
{
    private int _sublayer;
    private int _norms;
    private int _stores;

    /// <summary>Position of the first token of the next pass; set it before each.</summary>
    public int FirstPosition { get; set; }

    /// <inheritdoc/>
    public override void HcExpand(in Tensor x, in Tensor streams)
    {
        Inner.HcExpand(x, streams);
        _sublayer = -1;
    }

    /// <inheritdoc/>
    public override void HcPre(in Tensor streams, HyperConnectionOperand hc, in Tensor y, in Tensor mix)
    {
        Inner.HcPre(streams, hc, y, mix);
        _sublayer++;
        _norms = 0;
        _stores = 0;
    }

    /// <inheritdoc/>
    public override void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y)
    {
        Inner.RmsNorm(x, weight, epsilon, y);
        _norms++;
        if (Capture is not { } capture)
        {
            return;
        }
        // Attention's first norm makes its input, the second the query latent.
        if (_norms == 1)
        {
            Download(y, capture.Inputs.Value.Span.Slice(FirstPosition * y.Columns, y.Rows * y.Columns));
        }
        else if (_norms == 2)
        {
            (int first, int count) = capture.Within(FirstPosition, FirstPosition + y.Rows).GetOffsetAndLength(capture.Places.Length);
            for (int i = first; i < first + count; i++)
            {
                Download(y.Row(capture.Places[i] - FirstPosition), capture.Latent(i));
            }
        }
    }

    /// <inheritdoc/>
    public override void StoreRows(in Tensor rows, int first, in RowBlocks target)
    {
        Inner.StoreRows(rows, first, target);
        _stores++;
        // Attention's entries come first, index keys behind them.
        if (_stores == 1 && Capture is { } capture)
        {
            Download(rows, capture.EntryRows.Slice(first * rows.Columns, rows.Rows * rows.Columns));
        }
    }

    /// <inheritdoc/>
    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs)
    {
        Inner.SparseAttention(queries, context, sinks, scale, outputs);
        if (Capture is { } capture)
        {
            Teach(capture, queries, context, sinks);
        }
    }

    private LayerCapture? Capture => _sublayer >= 0 && _sublayer % 2 == 0 ? layers[_sublayer / 2] : null;

    private void Teach(LayerCapture capture, in Tensor queries, ContextOperand context, in Tensor sinks)
    {
        int heads = sinks.Columns, c = context.Window.Columns, width = queries.Columns, firstPosition = context.FirstPosition;
        (int first, int count) = capture.Within(firstPosition, firstPosition + queries.Rows).GetOffsetAndLength(capture.Places.Length);
        var teacher = new AttentionTeacher(heads, c);
        float[] q = Downloaded(queries), window = Downloaded(context.Window), sink = Downloaded(sinks);
        int windowSize = context.Window.Rows - queries.Rows + 1;
        tape.ParallelLarge(count, (i, worker) =>
        {
            // Row j of the window is position firstPosition − (n_win − 1) + j.
            int place = capture.Places[first + i], row = place - firstPosition, inWindow = Math.Min(windowSize, place + 1), visible = context.Visible(place);
            capture.Teacher[first + i] = teacher.Attend(
                q.AsSpan(row * width, width), window.AsSpan((row + windowSize - inWindow) * c, inWindow * c), capture.EntryRows[..(visible * c)], sink,
                tape.Scratch(worker, teacher.ScratchFloats(inWindow, visible)));
        });
    }

    private float[] Downloaded(in Tensor rows)
    {
        var values = new float[rows.Count];
        Download(rows, values);
        return values;
    }

    private void Download(in Tensor rows, Span<float> to) => Inner.Download(rows, MemoryMarshal.AsBytes(to));
}
