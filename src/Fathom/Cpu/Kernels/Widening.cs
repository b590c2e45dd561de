using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Fathom.Cpu.Kernels;

/// <summary>Sixteen codes of a narrow format to their exact singles.</summary>
internal static class Widening
{
    /// <summary>e4m3. Normal: the exponent's bias goes from 7 to 127 by an addition. Subnormal: mantissa · 2⁻⁹. NaN codes must not occur.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> E4M3(Vector128<byte> codes)
    {
        Vector512<int> c = Ints(codes);
        Vector512<int> magnitude = c & Vector512.Create(0x7F);
        Vector512<float> normal = ((magnitude << 20) + Vector512.Create((127 - 7) << 23)).AsSingle();
        Vector512<float> subnormal = Vector512.ConvertToSingle(magnitude) * Vector512.Create(1f / 512);
        Vector512<float> value = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(8)).AsSingle(), subnormal, normal);
        return (value.AsInt32() | ((c & Vector512.Create(0x80)) << 24)).AsSingle();
    }

    /// <summary>e8m0: 2^(e − 127); e = 0 is a subnormal single.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Ue8m0(Vector128<byte> codes)
    {
        Vector512<int> e = Ints(codes);
        return Vector512.ConditionalSelect(Vector512.Equals(e, Vector512<int>.Zero), Vector512.Create(0x00400000), e << 23).AsSingle();
    }

    /// <summary>Bytes, unsigned, to 32-bit integers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Ints(Vector128<byte> bytes) =>
        Vector512.WidenLower(Vector512.WidenLower(bytes.ToVector256Unsafe().ToVector512Unsafe())).AsInt32();
}
