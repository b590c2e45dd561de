using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Formats;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// Four heads of 64 dimensions against FP4 keys, from the cache's rows to scores without leaving the registers: so few products do not pay for planes of
/// keys (<see cref="Int8Dot"/>) that are written and read again. The same integers, scaled and weighed in the same order: the same bits.
/// </summary>
internal static partial class IndexerScores
{
    /// <summary>Keys that go together; <see cref="RunDirect"/> takes multiples of them.</summary>
    public const int DirectKeys = 16;

    private const int DirectHeads = 4;
    private const int AllHeads = (1 << DirectHeads) - 1;
    private const ulong AllKeys = (1ul << DirectKeys) - 1;

    // Keys between two looks at those whose scores by the first heads are above the bar.
    private const int RunKeys = 512;

    // A row: two blocks of 32 codes, half a vector, then a scale for each block.
    private const int CodeBytes = Int8Dot.Block;
    private const int DirectRowBytes = CodeBytes + 2;
    private const int VectorBytes = 64;

    // Groups of four codes in a block.
    private const int Groups = Int8Dot.Block / 4;

    // A vector for each group and each of the heads, then corrections of the heads.
    private const int CorrectionsAt = Groups * DirectHeads * VectorBytes;

    // Of the heads in their order here: two scales each, their weights. Then their weights in the model's order, where each of these heads
    // stands, and which of them have a positive weight, by bits.
    private const int ScalesAt = CorrectionsAt + (DirectHeads * VectorBytes);
    private const int OrderedAt = ScalesAt + (2 * DirectHeads * sizeof(float));
    private const int WeightsAt = OrderedAt + (DirectHeads * sizeof(float));
    private const int PlacesAt = WeightsAt + (DirectHeads * sizeof(float));
    private const int PositiveAt = PlacesAt + (DirectHeads * sizeof(int));

    /// <summary>Bytes that <see cref="PrepareDirect"/> fills.</summary>
    public const int DirectBytes = PositiveAt + sizeof(int) + VectorBytes;

    /// <summary>Sets of heads that <see cref="CountAbove"/> counts for.</summary>
    public const int HeadSets = 1 << DirectHeads;

    /// <summary>Whether <see cref="RunDirect"/> knows this shape on this processor.</summary>
    public static bool CanRunDirect(int heads, int d) => Avx512Vbmi.IsSupported && heads == DirectHeads && d == 2 * Int8Dot.Block;

    /// <summary>Brings one query into the shape that <see cref="RunDirect"/> wants.</summary>
    /// <param name="codes">from <see cref="Encode"/></param>
    /// <param name="scales">from <see cref="Encode"/></param>
    /// <param name="corrections">from <see cref="Encode"/></param>
    /// <param name="weights">ω, (4)</param>
    /// <param name="firstHeads">a bit for each head that comes first, from <see cref="CheapestFirst"/>; 0: those of positive weight</param>
    /// <param name="heads">(<see cref="DirectBytes"/>), no object of the runtime's; overwritten</param>
    /// <returns>how many heads come first: a key's score is at most what these make of it</returns>
    public static unsafe int PrepareDirect(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections, ReadOnlySpan<float> weights, int firstHeads, Span<byte> heads)
    {
        byte* q = Aligned(heads);
        int positive = Positive(scales, weights), first = firstHeads | positive;
        first = first == 0 ? AllHeads : first;
        *(int*)(q + PositiveAt) = positive;
        int place = 0;
        // In the model's order among the first and among the others, so that roundings come in its order too.
        for (int head = 0; head < 2 * DirectHeads; head++)
        {
            if ((first >> (head % DirectHeads) & 1) == (head < DirectHeads ? 1 : 0))
            {
                Place(codes, scales, corrections, weights, head % DirectHeads, place++, q);
            }
        }
        return BitOperations.PopCount((uint)first);
    }

    /// <summary>
    /// Counts sixteens of keys with a bound of their scores above the bar, for every set of heads. Without all heads of positive weight there is no bound: such
    /// sets count as above.
    /// </summary>
    /// <param name="heads">from <see cref="PrepareDirect"/></param>
    /// <param name="rows">(n, 34), n a multiple of 16</param>
    /// <param name="bar">of the scores</param>
    /// <param name="counts">(<see cref="HeadSets"/>), by bits of heads; added to</param>
    public static unsafe void CountAbove(ReadOnlySpan<byte> heads, ReadOnlySpan<byte> rows, float bar, Span<int> counts)
    {
        byte* all = Aligned(heads);
        int positive = *(int*)(all + PositiveAt);
        float* products = stackalloc float[(DirectHeads + 1) * DirectKeys];
        products = (float*)(((nuint)products + VectorBytes - 1) & ~(nuint)(VectorBytes - 1));
        Span<Vector512<float>> sums = stackalloc Vector512<float>[HeadSets];
        sums[0] = default;
        for (int row = 0; row < rows.Length; row += DirectKeys * DirectRowBytes)
        {
            Sixteen(all, 0, DirectHeads, ref Unsafe.AsRef(in rows[row]), products);
            for (int set = 1; set < HeadSets; set++)
            {
                int head = BitOperations.TrailingZeroCount(set);
                sums[set] = Weighed(
                    ((float*)(all + WeightsAt))[head], Vector512.LoadAligned(products + (((int*)(all + PlacesAt))[head] * DirectKeys)), sums[set & (set - 1)]);
                counts[set] += (set & positive) == positive && Vector512.LessThanOrEqualAll(sums[set], Vector512.Create(bar)) ? 0 : 1;
            }
        }
    }

