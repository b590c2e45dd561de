using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Formats;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// Four heads against FP4 keys, from the cache's rows to scores without leaving the registers: so few products do not pay for planes of keys
/// (<see cref="Int8Dot"/>) that are written and read again. The same integers, scaled and weighed in the same order: the same bits.
/// </summary>
internal static partial class IndexerScores
{
    /// <summary>Keys that go together; <see cref="RunDirect"/> takes multiples of them.</summary>
    public const int DirectKeys = 16;

    private const int DirectHeads = 4;

    // The scales of a row are in its last four bytes.
    private const int DirectBlocks = sizeof(int);

    // Packed bytes of a block of 32 dimensions.
    private const int BlockBytes = Int8Dot.Block / 2;

    /// <summary>Whether <see cref="RunDirect"/> knows this shape on this processor.</summary>
    public static bool CanRunDirect(int heads, int d) =>
        Avx512Vbmi.IsSupported && heads == DirectHeads && d % Int8Dot.Block == 0 && d <= DirectBlocks * Int8Dot.Block;

    /// <summary>Scores of keys of one query.</summary>
    /// <param name="codes">from <see cref="Encode"/></param>
    /// <param name="scales">from <see cref="Encode"/></param>
    /// <param name="corrections">from <see cref="Encode"/></param>
    /// <param name="weights">ω, (4)</param>
    /// <param name="rows">(n, stride): pairs of codes, then a scale for each block</param>
    /// <param name="stride">bytes of a row</param>
    /// <param name="scores">(n), a multiple of 16; overwritten</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RunDirect(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections, ReadOnlySpan<float> weights,
        ReadOnlySpan<byte> rows, int stride, Span<float> scores)
    {
        int blocks = scales.Length / DirectHeads;
        Debug.Assert(stride == (BlockBytes + 1) * blocks && rows.Length >= scores.Length * stride && scores.Length % DirectKeys == 0);
        ref sbyte q = ref MemoryMarshal.GetReference(codes);
        ref float s = ref MemoryMarshal.GetReference(scales), w = ref MemoryMarshal.GetReference(weights);
        ref int c = ref MemoryMarshal.GetReference(corrections);
        ref byte row = ref MemoryMarshal.GetReference(rows);
        // Of an index the six low bits count, and the four of a nibble choose the value: the two above it need not be cleared.
        Vector256<byte> twice = Vector256.Create(Vector128.Create(Int8Dot.Values), Vector128.Create(Int8Dot.Values));
        Vector512<byte> values = Vector512.Create(twice, twice);
        for (nint key = 0; key < scores.Length; key += DirectKeys)
        {
            Sixteen(ref q, ref s, ref c, ref w, ref Unsafe.Add(ref row, key * stride), stride, blocks, values).StoreUnsafe(ref MemoryMarshal.GetReference(scores), (nuint)key);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sixteen(
        ref sbyte q, ref float s, ref int c, ref float w, ref byte rows, nint stride, int blocks, Vector512<byte> values)
    {
        nint width = (nint)blocks * Int8Dot.Block;
        Vector512<int> keyScales = Dwords(ref Unsafe.Add(ref rows, stride - Vector128<byte>.Count), stride).Fourth;
        Vector512<float> p0 = default, p1 = default, p2 = default, p3 = default;
        for (nint b = 0; b < blocks; b++)
        {
            Vector512<short> a0 = Int8Dot.Start(ref c, b), a1 = Int8Dot.Start(ref c, b + blocks);
            Vector512<short> a2 = Int8Dot.Start(ref c, b + (2 * blocks)), a3 = Int8Dot.Start(ref c, b + (3 * blocks));
            (Vector512<int> d0, Vector512<int> d1, Vector512<int> d2, Vector512<int> d3) = Dwords(ref Unsafe.Add(ref rows, b * BlockBytes), stride);
            ref sbyte code = ref Unsafe.Add(ref q, b * Int8Dot.Block);
            Add(d0, values, ref code, width, ref a0, ref a1, ref a2, ref a3);
            Add(d1, values, ref Unsafe.Add(ref code, 8), width, ref a0, ref a1, ref a2, ref a3);
            Add(d2, values, ref Unsafe.Add(ref code, 16), width, ref a0, ref a1, ref a2, ref a3);
            Add(d3, values, ref Unsafe.Add(ref code, 24), width, ref a0, ref a1, ref a2, ref a3);
            Vector512<float> t = Scale(keyScales >>> (8 * (DirectBlocks - blocks + (int)b)));
            p0 = Int8Dot.Scaled(a0, t, Vector512.Create(Unsafe.Add(ref s, b)), p0);
            p1 = Int8Dot.Scaled(a1, t, Vector512.Create(Unsafe.Add(ref s, b + blocks)), p1);
            p2 = Int8Dot.Scaled(a2, t, Vector512.Create(Unsafe.Add(ref s, b + (2 * blocks))), p2);
            p3 = Int8Dot.Scaled(a3, t, Vector512.Create(Unsafe.Add(ref s, b + (3 * blocks))), p3);
        }
        Vector512<float> score = Weighed(w, p0, default);
        score = Weighed(Unsafe.Add(ref w, 1), p1, score);
        score = Weighed(Unsafe.Add(ref w, 2), p2, score);
        return Weighed(Unsafe.Add(ref w, 3), p3, score);
    }

    // Eight dimensions of sixteen keys times those of four heads.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector512<int> pairs, Vector512<byte> values, ref sbyte codes, nint width,
        ref Vector512<short> a0, ref Vector512<short> a1, ref Vector512<short> a2, ref Vector512<short> a3)
    {
        Vector512<byte> even = Avx512Vbmi.PermuteVar64x8(values, pairs.AsByte()), odd = Avx512Vbmi.PermuteVar64x8(values, (pairs >>> 4).AsByte());
        a0 += Pairs(even, odd, ref codes);
        a1 += Pairs(even, odd, ref Unsafe.Add(ref codes, width));
        a2 += Pairs(even, odd, ref Unsafe.Add(ref codes, 2 * width));
        a3 += Pairs(even, odd, ref Unsafe.Add(ref codes, 3 * width));
    }

    // Four words of 32 bits of each of sixteen rows, transposed.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<int> First, Vector512<int> Second, Vector512<int> Third, Vector512<int> Fourth) Dwords(ref byte rows, nint stride)
    {
        Vector512<int> r0 = EveryFourth(ref rows, stride), r1 = EveryFourth(ref Unsafe.Add(ref rows, stride), stride);
        Vector512<int> r2 = EveryFourth(ref Unsafe.Add(ref rows, 2 * stride), stride), r3 = EveryFourth(ref Unsafe.Add(ref rows, 3 * stride), stride);
        Vector512<long> low01 = Avx512F.UnpackLow(r0, r1).AsInt64(), low23 = Avx512F.UnpackLow(r2, r3).AsInt64();
        Vector512<long> high01 = Avx512F.UnpackHigh(r0, r1).AsInt64(), high23 = Avx512F.UnpackHigh(r2, r3).AsInt64();
        return (
            Avx512F.UnpackLow(low01, low23).AsInt32(), Avx512F.UnpackHigh(low01, low23).AsInt32(),
            Avx512F.UnpackLow(high01, high23).AsInt32(), Avx512F.UnpackHigh(high01, high23).AsInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> EveryFourth(ref byte row, nint stride)
    {
        Vector512<byte> four = Vector128.LoadUnsafe(ref row).ToVector256Unsafe().ToVector512Unsafe();
        four = Avx512F.InsertVector128(four, Vector128.LoadUnsafe(ref Unsafe.Add(ref row, 4 * stride)), 1);
        four = Avx512F.InsertVector128(four, Vector128.LoadUnsafe(ref Unsafe.Add(ref row, 8 * stride)), 2);
        return Avx512F.InsertVector128(four, Vector128.LoadUnsafe(ref Unsafe.Add(ref row, 12 * stride)), 3).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Pairs(Vector512<byte> even, Vector512<byte> odd, ref sbyte codes) =>
        Avx512BW.MultiplyAddAdjacent(even, Int8Dot.Four(ref codes, 0)) + Avx512BW.MultiplyAddAdjacent(odd, Int8Dot.Four(ref codes, 1));

    // UE8M0: the exponent is the code, but for the smallest and for NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Scale(Vector512<int> codes)
    {
        codes &= Vector512.Create(0xFF);
        Vector512<float> scale = Vector512.ConditionalSelect(
            Vector512.Equals(codes, Vector512<int>.Zero), Vector512.Create(BitConverter.SingleToInt32Bits(Ue8m0.Decode(0))), codes << 23).AsSingle();
        return Vector512.ConditionalSelect(Vector512.Equals(codes, Vector512.Create((int)Ue8m0.NaN)).AsSingle(), Vector512.Create(float.NaN), scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Weighed(float weight, Vector512<float> products, Vector512<float> sum) =>
        Vector512.FusedMultiplyAdd(Vector512.Create(weight), Vector512.Max(products, Vector512<float>.Zero), sum);
}
