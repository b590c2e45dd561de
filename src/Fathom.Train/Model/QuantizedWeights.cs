using System.Runtime.InteropServices;
using Fathom.Quantization;
using Fathom.Tensors;
using Fathom.Train.Autograd;

namespace Fathom.Train.Model;

/// <summary>
/// The weights as the released format stores them: experts FP4, projections FP8, the rest BF16 but for what is released in F32. Forward and
/// backward read these; gradients pass straight through to the masters, which alone are updated and saved. Rounded once per update, on all
/// threads; a block of rows is rounded by itself, so threads change nothing.
/// </summary>
internal sealed class QuantizedWeights
{
    private readonly Tape _tape;
    private readonly Rounded[] _rounded;
    private readonly (Rounded Of, int FirstRow)[] _blocks;
    private bool _isCurrent;

    /// <param name="p">the masters</param> <param name="tape">whose threads to use</param>
    public QuantizedWeights(Parameters p, Tape tape)
    {
        _tape = tape;
        _rounded = [.. from parameter in p.Numbers
                       let type = ModelFormat.Official.TypeOf(parameter.Weight)
                       where type != DType.F32
                       select new Rounded(parameter, type, parameter.Value, Arena.Aligned(parameter.Value.Length))];
        _blocks = [.. from rounded in _rounded
                      from block in Enumerable.Range(0, (rounded.Parameter.Rows + WeightRows.Most - 1) / WeightRows.Most)
                      select (rounded, block * WeightRows.Most)];
    }

    /// <summary>Parameters have their rounded values until <see cref="UseMasters"/>.</summary>
    public void Use()
    {
        if (!_isCurrent)
        {
            _tape.ParallelLarge(_blocks.Length, Round);
            _isCurrent = true;
        }
        foreach (Rounded rounded in _rounded)
        {
            rounded.Parameter.Use(rounded.Values);
        }
    }

    /// <summary>Parameters have their own values again.</summary>
    public void UseMasters()
    {
        foreach (Rounded rounded in _rounded)
        {
            rounded.Parameter.Use(rounded.Masters);
        }
    }

    /// <summary>The masters have changed: the next use rounds anew.</summary>
    public void Outdate() => _isCurrent = false;

    private void Round(int item, int worker)
    {
        (Rounded of, int first) = _blocks[item];
        int columns = of.Parameter.Columns, rows = Math.Min(WeightRows.Most, of.Parameter.Rows - first);
        int bytes = WeightRows.ValueBytes(of.Type, rows, columns), scales = WeightRows.ScaleCount(of.Type, rows, columns);
        Span<byte> scratch = MemoryMarshal.AsBytes(_tape.Scratch(worker, (bytes + scales + sizeof(float) - 1) / sizeof(float)));
        Span<byte> values = scratch[..bytes], ofBlocks = scratch.Slice(bytes, scales);
        WeightRows.Encode(of.Masters.Span.Slice(first * columns, rows * columns), columns, of.Type, values, ofBlocks);
        WeightRows.Decode(values, ofBlocks, columns, of.Type, of.Values.Span.Slice(first * columns, rows * columns));
    }

    private sealed record Rounded(Parameter Parameter, DType Type, Memory<float> Masters, Memory<float> Values);
}