    /// <summary>
    /// The heads with which a bound costs least: each of them is computed for all keys, the others only where the bound is above the bar. In trained models
    /// one head often says nearly all.
    /// </summary>
    /// <param name="counts">from <see cref="CountAbove"/></param>
    /// <param name="sixteens">how many sixteens were looked at</param>
    public static int CheapestFirst(ReadOnlySpan<int> counts, int sixteens)
    {
        // What it takes to bring keys into shape, in heads.
        const float Shaping = 2.3f;
        (int best, float least) = (0, float.PositiveInfinity);
        for (int set = 1; set < HeadSets; set++)
        {
            int heads = BitOperations.PopCount((uint)set);
            float cost = Shaping + heads + (set == AllHeads ? 0 : (Shaping + DirectHeads - heads) * counts[set] / sixteens);
            (best, least) = cost < least ? (set, cost) : (best, least);
        }
        return best;
    }

    /// <summary>Scores of keys of one query.</summary>
    /// <param name="heads">from <see cref="PrepareDirect"/></param>
    /// <param name="enough">what it returned</param>
    /// <param name="rows">(n, 34): codes, then a scale for each block</param>
    /// <param name="bar">a score that is not above it may be replaced by another such; NaN: none may be</param>
    /// <param name="scores">(n), a multiple of 16; overwritten</param>
    /// <remarks>
    /// A head of negative weight only takes away, so a score is at most what the other heads make of it, rounding included, since that is monotonic. Where all
    /// of sixteen keys stay at or below the bar by the heads that come first, the others are left out. Most of a trained model's weights are negative.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void RunDirect(ReadOnlySpan<byte> heads, int enough, ReadOnlySpan<byte> rows, float bar, Span<float> scores)
    {
        Debug.Assert(rows.Length >= scores.Length * DirectRowBytes && scores.Length % DirectKeys == 0);
        byte* all = Aligned(heads);
        // Products of all sixteens that were above the bar so far and of the one that is looked at; which of all these were.
        const int Room = RunKeys / DirectKeys;
        float* products = stackalloc float[((Room * DirectHeads) + 1) * DirectKeys];
        products = (float*)(((nuint)products + VectorBytes - 1) & ~(nuint)(VectorBytes - 1));
        int* above = stackalloc int[Room];
        int count = float.IsNaN(bar) ? DirectHeads : enough;
        for (int first = 0; first < scores.Length; first += RunKeys)
        {
            ref byte row = ref Unsafe.Add(ref MemoryMarshal.GetReference(rows), first * DirectRowBytes);
            Span<float> run = scores.Slice(first, Math.Min(RunKeys, scores.Length - first));
            int found = Bounds(all, count, ref row, bar, run, products, above);
            for (int i = 0; i < found; i++)
            {
                float* p = products + (i * DirectHeads * DirectKeys);
                if (count < DirectHeads)
                {
                    Sixteen(all, count, DirectHeads - count, ref Unsafe.Add(ref row, above[i] * DirectRowBytes), p);
                }
                InOrder(all, p).StoreUnsafe(ref run[above[i]]);
            }
        }
    }

    // Scores by the first heads; returns how many sixteens have one above the bar, so that they need all heads.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe int Bounds(byte* all, int count, ref byte row, float bar, Span<float> scores, float* products, int* above)
    {
        Vector512<float> bars = Vector512.Create(bar);
        int found = 0;
        for (int key = 0; key < scores.Length; key += DirectKeys)
        {
            Vector512<float> score = Sixteen(all, 0, count, ref Unsafe.Add(ref row, key * DirectRowBytes), products + (found * DirectHeads * DirectKeys));
            score.StoreUnsafe(ref MemoryMarshal.GetReference(scores), (nuint)key);
            // No branch: the processor could not guess it.
            above[found] = key;
            found += Vector512.LessThanOrEqual(score, bars).ExtractMostSignificantBits() == AllKeys ? 0 : 1;
        }
        return found;
    }

