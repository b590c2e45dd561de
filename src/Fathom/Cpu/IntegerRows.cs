using Fathom.Cpu.Kernels;
using Fathom.Tensors;

namespace Fathom.Cpu;

/// <summary>
/// Rows of activations as integers (<see cref="Int8Rows"/>), for products with FP4 weights. Rows that are multiplied together lie behind one another
/// in blocks of their own width. Views of a scratch; <c>default</c> where there are none.
/// </summary>
internal readonly struct IntegerRows
{
    private readonly Tensor _codes;
    private readonly Tensor _scales;
    private readonly Tensor _corrections;

    /// <summary>Room for rows, contents undefined.</summary>
    /// <param name="scratch">holds them until it grows</param> <param name="rows">T</param> <param name="columns">K at most</param>
    public IntegerRows(Scratch scratch, int rows, int columns)
    {
        int blocks = Blocks(columns);
        long codes = (long)rows * blocks * Int8Dot.Block, each = (long)rows * blocks * sizeof(float);
        Storage storage = scratch.Storage(codes + (2 * each));
        _codes = new Tensor(storage, 0, DType.U8, 1, rows, blocks * Int8Dot.Block);
        _scales = new Tensor(storage, codes, DType.F32, 1, rows, blocks);
        _corrections = new Tensor(storage, codes + each, DType.I32, 1, rows, blocks);
    }

    /// <summary>Whether products with these weights take these rows.</summary>
    public bool Fit(WeightMatrix w) => !_codes.IsNone && w.Format == WeightFormat.Fp4;

    /// <summary>Encodes columns of a row: all of them, or 32 whose first is a multiple of 32.</summary>
    /// <param name="group">the first row of those that are multiplied together</param> <param name="row">which of these</param>
    /// <param name="width">K of these</param> <param name="firstColumn">first column to encode</param> <param name="x">the columns</param>
    public void Encode(int group, int row, int width, int firstColumn, ReadOnlySpan<float> x)
    {
        int at = (group * _scales.Columns) + (row * Blocks(width)) + (firstColumn / Int8Dot.Block), count = Blocks(x.Length);
        Int8Rows.Encode(
            x, _codes.Span<sbyte>().Slice(at * Int8Dot.Block, count * Int8Dot.Block), _scales.Span<float>().Slice(at, count),
            _corrections.Span<int>().Slice(at, count));
    }

    /// <summary>One panel of FP4 weights times rows <paramref name="group"/> …, as many as acc has.</summary>
    /// <param name="group">first row</param> <param name="panel">the packed panel</param> <param name="width">K</param>
    /// <param name="acc">(T, 32); overwritten</param> <param name="scratch"><see cref="MatMul.Int8ScratchFloats"/></param>
    public void Multiply(int group, ReadOnlySpan<byte> panel, int width, Span<float> acc, Span<float> scratch)
    {
        int at = group * _scales.Columns, count = acc.Length / Tile.Width * Blocks(width);
        MatMul.RunFp4Int8(
            panel, width, _codes.Span<sbyte>().Slice(at * Int8Dot.Block, count * Int8Dot.Block), _scales.Span<float>().Slice(at, count),
            _corrections.Span<int>().Slice(at, count), acc, scratch);
    }

    /// <summary>Two panels times row <paramref name="row"/>.</summary>
    /// <param name="row">which</param> <param name="first">a packed panel</param> <param name="second">another</param> <param name="width">K</param>
    /// <param name="acc">(2, 32) and behind it <see cref="MatMul.Int8ScratchFloats"/> of scratch; overwritten</param>
    public void MultiplyPair(int row, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, int width, Span<float> acc)
    {
        int at = row * _scales.Columns, count = Blocks(width);
        MatMul.RunFp4Int8Pair(
            first, second, width, _codes.Span<sbyte>().Slice(at * Int8Dot.Block, count * Int8Dot.Block), _scales.Span<float>().Slice(at, count),
            _corrections.Span<int>().Slice(at, count), acc);
    }

    private static int Blocks(int columns) => (columns + Int8Dot.Block - 1) / Int8Dot.Block;
}
