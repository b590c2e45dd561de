using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Tensors;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Devices;

/// <summary>Every kind of violation is found, and the message names operation, operand, what was expected and what was found.</summary>
public sealed class CheckedDeviceTests : IDisposable
{
    private readonly CpuDevice _cpu = new(1);
    private readonly CheckedDevice _device;
    private readonly DeviceMemory _memory;

    public CheckedDeviceTests()
    {
        _device = new CheckedDevice(_cpu);
        _memory = new DeviceMemory(_cpu);
    }

    public void Dispose()
    {
        _memory.Dispose();
        _device.Dispose();
        _cpu.Dispose();
    }

    [Fact]
    public void A_wrong_shape() =>
        Refuses("MatMul, y: expected F32 (4, 5), found F32 (4, 6).", () => _device.MatMul(Matrix(5, 3), Floats(4, 3), Floats(4, 6)));

    [Fact]
    public void A_wrong_width_of_the_input() =>
        Refuses("MatMul, x: expected F32 (4, 3), found F32 (4, 2).", () => _device.MatMul(Matrix(5, 3), Floats(4, 2), Floats(4, 5)));

    [Fact]
    public void A_stack_where_one_matrix_belongs()
    {
        ReferenceTensor w = new([5, 3], new double[15]);
        Refuses("MatMul, w: expected 1 × (5, 3), found 2 × (5, 3).", () => _device.MatMul(_memory.Matrix(w, w), Floats(4, 6), Floats(4, 10)));
    }

    [Fact]
    public void A_wrong_type() => Refuses(
        "Gather, rows: expected I32 (1, 2), found F32 (1, 2).", () => _device.Gather(Floats(4, 3), Floats(1, 2), Floats(2, 3)));

    [Fact]
    public void An_absent_tensor() => Refuses("Add, y: expected a tensor, found none.", () => _device.Add(Floats(1, 2), default));

    [Fact]
    public void An_index_out_of_range() => Refuses(
        "Embed, ids: expected numbers from 0 to 3, found 4 in row 0.", () => _device.Embed(Floats(4, 3), _memory.Ints(1, 0, 4), Floats(2, 3)));

    [Fact]
    public void An_output_that_lies_on_the_input()
    {
        Tensor memory = Floats(8, 3);
        Refuses(
            "MatMul, y: expected memory of its own, found memory of x.",
            () => _device.MatMul(Matrix(3, 3), memory.Slice(0, 4), memory.Slice(3, 4)));
    }

    [Fact]
    public void An_output_that_may_be_the_input_but_not_half_of_it()
    {
        Tensor memory = _memory.Rows([[1, 2], [3, 4], [5, 6]]);
        _device.RmsNorm(memory, default, 1e-6f, memory);
        Refuses(
            "RmsNorm, y: expected memory of its own, found memory of x.",
            () => _device.RmsNorm(memory.Slice(0, 2), default, 1e-6f, memory.Slice(1, 2)));
    }

    [Fact]
    public void Memory_that_was_given_back()
    {
        Storage storage = _cpu.Allocate(16, MemoryPurpose.Activations);
        var tensor = new Tensor(storage, 0, DType.F32, 1, 1, 4);
        storage.Dispose();
        Refuses("RoundToBf16, x: expected live memory, found 16 bytes that were given back.", () => _device.RoundToBf16(tensor));
    }

    [Fact]
    public void A_result_that_is_no_number() => Refuses(
        "MatMul, y: expected finite values, found NaN in row 0, column 0.",
        () => _device.MatMul(Matrix(5, 3), _memory.Row([1, double.NaN, 0]), Floats(1, 5)));

    [Fact]
    public void A_result_beyond_all_numbers()
    {
        Tensor x = _memory.Row([float.MaxValue, 1]);
        Refuses($"Add, x: expected finite values, found {float.PositiveInfinity} in row 0, column 0.", () => _device.Add(x, _memory.Row([float.MaxValue, 1])));
    }

    [Fact]
    public void Bytes_that_do_not_fill_a_tensor() =>
        Refuses("Upload, source: expected 24 bytes for F32 (2, 3), found 23.", () => _device.Upload(new byte[23], Floats(2, 3)));

    [Fact]
    public void A_row_length_that_Hadamard_does_not_know() =>
        Refuses("Hadamard, x: expected rows of a power of two, found F32 (1, 12).", () => _device.Hadamard(Floats(1, 12)));

    [Fact]
    public void Heads_that_do_not_divide_a_row() =>
        Refuses("Rope, x's columns: expected a multiple of 4, found 6.", () => _device.Rope(Floats(1, 6), 4, Floats(1, 2), inverse: false));

    [Fact]
    public void More_rotary_dimensions_than_a_head_has() =>
        Refuses("Rope, headDim: expected at least 4, found 2.", () => _device.Rope(Floats(1, 6), 2, Floats(1, 4), inverse: false));

    [Fact]
    public void Streams_that_are_no_multiple_of_one() =>
        Refuses("HcExpand, streams' columns: expected a multiple of 3, found 8.", () => _device.HcExpand(Floats(2, 3), Floats(2, 8)));

