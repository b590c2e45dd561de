namespace Fathom.Formats;

/// <summary>bfloat16: the upper half of a single. Stateless; may be called from any thread.</summary>
public static class Bf16
{
    /// <summary>The nearest bfloat16, ties to the even code. Values above the largest become infinite; NaN stays a (quiet) NaN.</summary>
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
        {
            // A NaN whose payload lies in the lower half would become an infinity; the quiet bit keeps it a NaN.
            return (ushort)((bits >> 16) | 0x0040u);
        }
        uint tieToEven = (bits >> 16) & 1u;
        return (ushort)((bits + 0x7FFFu + tieToEven) >> 16);
    }

    /// <summary>The exact value of a code.</summary>
    public static float ToSingle(ushort code) => BitConverter.UInt32BitsToSingle((uint)code << 16);

    /// <summary>The value that is left of a single after it was stored as bfloat16.</summary>
    public static float Round(float value) => ToSingle(FromSingle(value));
}
