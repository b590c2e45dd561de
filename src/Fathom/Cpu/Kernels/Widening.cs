using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Fathom.Cpu.Kernels;

/// <summary>Codes of a narrow format to their exact singles.</summary>
internal static class Widening
{
    /// <summary>Sixteen codes of e4m3. NaN codes must not occur.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> E4M3(Vector128<byte> codes)
    {
        Vector512<int> c = Ints(codes);
        return SmallFloat((c & Vector512.Create(0x7F)) << 20, (c & Vector512.Create(0x80)) << 24, bias: 7);
    }

    /// <summary>Whether <see cref="E4M3(Vector256{byte})"/> runs on this processor.</summary>
    public static bool CanWidenPairs => Avx512Vbmi.IsSupported;

    /// <summary>
    /// Thirty-two codes of e4m3 by way of bfloat16, which holds each of them: half as many operations. Exponent and mantissa stand seven places apart in
    /// words, and the bias becomes 127 by an addition; the eight subnormals are looked up. NaN codes must not occur.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Low, Vector512<float> High) E4M3(Vector256<byte> codes)
    {
        // Unpacking takes the lower halves of quarters to the first vector, the upper to the second; every code fills both bytes of its word.
        Vector512<byte> order = Vector512.Create(
            (byte)0, 0, 1, 1, 2, 2, 3, 3, 16, 16, 17, 17, 18, 18, 19, 19, 4, 4, 5, 5, 6, 6, 7, 7, 20, 20, 21, 21, 22, 22, 23, 23,
            8, 8, 9, 9, 10, 10, 11, 11, 24, 24, 25, 25, 26, 26, 27, 27, 12, 12, 13, 13, 14, 14, 15, 15, 28, 28, 29, 29, 30, 30, 31, 31);
        // 0, 1, … 7 times 2^−9 in bfloat16; the place of a subnormal in this is its mantissa.
        Vector512<ushort> subnormals = Vector512.Create(
            (ushort)0, 0x3B00, 0x3B80, 0x3BC0, 0x3C00, 0x3C20, 0x3C40, 0x3C60, 0, 0x3B00, 0x3B80, 0x3BC0, 0x3C00, 0x3C20, 0x3C40, 0x3C60,
            0, 0x3B00, 0x3B80, 0x3BC0, 0x3C00, 0x3C20, 0x3C40, 0x3C60, 0, 0x3B00, 0x3B80, 0x3BC0, 0x3C00, 0x3C20, 0x3C40, 0x3C60);
        Vector512<ushort> twice = Avx512Vbmi.PermuteVar64x8(codes.ToVector512Unsafe(), order).AsUInt16();
        Vector512<ushort> values = ((twice >>> 4) & Vector512.Create((ushort)0x07F0)) + Vector512.Create((ushort)((127 - 7) << 7));
        Vector512<ushort> isSubnormal = Vector512.Equals(twice & Vector512.Create((ushort)0x7800), Vector512<ushort>.Zero);
        values = Vector512.ConditionalSelect(isSubnormal, Avx512BW.PermuteVar32x16(subnormals, twice), values) | (twice & Vector512.Create((ushort)0x8000));
        return (Avx512BW.UnpackLow(Vector512<ushort>.Zero, values).AsSingle(), Avx512BW.UnpackHigh(Vector512<ushort>.Zero, values).AsSingle());
    }

    /// <summary>Sixteen codes of e2m1, a byte each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> E2M1(Vector128<byte> codes)
    {
        Vector512<int> c = Ints(codes);
        return SmallFloat((c & Vector512.Create(7)) << 22, (c & Vector512.Create(8)) << 28, bias: 1);
    }

    /// <summary>Eight codes of e4m3, one in the low byte of each integer. NaN codes must not occur.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> E4M3(Vector256<int> codes) =>
        SmallFloat((codes & Vector256.Create(0x7F)) << 20, (codes & Vector256.Create(0x80)) << 24, bias: 7);

    /// <summary>
    /// Exponents and mantissas that stand where a single has them, of a format with a smaller bias. Normal: the bias becomes 127 by an addition.
    /// Subnormal, which the exponent 0 says: 2^(1 − bias) · (1 + m) − 2^(1 − bias), so that no subnormal single is ever multiplied.
    /// </summary>
    /// <param name="magnitude">exponent from bit 23 on, mantissa below</param> <param name="sign">bit 31</param> <param name="bias">of the format</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SmallFloat(Vector512<int> magnitude, Vector512<int> sign, int bias)
    {
        Vector512<float> normal = (magnitude + Vector512.Create((127 - bias) << 23)).AsSingle();
        Vector512<int> one = Vector512.Create((128 - bias) << 23);
        Vector512<float> subnormal = (magnitude | one).AsSingle() - one.AsSingle();
        Vector512<float> value = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(1 << 23)).AsSingle(), subnormal, normal);
        return (value.AsInt32() | sign).AsSingle();
    }

    /// <summary>e8m0: 2^(e − 127); e = 0 is a subnormal single.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Ue8m0(Vector128<byte> codes)
    {
        // Every other power has larger bits than the subnormal.
        return Vector512.Max(Ints(codes) << 23, Vector512.Create(0x00400000)).AsSingle();
    }

    /// <summary>Bytes, unsigned, to 32-bit integers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Ints(Vector128<byte> bytes) =>
        Vector512.WidenLower(Vector512.WidenLower(bytes.ToVector256Unsafe().ToVector512Unsafe())).AsInt32();

    // The same in half the width, for pieces of eight.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> SmallFloat(Vector256<int> magnitude, Vector256<int> sign, int bias)
    {
        Vector256<float> normal = (magnitude + Vector256.Create((127 - bias) << 23)).AsSingle();
        Vector256<int> one = Vector256.Create((128 - bias) << 23);
        Vector256<float> subnormal = (magnitude | one).AsSingle() - one.AsSingle();
        Vector256<float> value = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(1 << 23)).AsSingle(), subnormal, normal);
        return (value.AsInt32() | sign).AsSingle();
    }
}
