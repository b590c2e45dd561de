using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>Token-level compression: e_u = Σ_s softmax_s(b_{s,u}) · a_{s,u}, channel by channel over the slots of one window.</summary>
internal static class Compress
{
    /// <param name="values">a, (slots, d)</param>
    /// <param name="gates">b with the position bias, (slots, d)</param>
    /// <param name="entry">e, (d); overwritten</param>
    public static void Run(ReadOnlySpan<float> values, ReadOnlySpan<float> gates, Span<float> entry)
    {
        int d = entry.Length, slots = gates.Length / d, u = 0;
        for (; u + 16 <= d; u += 16)
        {
            Vector512<float> max = Vector512.Create(float.NegativeInfinity);
            for (int s = 0; s < slots; s++)
            {
                max = Vector512.Max(max, Vector512.Create(gates[((s * d) + u)..]));
            }
            Vector512<float> sum = default, total = default;
            for (int s = 0; s < slots; s++)
            {
                Vector512<float> weight = Vector512.Exp(Vector512.Create(gates[((s * d) + u)..]) - max);
                total += weight;
                sum = Vector512.FusedMultiplyAdd(weight, Vector512.Create(values[((s * d) + u)..]), sum);
            }
            (sum / total).CopyTo(entry[u..]);
        }
        for (; u < d; u++)
        {
            float max = float.NegativeInfinity, sum = 0, total = 0;
            for (int s = 0; s < slots; s++)
            {
                max = MathF.Max(max, gates[(s * d) + u]);
            }
            for (int s = 0; s < slots; s++)
            {
                float weight = MathF.Exp(gates[(s * d) + u] - max);
                total += weight;
                sum = MathF.FusedMultiplyAdd(weight, values[(s * d) + u], sum);
            }
            entry[u] = sum / total;
        }
    }
}
