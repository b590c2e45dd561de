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

    // Blocks of 32 dimensions go in pairs: a row's 32 bytes fill half a vector. The scales of a row are in its last four bytes.
    private const int DirectPairs = 2;
    private const int PairBytes = Int8Dot.Block;

    // Groups of four codes in a block.
    private const int Groups = Int8Dot.Block / 4;

    // Bytes of a pair's spread codes: eight groups of four heads, then corrections of four heads, a vector each.
    private const int PairOfHeads = (Groups + 1) * DirectHeads * VectorBytes;
    private const int VectorBytes = 64;

    // Bytes of spread heads: pairs, a vector of scales, a vector with the weights.
    private const int ScalesAt = DirectPairs * PairOfHeads;
    private const int WeightsAt = ScalesAt + VectorBytes;
    private const int HeadsBytes = WeightsAt + VectorBytes;

    /// <summary>Bytes that <see cref="PrepareDirect"/> fills.</summary>
    public const int DirectBytes = (2 * HeadsBytes) + VectorBytes;

    /// <summary>Whether <see cref="RunDirect"/> knows this shape on this processor.</summary>
    public static bool CanRunDirect(int heads, int d) =>
        Avx512Vbmi.IsSupported && heads == DirectHeads && d % (2 * Int8Dot.Block) == 0 && d <= 2 * DirectPairs * Int8Dot.Block;

    /// <summary>Brings one query into the shape that <see cref="RunDirect"/> wants.</summary>
    /// <param name="codes">from <see cref="Encode"/></param>
    /// <param name="scales">from <see cref="Encode"/></param>
    /// <param name="corrections">from <see cref="Encode"/></param>
    /// <param name="weights">ω, (4)</param>
    /// <param name="heads">(<see cref="DirectBytes"/>), no object of the runtime's; overwritten: all heads, then those of positive weight</param>
    /// <returns>how many heads suffice to see that a key's score is low</returns>
    public static unsafe int PrepareDirect(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections, ReadOnlySpan<float> weights, Span<byte> heads)
    {
        byte* all = Aligned(heads);
        Spread(codes, scales, corrections, weights, [0, 1, 2, 3], all);
        Span<int> positive = stackalloc int[DirectHeads];
        int count = Positive(scales, weights, positive);
        if (count < DirectHeads)
        {
            Spread(codes, scales, corrections, weights, positive[..count], all + HeadsBytes);
        }
        return count;
    }

    /// <summary>Scores of keys of one query.</summary>
    /// <param name="heads">from <see cref="PrepareDirect"/></param>
    /// <param name="enough">what it returned</param>
    /// <param name="pairs">blocks of a row, by twos</param>
    /// <param name="rows">(n, 34 · pairs): pairs of codes, then a scale for each block</param>
    /// <param name="bar">a score that is not above it may be replaced by another such; NaN: none may be</param>
    /// <param name="scores">(n), a multiple of 16; overwritten</param>
    /// <remarks>
    /// A head of negative weight only takes away, so a score is at most what the other heads make of it, rounding included, since that is monotonic. Where all
    /// of sixteen keys stay at or below the bar in this way, the negative heads are left out. About half of a trained model's weights are negative.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void RunDirect(ReadOnlySpan<byte> heads, int enough, int pairs, ReadOnlySpan<byte> rows, float bar, Span<float> scores)
    {
        int stride = (PairBytes + 2) * pairs;
        Debug.Assert(rows.Length >= scores.Length * stride && scores.Length % DirectKeys == 0);
        bool mayLeaveOut = enough < DirectHeads && !float.IsNaN(bar);
        int count = mayLeaveOut ? enough : DirectHeads;
        byte* all = Aligned(heads), few = mayLeaveOut ? all + HeadsBytes : all;
        ref byte row = ref MemoryMarshal.GetReference(rows);
        // Of an index the six low bits count, and the four of a nibble choose the value: the two above it need not be cleared.
        Vector256<byte> twice = Vector256.Create(Vector128.Create(Int8Dot.Values), Vector128.Create(Int8Dot.Values));
        Vector512<byte> values = Vector512.Create(twice, twice);
        Vector512<float> bars = Vector512.Create(bar);
        for (nint key = 0; key < scores.Length; key += DirectKeys)
        {
            Vector512<float> score;
            byte* q = few;
            int n = count;
            while (true)
            {
                score = Sixteen(q, n, ref Unsafe.Add(ref row, key * stride), stride, pairs, values);
                if (n == DirectHeads || Vector512.LessThanOrEqualAll(score, bars))
                {
                    break;
                }
                q = all;
                n = DirectHeads;
            }
            score.StoreUnsafe(ref MemoryMarshal.GetReference(scores), (nuint)key);
        }
    }

    // Vectors that begin in the middle of a cache line would take two reads each.
    private static unsafe byte* Aligned(ReadOnlySpan<byte> heads) =>
        (byte*)(((nuint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(heads)) + VectorBytes - 1) & ~(nuint)(VectorBytes - 1));

    // Heads whose weights are not negative; all where there are none of them, or where a number is not finite and the rest could hide it.
    private static int Positive(ReadOnlySpan<float> scales, ReadOnlySpan<float> weights, Span<int> positive)
    {
        int count = 0;
        for (int head = 0; head < DirectHeads; head++)
        {
            if (!float.IsFinite(weights[head]))
            {
                return DirectHeads;
            }
            if (weights[head] >= 0)
            {
                positive[count++] = head;
            }
        }
        foreach (float scale in scales)
        {
            if (!float.IsFinite(scale))
            {
                return DirectHeads;
            }
        }
        return count == 0 ? DirectHeads : count;
    }

    // Quarters of a vector meet the first, the second, the first and the second block of a pair: the codes of a group as often as there are keys in a quarter.
    private static unsafe void Spread(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections, ReadOnlySpan<float> weights, ReadOnlySpan<int> heads, byte* q)
    {
        int pairs = scales.Length / (2 * DirectHeads);
        ReadOnlySpan<int> groups = MemoryMarshal.Cast<sbyte, int>(codes);
        for (int i = 0; i < heads.Length; i++)
        {
            ((float*)(q + WeightsAt))[i] = weights[heads[i]];
            for (int pair = 0; pair < pairs; pair++)
            {
                int block = 2 * ((heads[i] * pairs) + pair);
                float* target = (float*)(q + ScalesAt) + (2 * ((i * pairs) + pair));
                (target[0], target[1]) = (scales[block], scales[block + 1]);
                for (int group = 0; group <= Groups; group++)
                {
                    Vector256<int> both = group < Groups
                        ? Vector256.Create(Vector128.Create(groups[(block * Groups) + group]), Vector128.Create(groups[((block + 1) * Groups) + group]))
                        : Vector256.Create(Vector128.Create(corrections[block]), Vector128.Create(corrections[block + 1]));
                    Vector512.Create(both, both).AsByte().Store(q + (pair * PairOfHeads) + (((group * DirectHeads) + i) * VectorBytes));
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector512<float> Sixteen(byte* q, int heads, ref byte rows, nint stride, int pairs, Vector512<byte> values)
    {
        Vector512<int> keyScales = LastDwords(ref Unsafe.Add(ref rows, stride - Vector128<byte>.Count), stride);
        float* scale = (float*)(q + ScalesAt), w = (float*)(q + WeightsAt);
        Vector512<float> p0 = default, p1 = default, p2 = default, p3 = default;
        for (int pair = 0; pair < pairs; pair++, q += PairOfHeads, scale += 2)
        {
            ref byte first = ref Unsafe.Add(ref rows, pair * PairBytes);
            byte* starts = q + (Groups * DirectHeads * VectorBytes);
            Vector512<short> a0 = Words(starts, 0), a1 = Words(starts, 1), a2 = Words(starts, 2), a3 = Words(starts, 3);
            Vector512<short> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
            (Vector512<int> low0, Vector512<int> low1, Vector512<int> low2, Vector512<int> low3) = Eight(ref first, stride);
            (Vector512<int> high0, Vector512<int> high1, Vector512<int> high2, Vector512<int> high3) = Eight(ref Unsafe.Add(ref first, 8 * stride), stride);
            Add(low0, high0, values, q, heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
            Add(low1, high1, values, q + (2 * DirectHeads * VectorBytes), heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
            Add(low2, high2, values, q + (4 * DirectHeads * VectorBytes), heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
            Add(low3, high3, values, q + (6 * DirectHeads * VectorBytes), heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
            (Vector512<float> t0, Vector512<float> t1) = Scales(keyScales >>> (8 * (4 - (2 * pairs) + (2 * pair))));
            p0 = Scaled(a0, b0, t0, t1, scale, p0);
            p1 = heads > 1 ? Scaled(a1, b1, t0, t1, scale + (2 * pairs), p1) : p1;
            p2 = heads > 2 ? Scaled(a2, b2, t0, t1, scale + (4 * pairs), p2) : p2;
            p3 = heads > 3 ? Scaled(a3, b3, t0, t1, scale + (6 * pairs), p3) : p3;
        }
        Vector512<float> score = Weighed(w[0], p0, default);
        score = heads > 1 ? Weighed(w[1], p1, score) : score;
        score = heads > 2 ? Weighed(w[2], p2, score) : score;
        return heads > 3 ? Weighed(w[3], p3, score) : score;
    }

    // A pair of blocks of eight keys, transposed by words of 32 bits: in quarters the first block of keys 0 to 3, the second of these, then keys 4 to 7.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<int> First, Vector512<int> Second, Vector512<int> Third, Vector512<int> Fourth) Eight(ref byte rows, nint stride)
    {
        Vector512<int> r0 = AndFourth(ref rows, stride), r1 = AndFourth(ref Unsafe.Add(ref rows, stride), stride);
        Vector512<int> r2 = AndFourth(ref Unsafe.Add(ref rows, 2 * stride), stride), r3 = AndFourth(ref Unsafe.Add(ref rows, 3 * stride), stride);
        Vector512<long> low01 = Avx512F.UnpackLow(r0, r1).AsInt64(), low23 = Avx512F.UnpackLow(r2, r3).AsInt64();
        Vector512<long> high01 = Avx512F.UnpackHigh(r0, r1).AsInt64(), high23 = Avx512F.UnpackHigh(r2, r3).AsInt64();
        return (
            Avx512F.UnpackLow(low01, low23).AsInt32(), Avx512F.UnpackHigh(low01, low23).AsInt32(),
            Avx512F.UnpackLow(high01, high23).AsInt32(), Avx512F.UnpackHigh(high01, high23).AsInt32());
    }

    // Eight dimensions of either block of twice eight keys times those of one to four heads.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Add(
        Vector512<int> low, Vector512<int> high, Vector512<byte> values, byte* q, int heads,
        ref Vector512<short> a0, ref Vector512<short> a1, ref Vector512<short> a2, ref Vector512<short> a3,
        ref Vector512<short> b0, ref Vector512<short> b1, ref Vector512<short> b2, ref Vector512<short> b3)
    {
        Vector512<byte> even = Avx512Vbmi.PermuteVar64x8(values, low.AsByte()), odd = Avx512Vbmi.PermuteVar64x8(values, (low >>> 4).AsByte());
        Vector512<byte> even2 = Avx512Vbmi.PermuteVar64x8(values, high.AsByte()), odd2 = Avx512Vbmi.PermuteVar64x8(values, (high >>> 4).AsByte());
        Vector512<sbyte> v = Words(q, 0).AsSByte(), u = Words(q, DirectHeads).AsSByte();
        a0 += Avx512BW.MultiplyAddAdjacent(even, v) + Avx512BW.MultiplyAddAdjacent(odd, u);
        b0 += Avx512BW.MultiplyAddAdjacent(even2, v) + Avx512BW.MultiplyAddAdjacent(odd2, u);
        if (heads <= 1)
        {
            return;
        }
        (v, u) = (Words(q, 1).AsSByte(), Words(q, DirectHeads + 1).AsSByte());
        a1 += Avx512BW.MultiplyAddAdjacent(even, v) + Avx512BW.MultiplyAddAdjacent(odd, u);
        b1 += Avx512BW.MultiplyAddAdjacent(even2, v) + Avx512BW.MultiplyAddAdjacent(odd2, u);
        if (heads <= 2)
        {
            return;
        }
        (v, u) = (Words(q, 2).AsSByte(), Words(q, DirectHeads + 2).AsSByte());
        a2 += Avx512BW.MultiplyAddAdjacent(even, v) + Avx512BW.MultiplyAddAdjacent(odd, u);
        b2 += Avx512BW.MultiplyAddAdjacent(even2, v) + Avx512BW.MultiplyAddAdjacent(odd2, u);
        if (heads <= 3)
        {
            return;
        }
        (v, u) = (Words(q, 3).AsSByte(), Words(q, DirectHeads + 3).AsSByte());
        a3 += Avx512BW.MultiplyAddAdjacent(even, v) + Avx512BW.MultiplyAddAdjacent(odd, u);
        b3 += Avx512BW.MultiplyAddAdjacent(even2, v) + Avx512BW.MultiplyAddAdjacent(odd2, u);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector512<short> Words(byte* vectors, int index) => Vector512.Load((short*)(vectors + (index * VectorBytes)));

    // Half a vector of a row, half of the fourth row from there.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> AndFourth(ref byte row, nint stride) =>
        Avx512F.InsertVector256(
            Vector256.LoadUnsafe(ref row).ToVector512Unsafe(), Vector256.LoadUnsafe(ref Unsafe.Add(ref row, 4 * stride)), 1).AsInt32();

    // The last of four words of 32 bits of each of sixteen rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> LastDwords(ref byte rows, nint stride)
    {
        Vector512<int> r0 = EveryFourth(ref rows, stride), r1 = EveryFourth(ref Unsafe.Add(ref rows, stride), stride);
        Vector512<int> r2 = EveryFourth(ref Unsafe.Add(ref rows, 2 * stride), stride), r3 = EveryFourth(ref Unsafe.Add(ref rows, 3 * stride), stride);
        return Avx512F.UnpackHigh(Avx512F.UnpackHigh(r0, r1).AsInt64(), Avx512F.UnpackHigh(r2, r3).AsInt64()).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> EveryFourth(ref byte row, nint stride)
    {
        Vector512<byte> four = Vector128.LoadUnsafe(ref row).ToVector256Unsafe().ToVector512Unsafe();
        four = Avx512F.InsertVector128(four, Vector128.LoadUnsafe(ref Unsafe.Add(ref row, 4 * stride)), 1);
        four = Avx512F.InsertVector128(four, Vector128.LoadUnsafe(ref Unsafe.Add(ref row, 8 * stride)), 2);
        return Avx512F.InsertVector128(four, Vector128.LoadUnsafe(ref Unsafe.Add(ref row, 12 * stride)), 3).AsInt32();
    }

    // The next two blocks of sixteen chains over the blocks, in the order and with the roundings of Int8Dot.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector512<float> Scaled(
        Vector512<short> a, Vector512<short> b, Vector512<float> t0, Vector512<float> t1, float* scales, Vector512<float> sum)
    {
        Vector512<int> low = Avx512BW.MultiplyAddAdjacent(a, Vector512<short>.One), high = Avx512BW.MultiplyAddAdjacent(b, Vector512<short>.One);
        // Of quarters the first and the third; the second and the fourth.
        Vector512<int> first = Avx512F.Shuffle4x128(low, high, 0b10_00_10_00), second = Avx512F.Shuffle4x128(low, high, 0b11_01_11_01);
        sum = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(first) * t0, Vector512.Create(scales[0]), sum);
        return Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(second) * t1, Vector512.Create(scales[1]), sum);
    }

    // The two scales in the low bytes. Nearly all are exponents as they stand.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> First, Vector512<float> Second) Scales(Vector512<int> codes)
    {
        const ulong LowBytes = 0x3333333333333333;
        Vector512<byte> above = codes.AsByte() + Vector512<byte>.One;
        if ((Vector512.LessThanOrEqual(above, Vector512<byte>.One).ExtractMostSignificantBits() & LowBytes) != 0)
        {
            return (Scale(codes), Scale(codes >>> 8));
        }
        Vector512<int> exponent = Vector512.Create(0xFF << 23);
        return (((codes << 23) & exponent).AsSingle(), ((codes << 15) & exponent).AsSingle());
    }

    // UE8M0: the exponent is the code, but for the smallest and for NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Scale(Vector512<int> codes)
    {
        codes &= Vector512.Create(0xFF);
        Vector512<float> scale = Vector512.ConditionalSelect(
            Vector512.Equals(codes, Vector512<int>.Zero), Vector512.Create(BitConverter.SingleToInt32Bits(Ue8m0.Decode(0))), codes << 23).AsSingle();
        return Vector512.ConditionalSelect(Vector512.Equals(codes, Vector512.Create((int)Ue8m0.NaN)).AsSingle(), Vector512.Create(float.NaN), scale);
    }

    // The processor's maximum gives its second operand where one is NaN, so NaN stays.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Weighed(float weight, Vector512<float> products, Vector512<float> sum) =>
        Vector512.FusedMultiplyAdd(Vector512.Create(weight), Vector512.MaxNative(Vector512<float>.Zero, products), sum);
}