    // Vectors that begin in the middle of a cache line would take two reads each.
    private static unsafe byte* Aligned(ReadOnlySpan<byte> heads) =>
        (byte*)(((nuint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(heads)) + VectorBytes - 1) & ~(nuint)(VectorBytes - 1));

    // Heads whose weights are not negative; all where a number is not finite and the rest could hide it.
    private static int Positive(ReadOnlySpan<float> scales, ReadOnlySpan<float> weights)
    {
        int positive = 0;
        for (int head = 0; head < DirectHeads; head++)
        {
            if (!float.IsFinite(weights[head]) || !float.IsFinite(scales[2 * head]) || !float.IsFinite(scales[(2 * head) + 1]))
            {
                return AllHeads;
            }
            positive |= weights[head] >= 0 ? 1 << head : 0;
        }
        return positive;
    }

    private static unsafe void Place(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections, ReadOnlySpan<float> weights, int head, int place, byte* q)
    {
        Spread(MemoryMarshal.Cast<sbyte, int>(codes.Slice(head * 2 * Int8Dot.Block, 2 * Int8Dot.Block)), q + (place * VectorBytes));
        Quarters(corrections[2 * head], corrections[(2 * head) + 1]).Store(q + CorrectionsAt + (place * VectorBytes));
        float* scale = (float*)(q + ScalesAt) + (2 * place);
        (scale[0], scale[1]) = (scales[2 * head], scales[(2 * head) + 1]);
        ((float*)(q + OrderedAt))[place] = ((float*)(q + WeightsAt))[head] = weights[head];
        ((int*)(q + PlacesAt))[head] = place;
    }

    // Quarters of a vector meet the first, the second, the first and the second block: the codes of a group as often as there are keys in a quarter.
    private static unsafe void Spread(ReadOnlySpan<int> groups, byte* q)
    {
        for (int group = 0; group < Groups; group++)
        {
            Quarters(groups[group], groups[Groups + group]).Store(q + (group * DirectHeads * VectorBytes));
        }
    }

    private static Vector512<byte> Quarters(int first, int second)
    {
        Vector256<int> both = Vector256.Create(Vector128.Create(first), Vector128.Create(second));
        return Vector512.Create(both, both).AsByte();
    }

