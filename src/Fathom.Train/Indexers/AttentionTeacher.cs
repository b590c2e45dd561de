using System.Numerics.Tensors;
using Fathom.Cpu.Kernels;

namespace Fathom.Train.Indexers;

/// <summary>
/// What attention of one token would do if it saw every entry: p_j = e^(z_j) / (Σ e^z + e^sink) over its window and all visible entries, z_j = a ⟨q, k_j⟩,
/// summed over the heads.
/// </summary>
/// <param name="heads">h</param> <param name="c">of a head</param>
internal sealed class AttentionTeacher(int heads, int c)
{
    // Below this share of a token's mass on entries an entry is left out, and beyond this many the lightest are.
    private const float LeastShare = 1e-6f;
    private const int EntriesMax = 4096;

    private readonly float _scale = 1 / MathF.Sqrt(c);

    /// <summary>Floats of scratch for a token.</summary>
    public int ScratchFloats(int windowRows, int visible) => ((windowRows + visible) * heads) + visible;

    /// <param name="query">(h · c), rotated</param> <param name="window">the token's window rows, (n, c)</param>
    /// <param name="entries">all visible entries, (e, c)</param> <param name="sinks">(h)</param> <param name="scratch"><see cref="ScratchFloats"/></param>
    public EntryMass Attend(
        ReadOnlySpan<float> query, ReadOnlySpan<float> window, ReadOnlySpan<float> entries, ReadOnlySpan<float> sinks, Span<float> scratch)
    {
        int inWindow = window.Length / c, visible = entries.Length / c, keys = inWindow + visible;
        Span<float> mass = scratch.Slice(keys * heads, visible);
        Score(query, window, scratch, keys, 0);
        Score(query, entries, scratch, keys, inWindow);
        mass.Clear();
        for (int h = 0; h < heads; h++)
        {
            Span<float> z = scratch.Slice(h * keys, keys);
            float most = MathF.Max(sinks[h], TensorPrimitives.Max<float>(z));
            TensorPrimitives.Subtract(z, most, z);
            TensorPrimitives.Exp<float>(z, z);
            float sum = TensorPrimitives.Sum<float>(z) + MathF.Exp(sinks[h] - most);
            Rows.AddScaled(z[inWindow..], 1 / sum, mass);
        }
        return Keep(mass);
    }

    // A key is loaded once for all heads.
    private void Score(ReadOnlySpan<float> query, ReadOnlySpan<float> rows, Span<float> scores, int keys, int first)
    {
        for (int j = 0; j < rows.Length / c; j++)
        {
            ReadOnlySpan<float> key = rows.Slice(j * c, c);
            for (int h = 0; h < heads; h++)
            {
                scores[(h * keys) + first + j] = Rows.Dot(query.Slice(h * c, c), key) * _scale;
            }
        }
    }

    private static EntryMass Keep(ReadOnlySpan<float> mass)
    {
        float total = mass.IsEmpty ? 0 : TensorPrimitives.Sum(mass);
        var kept = new List<int>();
        for (int e = 0; e < mass.Length; e++)
        {
            if (mass[e] > total * LeastShare)
            {
                kept.Add(e);
            }
        }
        int[] entries = [.. kept];
        if (entries.Length > EntriesMax)
        {
            entries = new int[EntriesMax];
            TopK.Run(mass, mass.Length, entries);
        }
        var values = new float[entries.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = mass[entries[i]];
        }
        return new EntryMass(total, entries, values);
    }
}
