using System.Runtime.Intrinsics;
using Fathom.Formats;

namespace Fathom.Cpu.Kernels;

/// <summary>Rows of bfloat16: the upper halves of singles. Values are finite.</summary>
internal static class Bf16Rows
{
    /// <summary>Exact.</summary>
    public static void Widen(ReadOnlySpan<ushort> x, Span<float> y)
    {
        int i = 0;
        for (; i + 16 <= x.Length; i += 16)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(x[i..]));
            (Vector512.Create(low, high) << 16).AsSingle().CopyTo(y[i..]);
        }
        for (; i < x.Length; i++)
        {
            y[i] = Bf16.ToSingle(x[i]);
        }
    }

    /// <summary>To the nearest bfloat16, ties to even; the result in fp32, in place.</summary>
    public static void Round(Span<float> x)
    {
        int i = 0;
        Vector512<uint> upper = Vector512.Create(0xFFFF0000u), half = Vector512.Create(0x7FFFu), one = Vector512.Create(1u);
        for (; i + 16 <= x.Length; i += 16)
        {
            Vector512<uint> bits = Vector512.Create<float>(x[i..]).AsUInt32();
            ((bits + half + ((bits >>> 16) & one)) & upper).AsSingle().CopyTo(x[i..]);
        }
        for (; i < x.Length; i++)
        {
            x[i] = Bf16.Round(x[i]);
        }
    }

    /// <summary>To the nearest bfloat16, ties to even.</summary>
    public static void Narrow(ReadOnlySpan<float> x, Span<ushort> y)
    {
        for (int i = 0; i < x.Length; i++)
        {
            y[i] = Bf16.FromSingle(x[i]);
        }
    }
}
