using Fathom.Tensors;
using Fathom.Train.Autograd;
using Fathom.Train.Autograd.Ops;

namespace Fathom.Train.Model;

/// <summary>
/// From a projection's output to a row as the cache holds it: norm, rotation, rounding. Window rows, compressed rows and index keys take
/// the same path. Without quantisation the format is F32 and nothing is rounded.
/// </summary>
internal static class CacheRows
{
    /// <summary>Norm, RoPE and rounding.</summary>
    /// <param name="tape">where to record</param> <param name="rows">(T, c)</param> <param name="norm">(1, c)</param>
    /// <param name="epsilon">of the norm</param> <param name="angles">of every row</param> <param name="format">what the rows will be stored in</param>
    public static Variable Finish(Tape tape, Variable rows, Parameter norm, float epsilon, Memory<float> angles, RowFormat format)
    {
        rows = RoundPoint(tape, rows, format);
        rows = RmsNorm.Apply(tape, rows, norm, epsilon);
        rows = RoundPoint(tape, rows, format);
        return Rotate(tape, rows, angles, format);
    }

    /// <summary>RoPE and rounding of rows, or of all heads of index queries.</summary>
    /// <param name="tape">where to record</param> <param name="rows">(T, heads · c); may be overwritten</param>
    /// <param name="angles">of every row</param> <param name="format">of one head</param>
    public static Variable Rotate(Tape tape, Variable rows, Memory<float> angles, RowFormat format)
    {
        Rope.Apply(tape, rows, format.Dim, angles);
        rows = RoundPoint(tape, rows, format);
        if (format.Kind == RowKind.Fp4)
        {
            // Rotating keys and queries alike leaves their products as they are and spreads outliers before four bits.
            Hadamard.Apply(tape, rows, format.Dim);
            rows = RoundTrip.Bf16(tape, rows);
        }
        return RoundTrip.Apply(tape, rows, format);
    }

    /// <summary>Rounds to bfloat16 where the released format does.</summary>
    public static Variable RoundPoint(Tape tape, Variable rows, RowFormat format) =>
        format.Kind is RowKind.Fp8WithBf16Rotary or RowKind.Fp4 ? RoundTrip.Bf16(tape, rows) : rows;
}
