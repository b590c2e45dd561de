using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// Sums of the lanes of several vectors at once, in the order of <see cref="Vector512.Sum{T}"/>: of neighbours, of these, and so on up to the halves. One
/// vector by itself takes twenty-odd operations, most of them on lanes that nobody needs any more.
/// </summary>
internal static class LaneSums
{
    // Of each pair of elements, or of 128 bits, the first; and the second.
    private const byte Firsts = 0b10_00_10_00;
    private const byte Seconds = 0b11_01_11_01;

    /// <summary>Σa, Σb, Σc, Σd.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Of(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        if (!Avx512F.IsSupported)
        {
            return Vector128.Create(Vector512.Sum(a), Vector512.Sum(b), Vector512.Sum(c), Vector512.Sum(d));
        }
        Vector512<float> quarters = Quarters(a, b, c, d);
        Vector256<float> low = quarters.GetLower(), high = quarters.GetUpper();
        return (low.GetLower() + low.GetUpper()) + (high.GetLower() + high.GetUpper());
    }

    /// <summary>The same of four times four vectors whose <see cref="Quarters"/> are given: four sums behind one another for each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> OfQuarters(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<float> ab = Avx512F.Shuffle4x128(a, b, Firsts) + Avx512F.Shuffle4x128(a, b, Seconds);
        Vector512<float> cd = Avx512F.Shuffle4x128(c, d, Firsts) + Avx512F.Shuffle4x128(c, d, Seconds);
        return Avx512F.Shuffle4x128(ab, cd, Firsts) + Avx512F.Shuffle4x128(ab, cd, Seconds);
    }

    /// <summary>In each quarter of the vector the sums of that quarter of a, b, c and d.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Quarters(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<float> ab = Avx512F.Shuffle(a, b, Firsts) + Avx512F.Shuffle(a, b, Seconds);
        Vector512<float> cd = Avx512F.Shuffle(c, d, Firsts) + Avx512F.Shuffle(c, d, Seconds);
        return Avx512F.Shuffle(ab, cd, Firsts) + Avx512F.Shuffle(ab, cd, Seconds);
    }
}
