using Fathom.Cpu.Kernels;
using Fathom.Tensors;

namespace Fathom.Train.Autograd.Ops;

/// <summary>Rows as they read back from a cache that rounds them: y = decode(encode(x)), head by head.</summary>
/// <remarks>dx = dy, straight through: x and y have one gradient.</remarks>
internal static class RoundTrip
{
    /// <param name="tape">where to record</param> <param name="x">(T, heads · c)</param> <param name="format">of a head</param>
    /// <returns>(T, heads · c)</returns>
    public static Variable Apply(Tape tape, Variable x, RowFormat format)
    {
        if (format.Kind == RowKind.F32)
        {
            return x;
        }
        Variable y = StraightThrough(tape, x);
        tape.Parallel(x.Rows, 16L * x.Columns, (first, end, _) =>
        {
            Span<byte> bytes = stackalloc byte[format.Bytes];
            for (int at = first * x.Columns; at < end * x.Columns; at += format.Dim)
            {
                CacheRow.Encode(x.Value.Span.Slice(at, format.Dim), format, bytes);
                CacheRow.Decode(bytes, format, y.Value.Span.Slice(at, format.Dim));
            }
        });
        return y;
    }

    /// <summary>The same through bfloat16.</summary>
    public static Variable Bf16(Tape tape, Variable x)
    {
        Variable y = StraightThrough(tape, x);
        tape.Parallel(x.Rows, x.Columns, (first, end, _) =>
        {
            for (int t = first; t < end; t++)
            {
                x.Row(t).CopyTo(y.Row(t));
                Bf16Rows.Round(y.Row(t));
            }
        });
        return y;
    }

    private static Variable StraightThrough(Tape tape, Variable x) => new(x.Rows, x.Columns, tape.Take(x.Rows * x.Columns), x.Gradient);
}
