namespace Fathom.Devices;

/// <summary>How a device multiplies. Within one mode the same input gives the same bits; nothing changes the mode but whoever makes the device.</summary>
public enum NumericMode
{
    /// <summary>True values of the weights, singles for activations and sums.</summary>
    Exact,

    /// <summary>
    /// Activations that meet FP4 weights are rounded to eight bits, a scale for each 32 of them; sums within such a block are exact integers. Everything
    /// else is as in <see cref="Exact"/>. How far results may be off is written down in docs/decisions/0011-fast-mode.md.
    /// </summary>
    Fast,
}