    [Fact]
    public void Entries_that_no_window_closes()
    {
        var operand = new CompressOperand(Floats(5, 2), Floats(5, 2), Floats(4, 2), Floats(4, 2), Floats(4, 2), Ratio: 4, FirstPosition: 3);
        Refuses("Compress, entries: expected F32 (2, 2), found F32 (1, 2).", () => _device.Compress(operand, Floats(1, 2)));
    }

    [Fact]
    public void Rows_beyond_the_last_block()
    {
        RowBlocks blocks = _memory.Blocks(new RowFormat(RowKind.F32, 2, 0), rows: 6, rowsPerBlock: 3);
        Refuses("StoreRows, target: expected blocks for 7 rows, 3 to a block, found 2 blocks.", () => _device.StoreRows(Floats(2, 2), 5, blocks));
    }

    [Fact]
    public void A_block_too_small_for_its_rows()
    {
        RowBlocks blocks = _memory.Blocks(new RowFormat(RowKind.F32, 2, 0), rows: 3, rowsPerBlock: 3) with { RowsPerBlock = 4 };
        Refuses("StoreRows, target: expected blocks of at least 32 bytes, found 24 bytes.", () => _device.StoreRows(Floats(1, 2), 0, blocks));
    }

    [Fact]
    public void A_selection_of_what_the_query_does_not_see() =>
        Refuses("SparseAttention, selection: expected rows below 2, ascending, then −1, found 2 in row 0, column 1.", () => Attend([0, 2, -1]));

    [Fact]
    public void A_selection_out_of_order() =>
        Refuses("SparseAttention, selection: expected rows below 2, ascending, then −1, found 0 in row 0, column 1.", () => Attend([1, 0, -1]));

    [Fact]
    public void A_selection_with_a_gap() =>
        Refuses("SparseAttention, selection: expected rows below 2, ascending, then −1, found 1 in row 0, column 1.", () => Attend([-1, 1, -1]));

    [Fact]
    public void A_device_that_chooses_too_few()
    {
        RowBlocks keys = _memory.Blocks(new RowFormat(RowKind.F32, 2, 0), rows: 4, rowsPerBlock: 4);
        var forgetful = new CheckedDevice(new ForgetfulDevice(_cpu));
        Refuses(
            "SelectRows, selection: expected 2 chosen, found 0 in row 0.",
            () => forgetful.SelectRows(Floats(1, 2), Floats(1, 1), keys, ratio: 2, firstPosition: 4, _memory.Ints(1, -1, -1, -1)));
    }

    [Fact]
    public void An_expert_that_does_not_exist()
    {
        var experts = new ExpertOperand(Matrix(4, 2), Matrix(4, 2), Matrix(2, 4));
        Refuses(
            "Experts, experts: expected numbers from 0 to 0, found 1 in row 0.",
            () => _device.Experts(Floats(1, 2), _memory.Ints(1, 1), Floats(1, 1), experts, null, 1, Floats(1, 2)));
    }

    [Fact]
    public void A_clamp_that_lets_nothing_through()
    {
        var experts = new ExpertOperand(Matrix(4, 2), Matrix(4, 2), Matrix(2, 4));
        Refuses(
            "Experts, limit: expected a number above 0, found 0.",
            () => _device.Experts(Floats(1, 2), _memory.Ints(1, 0), Floats(1, 1), experts, null, 0, Floats(1, 2)));
    }

    [Fact]
    public void More_experts_per_token_than_experts() => Refuses(
        "RouteByScore, logits' columns: expected at least 3, found 2.",
        () => _device.RouteByScore(Floats(1, 2), Floats(1, 2), default, _memory.Ints(1, 0, 0, 0), Floats(1, 3)));

    [Fact]
    public void A_matrix_without_its_scales()
    {
        var raw = new RawMatrix(_memory.Empty(2, 2, DType.Fp8E4M3), default);
        Refuses("Pack, scales: expected a tensor, found none.", () => _device.Pack([raw]));
    }

    private void Attend(int[] selection)
    {
        RowBlocks rows = _memory.Blocks(new RowFormat(RowKind.F32, 2, 0), rows: 4, rowsPerBlock: 4);
        var context = new ContextOperand(Floats(1, 2), rows, _memory.Ints(1, selection), Ratio: 2, FirstPosition: 4);
        _device.SparseAttention(Floats(1, 2), context, Floats(1, 1), 1, Floats(1, 2));
    }

    private WeightMatrix Matrix(int rows, int columns) => _memory.Matrix(new ReferenceTensor([rows, columns], new double[rows * columns]));

    private Tensor Floats(int rows, int columns) => _memory.Empty(rows, columns);

    private static void Refuses(string message, Action action) =>
        Assert.Equal(message, Assert.Throws<InvalidOperationException>(action).Message);

    private sealed class ForgetfulDevice(Device inner) : DeviceDecorator(inner)
    {
        public override void SelectRows(
            in Tensor queries, in Tensor weights, in RowBlocks keys, int ratio, int firstPosition, in Tensor selection)
        {
        }
    }
}