    // Products of sixteen keys with one to four heads; returns what these make of the scores.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector512<float> Sixteen(byte* all, int begin, int heads, ref byte rows, float* products)
    {
        // Of an index the six low bits count, and the four of a nibble choose the value: the two above it need not be cleared.
        Vector256<byte> twice = Vector256.Create(Vector128.Create(Int8Dot.Values), Vector128.Create(Int8Dot.Values));
        Vector512<byte> values = Vector512.Create(twice, twice);
        byte* q = all + (begin * VectorBytes), starts = q + CorrectionsAt;
        float* scale = (float*)(all + ScalesAt) + (2 * begin), w = (float*)(all + OrderedAt) + begin, p = products + (begin * DirectKeys);
        Vector512<short> a0 = Words(starts, 0), a1 = Words(starts, 1), a2 = Words(starts, 2), a3 = Words(starts, 3);
        Vector512<short> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
        (Vector512<int> low0, Vector512<int> low1, Vector512<int> low2, Vector512<int> low3) = Eight(ref rows);
        (Vector512<int> high0, Vector512<int> high1, Vector512<int> high2, Vector512<int> high3) = Eight(ref Unsafe.Add(ref rows, 8 * DirectRowBytes));
        Add(low0, high0, values, q, heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
        Add(low1, high1, values, q + (2 * DirectHeads * VectorBytes), heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
        Add(low2, high2, values, q + (4 * DirectHeads * VectorBytes), heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
        Add(low3, high3, values, q + (6 * DirectHeads * VectorBytes), heads, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
        (Vector512<float> t0, Vector512<float> t1) = Scales(ScaleCodes(ref rows));
        Vector512<float> score = Weighed(w[0], Scaled(a0, b0, t0, t1, scale, p), default);
        score = heads > 1 ? Weighed(w[1], Scaled(a1, b1, t0, t1, scale + 2, p + DirectKeys), score) : score;
        score = heads > 2 ? Weighed(w[2], Scaled(a2, b2, t0, t1, scale + 4, p + (2 * DirectKeys)), score) : score;
        return heads > 3 ? Weighed(w[3], Scaled(a3, b3, t0, t1, scale + 6, p + (3 * DirectKeys)), score) : score;
    }

    // All heads in the model's order.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector512<float> InOrder(byte* heads, float* products)
    {
        float* weights = (float*)(heads + WeightsAt);
        int* places = (int*)(heads + PlacesAt);
        Vector512<float> score = default;
        for (int head = 0; head < DirectHeads; head++)
        {
            score = Weighed(weights[head], Vector512.LoadAligned(products + (places[head] * DirectKeys)), score);
        }
        return score;
    }

    // Eight keys, transposed by words of 32 bits: in quarters the first block of keys 0 to 3, the second of these, then keys 4 to 7.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<int> First, Vector512<int> Second, Vector512<int> Third, Vector512<int> Fourth) Eight(ref byte rows)
    {
        Vector512<int> r0 = AndFourth(ref rows, 0), r1 = AndFourth(ref rows, 1), r2 = AndFourth(ref rows, 2), r3 = AndFourth(ref rows, 3);
        Vector512<long> low01 = Avx512F.UnpackLow(r0, r1).AsInt64(), low23 = Avx512F.UnpackLow(r2, r3).AsInt64();
        Vector512<long> high01 = Avx512F.UnpackHigh(r0, r1).AsInt64(), high23 = Avx512F.UnpackHigh(r2, r3).AsInt64();
        return (
            Avx512F.UnpackLow(low01, low23).AsInt32(), Avx512F.UnpackHigh(low01, low23).AsInt32(),
            Avx512F.UnpackLow(high01, high23).AsInt32(), Avx512F.UnpackHigh(high01, high23).AsInt32());
    }

    // Codes of a row, codes of the fourth row from there.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> AndFourth(ref byte rows, nint row)
    {
        ref byte first = ref Unsafe.Add(ref rows, row * DirectRowBytes);
        return Avx512F.InsertVector256(
            Vector256.LoadUnsafe(ref first).ToVector512Unsafe(), Vector256.LoadUnsafe(ref Unsafe.Add(ref first, 4 * DirectRowBytes)), 1).AsInt32();
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
    private static unsafe Vector512<short> Words(byte* vectors, int index) => Vector512.LoadAligned((short*)(vectors + (index * VectorBytes)));

    // The scales of sixteen rows, two bytes each, in the low halves of words of 32 bits; above them anything. Whole vectors are read so that the scales of two
    // rows stand in each at words that no other uses: of the i-th at 7 + i and 24 + i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> ScaleCodes(ref byte rows)
    {
        const int First = CodeBytes - (2 * 7), Step = (2 * DirectRowBytes) - 2;
        Vector512<short> ones = Vector512.Create(
            0, 0, 0, 0, 0, 0, 0, -1, 0, -1, 0, -1, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 0, -1, 0, -1, 0, -1, 0);
        Vector512<short> twos = Vector512.Create(
            0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, -1, -1, 0, 0);
        Vector512<short> fours = Vector512.Create(
            0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, 0, 0, 0, 0);
        Vector512<short> order = Vector512.Create(
            7, 7, 24, 24, 8, 8, 25, 25, 9, 9, 26, 26, 10, 10, 27, 27, 11, 11, 28, 28, 12, 12, 29, 29, 13, 13, 30, 30, 14, 14, 31, 31);
        Vector512<short> v01 = Select(ones, ref Unsafe.Add(ref rows, First), ref Unsafe.Add(ref rows, First + Step));
        Vector512<short> v23 = Select(ones, ref Unsafe.Add(ref rows, First + (2 * Step)), ref Unsafe.Add(ref rows, First + (3 * Step)));
        Vector512<short> v45 = Select(ones, ref Unsafe.Add(ref rows, First + (4 * Step)), ref Unsafe.Add(ref rows, First + (5 * Step)));
        Vector512<short> v67 = Select(ones, ref Unsafe.Add(ref rows, First + (6 * Step)), ref Unsafe.Add(ref rows, First + (7 * Step)));
        Vector512<short> v03 = Select(twos, v01, v23), v47 = Select(twos, v45, v67);
        return Avx512BW.PermuteVar32x16(Select(fours, v03, v47), order).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Select(Vector512<short> mask, ref byte first, ref byte second) =>
        Select(mask, Vector512.LoadUnsafe(ref first).AsInt16(), Vector512.LoadUnsafe(ref second).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Select(Vector512<short> mask, Vector512<short> set, Vector512<short> clear) =>
        Avx512F.TernaryLogic(mask, set, clear, 0xCA);

    // Sixteen chains over the two blocks, in the order and with the roundings of Int8Dot.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector512<float> Scaled(
        Vector512<short> a, Vector512<short> b, Vector512<float> t0, Vector512<float> t1, float* scales, float* product)
    {
        Vector512<int> low = Avx512BW.MultiplyAddAdjacent(a, Vector512<short>.One), high = Avx512BW.MultiplyAddAdjacent(b, Vector512<short>.One);
        // Of quarters the first and the third; the second and the fourth.
        Vector512<int> first = Avx512F.Shuffle4x128(low, high, 0b10_00_10_00), second = Avx512F.Shuffle4x128(low, high, 0b11_01_11_01);
        Vector512<float> sum = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(first) * t0, Vector512.Create(scales[0]), default);
        sum = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(second) * t1, Vector512.Create(scales[1]), sum);
        sum.StoreAligned(product);
        return sum;
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
