using Fathom.Tensors;

namespace Fathom.Devices;

public sealed partial class CheckedDevice
{
    /// <inheritdoc/>
    public override void RoundRows(in Tensor x, RowFormat format)
    {
        OperationCheck check = Check(nameof(RoundRows));
        check.Rows(nameof(x), x, format.Dim);
        Inner.RoundRows(x, format);
        check.Finite(nameof(x), x);
    }

    /// <inheritdoc/>
    public override void Compress(in CompressOperand operand, in Tensor entries)
    {
        OperationCheck check = Check(nameof(Compress));
        Tensor values = operand.Values, ring = operand.ValueRing;
        check.AtLeast("ratio", operand.Ratio, 1);
        check.AtLeast("first position", operand.FirstPosition, 0);
        check.Rows("values", values, values.Columns);
        check.Is("gates", operand.Gates, DType.F32, values.Rows, values.Columns);
        check.Rows("value ring", ring, values.Columns);
        check.Multiple("value ring's rows", ring.Rows, operand.Ratio);
        check.AtLeast("windows", operand.Windows, 1);
        check.Is("gate ring", operand.GateRing, DType.F32, ring.Rows, values.Columns);
        check.Is("position bias", operand.PositionBias, DType.F32, operand.Ratio, values.Columns);
        check.Multiple("values' columns", values.Columns, operand.Windows);
        check.Is(nameof(entries), entries, DType.F32, operand.EntryCount, values.Columns / operand.Windows);
        check.Apart(nameof(entries), entries, "values", values);
        check.Apart(nameof(entries), entries, "gates", operand.Gates);
        Inner.Compress(operand, entries);
        check.Finite(nameof(entries), entries);
    }

    /// <inheritdoc/>
    public override void StoreRows(in Tensor rows, int first, in RowBlocks target)
    {
        OperationCheck check = Check(nameof(StoreRows));
        check.Rows(nameof(rows), rows, target.Format.Dim);
        check.AtLeast(nameof(first), first, 0);
        check.Holds(nameof(target), target, first + rows.Rows, rows.Columns);
        check.Finite(nameof(rows), rows);
        Inner.StoreRows(rows, first, target);
    }

    /// <inheritdoc/>
    public override void StoreRing(in Tensor rows, int firstPosition, RowFormat format, in Tensor ring)
    {
        OperationCheck check = Check(nameof(StoreRing));
        check.Rows(nameof(rows), rows, format.Dim);
        check.AtLeast(nameof(firstPosition), firstPosition, 0);
        check.Is(nameof(ring), ring, DType.U8, ring.Rows, format.Bytes);
        check.AtLeast("ring's rows", ring.Rows, 1);
        check.Finite(nameof(rows), rows);
        Inner.StoreRing(rows, firstPosition, format, ring);
    }

    /// <inheritdoc/>
    public override void LoadWindow(in Tensor ring, RowFormat format, int firstPosition, in Tensor rows, in Tensor window)
    {
        OperationCheck check = Check(nameof(LoadWindow));
        check.Is(nameof(ring), ring, DType.U8, ring.Rows, format.Bytes);
        check.AtLeast(nameof(firstPosition), firstPosition, 0);
        check.Rows(nameof(rows), rows, format.Dim);
        check.Is(nameof(window), window, DType.F32, ring.Rows - 1 + rows.Rows, format.Dim);
        check.Apart(nameof(window), window, nameof(rows), rows);
        Inner.LoadWindow(ring, format, firstPosition, rows, window);
        // Rows before position 0 are nobody's.
        int missing = Math.Max(0, ring.Rows - 1 - firstPosition);
        check.Finite(nameof(window), window.Slice(missing, window.Rows - missing));
    }

    /// <inheritdoc/>
    public override void SelectRows(
        in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
    {
        OperationCheck check = Check(nameof(SelectRows));
        check.AtLeast(nameof(ratio), ratio, 1);
        check.AtLeast(nameof(firstPosition), firstPosition, 0);
        check.Is(nameof(weights), weights, DType.F32, queries.Rows, weights.Columns);
        check.Rows(nameof(queries), queries, weights.Columns * keys.Format.Dim);
        check.Holds(nameof(keys), keys, (firstPosition + queries.Rows) / ratio, keys.Format.Dim);
        check.Is(nameof(selection), selection, DType.I32, queries.Rows, selection.Columns);
        Inner.SelectRows(queries, weights, keys, ratio, firstPosition, selection);
        check.Selects(nameof(selection), selection, ratio, firstPosition, exact: true);
    }

    /// <inheritdoc/>
    public override void SparseAttention(in Tensor queries, in ContextOperand context, in Tensor sinks, float scale, in Tensor outputs)
    {
        OperationCheck check = Check(nameof(SparseAttention));
        check.Rows(nameof(queries), queries, queries.Columns);
        check.Is(nameof(sinks), sinks, DType.F32, 1, sinks.Columns);
        check.Multiple("queries' columns", queries.Columns, sinks.Columns);
        int headDim = queries.Columns / sinks.Columns;
        check.Rows("window", context.Window, headDim);
        check.AtLeast("window's rows", context.Window.Rows, queries.Rows);
        check.AtLeast("ratio", context.Ratio, 0);
        check.AtLeast("first position", context.FirstPosition, 0);
        check.Holds("compressed rows", context.Compressed, context.Visible(context.FirstPosition + queries.Rows - 1), headDim);
        if (!context.Selection.IsNone)
        {
            check.Is("selection", context.Selection, DType.I32, queries.Rows, context.Selection.Columns);
            check.AtLeast("ratio with a selection", context.Ratio, 1);
            check.Selects("selection", context.Selection, context.Ratio, context.FirstPosition, exact: false);
        }
        check.Is(nameof(outputs), outputs, DType.F32, queries.Rows, queries.Columns);
        check.Apart(nameof(outputs), outputs, nameof(queries), queries);
        check.Apart(nameof(outputs), outputs, "window", context.Window);
        Inner.SparseAttention(queries, context, sinks, scale, outputs);
        check.Finite(nameof(outputs), outputs);
    }
}
