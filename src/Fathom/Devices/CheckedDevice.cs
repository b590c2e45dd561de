using System.Numerics;
using Fathom.Tensors;

namespace Fathom.Devices;

/// <summary>
/// Checks what <see cref="Device"/> promises and demands before and after every operation: shapes, types, live and separate memory, indices in
/// range, finite results. For tests: it reads every result back. Throws <see cref="InvalidOperationException"/> with the operation, the operand,
/// what was expected and what was found.
/// </summary>
public sealed partial class CheckedDevice(Device inner) : DeviceDecorator(inner)
{
    /// <inheritdoc/>
    public override Storage Allocate(long bytes, MemoryPurpose purpose)
    {
        Check(nameof(Allocate)).AtLeast(nameof(bytes), bytes, 0);
        return Inner.Allocate(bytes, purpose);
    }

    /// <inheritdoc/>
    public override WeightMatrix Pack(ReadOnlySpan<RawMatrix> stack)
    {
        OperationCheck check = Check(nameof(Pack));
        check.AtLeast(nameof(stack), stack.Length, 1);
        RawMatrix first = stack[0];
        foreach (RawMatrix matrix in stack)
        {
            Tensor values = matrix.Values;
            check.Is("values", values, first.Values.Type, values.Rows, first.Values.Columns);
            check.AtLeast("values' rows", values.Rows, matrix.FirstRow + matrix.Rows);
            if (matrix.Rows != first.Rows)
            {
                check.Fail("rows", $"{first.Rows} as of the first matrix", $"{matrix.Rows}");
            }
            switch (values.Type)
            {
                case DType.F32 or DType.Bf16:
                    break;
                case DType.Fp8E4M3:
                    check.Is("scales", matrix.Scales, DType.Ue8m0, Blocks(values.Rows, PanelLayout.Fp8Block), Blocks(matrix.Columns, PanelLayout.Fp8Block));
                    break;
                case DType.Fp4E2M1Pair:
                    check.Is("scales", matrix.Scales, DType.Ue8m0, values.Rows, Blocks(matrix.Columns, PanelLayout.Fp4Block));
                    break;
                default:
                    check.Fail("values", "F32, BF16, FP8 or FP4", values.ToString());
                    break;
            }
        }
        return Inner.Pack(stack);
    }

    /// <inheritdoc/>
    public override void Upload(ReadOnlySpan<byte> source, in Tensor target)
    {
        Bytes(Check(nameof(Upload)), nameof(source), source.Length, target);
        Inner.Upload(source, target);
    }

    /// <inheritdoc/>
    public override void Download(in Tensor source, Span<byte> target)
    {
        Bytes(Check(nameof(Download)), nameof(target), target.Length, source);
        Inner.Download(source, target);
    }

    /// <inheritdoc/>
    public override void Copy(in Tensor source, in Tensor target)
    {
        OperationCheck check = Check(nameof(Copy));
        check.Alive(nameof(source), source);
        check.Is(nameof(target), target, source.Type, source.Rows, source.Columns);
        check.Apart(nameof(target), target, nameof(source), source);
        Inner.Copy(source, target);
    }

    /// <inheritdoc/>
    public override void Embed(in Tensor table, in Tensor ids, in Tensor y)
    {
        OperationCheck check = Check(nameof(Embed));
        check.Is(nameof(table), table, table.Type == DType.Bf16 ? DType.Bf16 : DType.F32, table.Rows, table.Columns);
        check.Is(nameof(ids), ids, DType.I32, 1, ids.Columns);
        check.InRange(nameof(ids), ids, 0, table.Rows - 1);
        check.Is(nameof(y), y, DType.F32, ids.Columns, table.Columns);
        check.Apart(nameof(y), y, nameof(table), table);
        Inner.Embed(table, ids, y);
        check.Finite(nameof(y), y);
    }

    /// <inheritdoc/>
    public override void MatMul(WeightMatrix w, in Tensor x, in Tensor y)
    {
        OperationCheck check = Check(nameof(MatMul));
        check.Is(nameof(w), w, 1, w.Rows, w.Columns);
        Product(check, w, x, y);
        Inner.MatMul(w, x, y);
        check.Finite(nameof(y), y);
    }

    /// <inheritdoc/>
    public override void GroupedMatMul(WeightMatrix w, in Tensor x, in Tensor y)
    {
        OperationCheck check = Check(nameof(GroupedMatMul));
        Product(check, w, x, y);
        Inner.GroupedMatMul(w, x, y);
        check.Finite(nameof(y), y);
    }

