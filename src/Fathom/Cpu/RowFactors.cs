using Fathom.Cpu.Kernels;
using Fathom.Tensors;

namespace Fathom.Cpu;

/// <summary>The rows that one matrix is multiplied with: as integers where there are such and the weights are FP4, else as singles.</summary>
/// <param name="x">(T, K)</param>
/// <param name="layout">of x</param>
/// <param name="codes">the same rows as integers, or none</param>
/// <param name="group">which of the codes the first row is</param>
internal readonly ref struct RowFactors(ReadOnlySpan<float> x, FactorLayout layout, IntegerRows codes, int group)
{
    private readonly ReadOnlySpan<float> _x = x;

    /// <summary>Floats of scratch that a product needs.</summary>
    public static int ScratchFloats(WeightMatrix w, in IntegerRows codes) =>
        codes.Fit(w) ? MatMul.Int8ScratchFloats(w.Columns) : MatMul.ScratchFloats;

    /// <param name="w">the panel's matrix</param> <param name="panel">packed</param>
    /// <param name="acc">(T, 32); overwritten</param> <param name="scratch"><see cref="ScratchFloats"/></param>
    public void RunPanel(WeightMatrix w, ReadOnlySpan<byte> panel, Span<float> acc, Span<float> scratch)
    {
        if (codes.Fit(w))
        {
            codes.Multiply(group, panel, w.Columns, acc, scratch);
            return;
        }
        MatMul.RunPanel(w.Format, panel, w.Columns, _x, layout, acc, scratch);
    }

    /// <summary>Two panels of the one row.</summary>
    /// <param name="w">a matrix of the panels' shape and format</param> <param name="first">packed</param> <param name="second">packed</param>
    /// <param name="acc">(2, 32) and behind it <see cref="ScratchFloats"/> of scratch; overwritten</param>
    public void RunPair(WeightMatrix w, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<float> acc)
    {
        if (codes.Fit(w))
        {
            codes.MultiplyPair(group, first, second, w.Columns, acc);
            return;
        }
        MatMul.RunPair(w.Format, first, second, _x[..w.Columns], acc[..(2 * Tile.Width)], acc[(2 * Tile.Width)..]);
    }
}
