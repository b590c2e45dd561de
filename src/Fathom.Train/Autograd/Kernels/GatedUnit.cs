using System.Runtime.Intrinsics;

namespace Fathom.Train.Autograd.Kernels;

/// <summary>SwiGLU with clamps on one row: a = weight · silu(min(g, limit)) ⊙ clamp(u, ±limit).</summary>
internal static class GatedUnit
{
    private const int Lanes = 16;

    public static void Forward(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, float limit, float weight, Span<float> a)
    {
        int i = 0;
        for (; i + Lanes <= a.Length; i += Lanes)
        {
            Vector512<float> g = Vector512.Min(Vector512.Create(gate[i..]), Vector512.Create(limit));
            Vector512<float> u = Clamp(Vector512.Create(up[i..]), limit);
            (g * Sigmoid(g) * u * weight).CopyTo(a[i..]);
        }
        for (; i < a.Length; i++)
        {
            float g = MathF.Min(gate[i], limit);
            a[i] = g * Cpu.Kernels.Rows.Sigmoid(g) * Math.Clamp(up[i], -limit, limit) * weight;
        }
    }

    /// <summary>Adds to the gradients of gate and up; returns that of the weight, ⟨da, a⟩ / weight.</summary>
    /// <param name="gate">g</param> <param name="up">u</param> <param name="limit">of both</param> <param name="weight">factor</param>
    /// <param name="da">gradient of a</param> <param name="dGate">added to</param> <param name="dUp">added to</param>
    public static float Backward(
        ReadOnlySpan<float> gate, ReadOnlySpan<float> up, float limit, float weight, ReadOnlySpan<float> da, Span<float> dGate, Span<float> dUp)
    {
        Vector512<float> sums = default, most = Vector512.Create(limit);
        int i = 0;
        for (; i + Lanes <= da.Length; i += Lanes)
        {
            Vector512<float> rawGate = Vector512.Create(gate[i..]), rawUp = Vector512.Create(up[i..]), d = Vector512.Create(da[i..]);
            Vector512<float> g = Vector512.Min(rawGate, most), u = Clamp(rawUp, limit), s = Sigmoid(g);
            sums += d * g * s * u;
            d *= weight;
            Vector512<float> dg = d * u * s * (Vector512<float>.One + (g * (Vector512<float>.One - s)));
            Vector512<float> du = d * g * s;
            dg &= Vector512.LessThanOrEqual(rawGate, most);
            du &= Vector512.LessThanOrEqual(Vector512.Abs(rawUp), most);
            (Vector512.Create<float>(dGate[i..]) + dg).CopyTo(dGate[i..]);
            (Vector512.Create<float>(dUp[i..]) + du).CopyTo(dUp[i..]);
        }
        float sum = Vector512.Sum(sums);
        for (; i < da.Length; i++)
        {
            float g = MathF.Min(gate[i], limit), u = Math.Clamp(up[i], -limit, limit), s = Cpu.Kernels.Rows.Sigmoid(g);
            sum += da[i] * g * s * u;
            dGate[i] += gate[i] <= limit ? weight * da[i] * u * s * (1 + (g * (1 - s))) : 0;
            dUp[i] += MathF.Abs(up[i]) <= limit ? weight * da[i] * g * s : 0;
        }
        return sum;
    }

    private static Vector512<float> Clamp(Vector512<float> x, float limit) =>
        Vector512.Max(Vector512.Min(x, Vector512.Create(limit)), Vector512.Create(-limit));

    private static Vector512<float> Sigmoid(Vector512<float> x) => Vector512<float>.One / (Vector512<float>.One + Vector512.Exp(-x));
}
