using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>a = silu(min(G, limit)) ⊙ clamp(U, ±limit) · weight.</summary>
internal static class SwiGlu
{
    /// <param name="gate">G, (n)</param>
    /// <param name="up">U, (n)</param>
    /// <param name="limit">clamp; +∞ for none</param>
    /// <param name="weight">factor on the result</param>
    /// <param name="y">(n); may be gate or up</param>
    public static void Run(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, float limit, float weight, Span<float> y)
    {
        int i = 0;
        Vector512<float> most = Vector512.Create(limit), least = Vector512.Create(-limit), one = Vector512.Create(1f);
        for (; i + 16 <= gate.Length; i += 16)
        {
            Vector512<float> g = Vector512.Min(Vector512.Create(gate[i..]), most);
            Vector512<float> u = Vector512.Max(Vector512.Min(Vector512.Create(up[i..]), most), least);
            (g / (one + Vector512.Exp(-g)) * u * weight).CopyTo(y[i..]);
        }
        for (; i < gate.Length; i++)
        {
            float g = MathF.Min(gate[i], limit), u = Math.Clamp(up[i], -limit, limit);
            y[i] = g / (1 + MathF.Exp(-g)) * u * weight;
        }
    }
}