    /// <inheritdoc/>
    public override void RmsNorm(in Tensor x, in Tensor weight, float epsilon, in Tensor y)
    {
        OperationCheck check = Check(nameof(RmsNorm));
        check.Rows(nameof(x), x, x.Columns);
        if (!weight.IsNone)
        {
            check.Is(nameof(weight), weight, DType.F32, 1, x.Columns);
        }
        check.AtLeast(nameof(epsilon), epsilon, 0);
        check.Is(nameof(y), y, DType.F32, x.Rows, x.Columns);
        check.SameOrApart(nameof(y), y, nameof(x), x);
        check.Apart(nameof(y), y, nameof(weight), weight);
        Inner.RmsNorm(x, weight, epsilon, y);
        check.Finite(nameof(y), y);
    }

    /// <inheritdoc/>
    public override void Add(in Tensor x, in Tensor y)
    {
        OperationCheck check = Check(nameof(Add));
        check.Rows(nameof(x), x, x.Columns);
        check.Is(nameof(y), y, DType.F32, x.Rows, x.Columns);
        check.SameOrApart(nameof(y), y, nameof(x), x);
        Inner.Add(x, y);
        check.Finite(nameof(x), x);
    }

    /// <inheritdoc/>
    public override void Gather(in Tensor x, in Tensor rows, in Tensor y)
    {
        OperationCheck check = Check(nameof(Gather));
        check.Rows(nameof(x), x, x.Columns);
        check.Is(nameof(rows), rows, DType.I32, 1, rows.Columns);
        check.InRange(nameof(rows), rows, 0, x.Rows - 1);
        check.Is(nameof(y), y, DType.F32, rows.Columns, x.Columns);
        check.Apart(nameof(y), y, nameof(x), x);
        Inner.Gather(x, rows, y);
        check.Finite(nameof(y), y);
    }

    /// <inheritdoc/>
    public override void RopeAngles(in Tensor positions, in Tensor frequencies, in Tensor angles)
    {
        OperationCheck check = Check(nameof(RopeAngles));
        check.Is(nameof(positions), positions, DType.I32, 1, positions.Columns);
        check.InRange(nameof(positions), positions, 0, int.MaxValue);
        check.Is(nameof(frequencies), frequencies, DType.F32, 1, frequencies.Columns);
        check.Is(nameof(angles), angles, DType.F32, positions.Columns, 2 * frequencies.Columns);
        check.Apart(nameof(angles), angles, nameof(frequencies), frequencies);
        Inner.RopeAngles(positions, frequencies, angles);
        check.Finite(nameof(angles), angles);
    }

    /// <inheritdoc/>
    public override void Rope(in Tensor x, int headDim, in Tensor angles, bool inverse)
    {
        OperationCheck check = Check(nameof(Rope));
        check.Rows(nameof(x), x, x.Columns);
        check.Multiple("x's columns", x.Columns, headDim);
        check.Is(nameof(angles), angles, DType.F32, x.Rows, angles.Columns);
        check.Multiple("angles' columns", angles.Columns, 2);
        check.AtLeast(nameof(headDim), headDim, angles.Columns);
        check.Apart(nameof(angles), angles, nameof(x), x);
        Inner.Rope(x, headDim, angles, inverse);
        check.Finite(nameof(x), x);
    }

    /// <inheritdoc/>
    public override void RoundToBf16(in Tensor x)
    {
        OperationCheck check = Check(nameof(RoundToBf16));
        check.Rows(nameof(x), x, x.Columns);
        Inner.RoundToBf16(x);
        check.Finite(nameof(x), x);
    }

    /// <inheritdoc/>
    public override void Hadamard(in Tensor x)
    {
        OperationCheck check = Check(nameof(Hadamard));
        check.Rows(nameof(x), x, x.Columns);
        if (!BitOperations.IsPow2(x.Columns))
        {
            check.Fail(nameof(x), "rows of a power of two", x.ToString());
        }
        Inner.Hadamard(x);
        check.Finite(nameof(x), x);
    }

    private static void Product(OperationCheck check, WeightMatrix w, in Tensor x, in Tensor y)
    {
        check.Is(nameof(w), w, w.Count, w.Rows, w.Columns);
        check.Rows(nameof(x), x, w.Count * w.Columns);
        check.Is(nameof(y), y, DType.F32, x.Rows, w.Count * w.Rows);
        check.Apart(nameof(y), y, nameof(x), x);
    }

    private static void Bytes(OperationCheck check, string operand, int bytes, in Tensor x)
    {
        check.Alive("the tensor", x);
        if (bytes != x.Count * x.Type.Size())
        {
            check.Fail(operand, $"{x.Count * x.Type.Size()} bytes for {x}", $"{bytes}");
        }
    }

    private static int Blocks(int count, int size) => (count + size - 1) / size;

    private OperationCheck Check(string operation) => new(Inner, operation);
}
