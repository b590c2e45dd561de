using Fathom.Devices;
using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>
/// From a projection's output to a row as the cache holds it: norm, rotation, rounding. Window rows, compressed rows and index keys take
/// the same path. The released formats also round to bfloat16 between the steps, as the model was trained; others do not.
/// </summary>
internal static class CacheRows
{
    /// <summary>Norm, RoPE and rounding, in place.</summary>
    /// <param name="device">where</param>
    /// <param name="rows">(T, c)</param>
    /// <param name="norm">(c)</param>
    /// <param name="epsilon">of the norm</param>
    /// <param name="angles">(T, r)</param>
    /// <param name="format">what the rows will be stored in</param>
    public static void Finish(Device device, in Tensor rows, in Tensor norm, float epsilon, in Tensor angles, RowFormat format)
    {
        RoundPoint(device, rows, format);
        device.RmsNorm(rows, norm, epsilon, rows);
        RoundPoint(device, rows, format);
        Rotate(device, rows, angles, format);
    }

    /// <summary>RoPE and rounding of rows, or of all heads of index queries, in place.</summary>
    /// <param name="device">where</param>
    /// <param name="rows">(T, heads · c)</param>
    /// <param name="angles">(T, r)</param>
    /// <param name="format">of one head</param>
    public static void Rotate(Device device, in Tensor rows, in Tensor angles, RowFormat format)
    {
        device.Rope(rows, format.Dim, angles, inverse: false);
        RoundPoint(device, rows, format);
        Tensor heads = rows.Shaped((int)(rows.Count / format.Dim), format.Dim);
        if (format.Kind == RowKind.Fp4)
        {
            // Rotating keys and queries alike leaves their products as they are and spreads outliers before four bits.
            device.Hadamard(heads);
            device.RoundToBf16(heads);
        }
        device.RoundRows(heads, format);
    }

    /// <summary>Rounds to bfloat16 where the released format does.</summary>
    public static void RoundPoint(Device device, in Tensor rows, RowFormat format)
    {
        if (format.Kind is RowKind.Fp8WithBf16Rotary or RowKind.Fp4)
        {
            device.RoundToBf16(rows);
        }
    }
}
