using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Fathom.Planning;

/// <summary>Loops that do one thing as fast as a core can: what the machine's limits are measured with.</summary>
internal static class MachineLoops
{
    /// <summary>Chains that a loop keeps going at once: enough to hide the latency of two FMA units.</summary>
    public const int Chains = 8;

    /// <summary>Operations of one step of <see cref="MultiplyAdd"/>, two for each fused multiply-add.</summary>
    public static int MultiplyAddOperations => Chains * Vector512<float>.Count * 2;

    /// <summary>Operations of one step of <see cref="MultiplyAddBytes"/>: a multiplication and an addition for each byte.</summary>
    public static int MultiplyAddBytesOperations => Chains * Vector512<byte>.Count * 2;

    /// <summary>Reads every value once.</summary>
    /// <param name="memory">a power of two of values, at least 64</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float Sum(ReadOnlySpan<float> memory)
    {
        // Four streams a quarter apart: the processor fetches ahead in each, and stops at every page of one.
        nuint quarter = (nuint)memory.Length / 4;
        ref float first = ref MemoryMarshal.GetReference(memory);
        Vector512<float> a = default, b = default, c = default, d = default;
        for (nuint i = 0; i < quarter; i += (nuint)Vector512<float>.Count)
        {
            a += Vector512.LoadUnsafe(ref first, i);
            b += Vector512.LoadUnsafe(ref first, i + quarter);
            c += Vector512.LoadUnsafe(ref first, i + 2 * quarter);
            d += Vector512.LoadUnsafe(ref first, i + 3 * quarter);
        }

        return Vector512.Sum(a + b + (c + d));
    }

    /// <summary>Fused multiply-adds of singles in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float MultiplyAdd(int steps)
    {
        Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
        Vector512<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y;
        for (int i = 0; i < steps; i++)
        {
            a = Vector512.MultiplyAddEstimate(a, x, y);
            b = Vector512.MultiplyAddEstimate(b, x, y);
            c = Vector512.MultiplyAddEstimate(c, x, y);
            d = Vector512.MultiplyAddEstimate(d, x, y);
            e = Vector512.MultiplyAddEstimate(e, x, y);
            f = Vector512.MultiplyAddEstimate(f, x, y);
            g = Vector512.MultiplyAddEstimate(g, x, y);
            h = Vector512.MultiplyAddEstimate(h, x, y);
        }

        return Vector512.Sum(a + b + c + d + (e + f + g + h));
    }

    /// <summary>Products of bytes summed to integers, in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float MultiplyAddBytes(int steps)
    {
        Vector512<sbyte> x = Vector512.Create((sbyte)3);
        Vector512<int> a = Vector512.Create(0x01020304), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (int i = 0; i < steps; i++)
        {
            a += DotBytes(a, x);
            b += DotBytes(b, x);
            c += DotBytes(c, x);
            d += DotBytes(d, x);
            e += DotBytes(e, x);
            f += DotBytes(f, x);
            g += DotBytes(g, x);
            h += DotBytes(h, x);
        }

        return Vector512.Sum(a + b + c + d + (e + f + g + h));
    }

    // Portable code widens twice and is a third as fast, so a limit must name the instructions. Each product depends on the sum before it:
    // otherwise the compiler would compute it once.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> DotBytes(Vector512<int> a, Vector512<sbyte> b)
    {
        if (Avx512BW.IsSupported)
        {
            return Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(a.AsByte(), b), Vector512<short>.One);
        }

        if (Avx2.IsSupported)
        {
            return Vector512.Create(DotBytes(a.GetLower().AsByte(), b.GetLower()), DotBytes(a.GetUpper().AsByte(), b.GetUpper()));
        }

        (Vector512<short> lowA, Vector512<short> highA) = Vector512.Widen(a.AsSByte());
        (Vector512<short> lowB, Vector512<short> highB) = Vector512.Widen(b);
        (Vector512<int> low, Vector512<int> high) = Vector512.Widen((lowA * lowB) + (highA * highB));
        return low + high;
    }

    private static Vector256<int> DotBytes(Vector256<byte> a, Vector256<sbyte> b) =>
        Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(a, b), Vector256<short>.One);
}
