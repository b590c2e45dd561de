using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Formats;

namespace Fathom.Cpu.Kernels;

/// <summary>
/// Exact products of FP4 rows as small integers, for 32 keys at a time. Its portable, AVX2 and AVX-512 bodies add the same integers and scale
/// them in the same order, so they give the same bits.
/// </summary>
/// <remarks>
/// Doubled, an FP4 value is an integer of at most 12. A key is stored with 12 added (0 … 24), a query code is −127 … 127. Two products that are
/// added at once are at most 2 · 24 · 127 = 6,096 in size and do not saturate. A word of 16 bits adds up sixteen of a block's 32 products: of keys with
/// 12 added up to 48,768, which wraps around; with 12 · Σ q of the same codes taken off it is at most 12 · 127 · 16 = 24,384 and right again.
/// Planes of keys: (blocks, 8, 32 keys, 4 bytes), where byte i of group g is dimension 8 ⌊g / 2⌋ + 2i + g mod 2 of its block of 32: the
/// even nibbles of four packed bytes, then the odd ones. Codes of a query: (heads, blocks, 8, 4) in the same order.
/// </remarks>
internal static class Int8Dot
{
    /// <summary>Keys of a set of planes.</summary>
    public const int Keys = Tile.Width;

    /// <summary>Dimensions that share a scale.</summary>
    public const int Block = 32;

    /// <summary>What is added to a key's doubled values.</summary>
    public const int Offset = 12;

    private const int Groups = Block / 4;
    private const int PlaneBytes = Keys * Block;

    /// <summary>Doubled values of the 16 codes, plus 12.</summary>
    public static ReadOnlySpan<byte> Values => [12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0];

    /// <summary>Bytes of 32 keys in planes.</summary>
    public static int BytesOfPlanes(int blocks) => blocks * PlaneBytes;

    /// <summary>Where dimension <paramref name="index"/> of a block stands in the codes of a query.</summary>
    public static int Place(int index) => (index & ~7) + ((index & 1) * 4) + ((index & 7) / 2);

    /// <summary>
    /// What takes the 12 added to every key off again, for one block of codes: two words of 16 bits, −12 · Σ q over bytes 0 and 1 of all groups in
    /// the lower, over bytes 2 and 3 in the upper.
    /// </summary>
    public static int Correction(ReadOnlySpan<sbyte> codes)
    {
        Vector256<short> words = Vector256.Create(codes).AsInt16();
        // Both bytes of each word, the lower one by a shift up and down that keeps its sign.
        words = ((words << 8) >> 8) + (words >> 8);
        Vector128<int> lanes = (words.GetLower() + words.GetUpper()).AsInt32();
        int lower = -Offset * Vector128.Sum((lanes << 16) >> 16), upper = -Offset * Vector128.Sum(lanes >> 16);
        return unchecked((ushort)lower | (upper << 16));
    }

    /// <summary>Spreads packed FP4 rows over planes.</summary>
    /// <param name="rows">(count, stride): pairs of codes, then a scale for each block</param>
    /// <param name="stride">bytes of a row</param>
    /// <param name="dim">d</param>
    /// <param name="firstKey">which of the 32 keys the first row is</param>
    /// <param name="planes">see remarks; the bytes of these keys are overwritten</param>
    /// <param name="scales">(blocks, 32); the scales of these keys are overwritten</param>
    public static void Spread(ReadOnlySpan<byte> rows, int stride, int dim, int firstKey, Span<byte> planes, Span<float> scales)
    {
        int count = rows.Length / stride, blocks = (dim + Block - 1) / Block, row = 0;
        Debug.Assert(firstKey + count <= Keys && planes.Length >= BytesOfPlanes(blocks) && scales.Length >= blocks * Keys);
        if (Avx2.IsSupported && dim % Block == 0)
        {
            for (; row + 8 <= count; row += 8)
            {
                SpreadEight(ref MemoryMarshal.GetReference(rows[(row * stride)..]), stride, blocks, ref planes[(firstKey + row) * 4]);
            }
        }
        for (; row < count; row++)
        {
            SpreadOne(rows.Slice(row * stride, (dim + 1) / 2), firstKey + row, planes[..BytesOfPlanes(blocks)]);
        }
        for (row = 0; row < count; row++)
        {
            ReadOnlySpan<byte> codes = rows.Slice((row * stride) + ((dim + 1) / 2), blocks);
            for (int b = 0; b < codes.Length; b++)
            {
                int code = codes[b];
                // The exponent is the code, but for the smallest and for NaN.
                scales[(b * Keys) + firstKey + row] =
                    (uint)(code - 1) < Ue8m0.NaN - 1 ? BitConverter.Int32BitsToSingle(code << 23) : Ue8m0.Decode((byte)code);
            }
        }
    }

    /// <summary>p[j, w] = Σ_b s_jb · (t_bw · Σ_i q_jbi · k_bwi): each sum over a block is an exact integer, the sum over blocks one chain of fused multiply-adds.</summary>
    /// <param name="codes">q, (heads, blocks · 32)</param>
    /// <param name="scales">s, (heads, blocks)</param>
    /// <param name="corrections">of <see cref="Correction"/>, (heads, blocks)</param>
    /// <param name="planes">k + 12 of 32 keys</param>
    /// <param name="keyScales">t, (blocks, 32)</param>
    /// <param name="products">p, (heads, 32); overwritten</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections, ReadOnlySpan<byte> planes, ReadOnlySpan<float> keyScales,
        Span<float> products)
    {
        int heads = products.Length / Keys, blocks = scales.Length / heads, j = 0;
        Debug.Assert(codes.Length == heads * blocks * Block && corrections.Length == heads * blocks);
        Debug.Assert(planes.Length >= BytesOfPlanes(blocks) && keyScales.Length >= blocks * Keys);
        ref sbyte q = ref MemoryMarshal.GetReference(codes);
        ref float s = ref MemoryMarshal.GetReference(scales), t = ref MemoryMarshal.GetReference(keyScales), p = ref MemoryMarshal.GetReference(products);
        ref int c = ref MemoryMarshal.GetReference(corrections);
        ref byte k = ref MemoryMarshal.GetReference(planes);
        if (Avx512BW.IsSupported)
        {
            for (; j + 4 <= heads; j += 4)
            {
                int at = j * blocks;
                Four(ref Unsafe.Add(ref q, at * Block), ref Unsafe.Add(ref s, at), ref Unsafe.Add(ref c, at), blocks, ref k, ref t, ref Unsafe.Add(ref p, j * Keys));
            }
        }
        for (; j < heads; j++)
        {
            int at = j * blocks;
            if (Avx2.IsSupported)
            {
                One(ref Unsafe.Add(ref q, at * Block), ref Unsafe.Add(ref s, at), ref Unsafe.Add(ref c, at), blocks, ref k, ref t, ref Unsafe.Add(ref p, j * Keys));
            }
            else
            {
                Portable(codes.Slice(at * Block, blocks * Block), scales.Slice(at, blocks), planes, keyScales, products.Slice(j * Keys, Keys));
            }
        }
    }

    // AVX-512: four heads, whose codes are broadcast four bytes at a time, by 32 keys, one to a lane.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(ref sbyte q, ref float s, ref int c, int blocks, ref byte k, ref float t, ref float p)
    {
        nint width = (nint)blocks * Block;
        ref sbyte q1 = ref Unsafe.Add(ref q, width), q2 = ref Unsafe.Add(ref q1, width), q3 = ref Unsafe.Add(ref q2, width);
        Vector512<float> p0 = default, r0 = default, p1 = default, r1 = default, p2 = default, r2 = default, p3 = default, r3 = default;
        for (nint b = 0; b < blocks; b++)
        {
            Vector512<short> a0 = Start(ref c, b), a1 = Start(ref c, b + blocks), a2 = Start(ref c, b + (2 * blocks)), a3 = Start(ref c, b + (3 * blocks));
            Vector512<short> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
            for (nint g = b * Groups; g < (b + 1) * Groups; g++)
            {
                Vector512<byte> low = Vector512.LoadUnsafe(ref k, (nuint)g * (Keys * 4)), high = Vector512.LoadUnsafe(ref k, ((nuint)g * (Keys * 4)) + 64);
                Vector512<sbyte> v = Four(ref q, g);
                a0 += Avx512BW.MultiplyAddAdjacent(low, v);
                b0 += Avx512BW.MultiplyAddAdjacent(high, v);
                v = Four(ref q1, g);
                a1 += Avx512BW.MultiplyAddAdjacent(low, v);
                b1 += Avx512BW.MultiplyAddAdjacent(high, v);
                v = Four(ref q2, g);
                a2 += Avx512BW.MultiplyAddAdjacent(low, v);
                b2 += Avx512BW.MultiplyAddAdjacent(high, v);
                v = Four(ref q3, g);
                a3 += Avx512BW.MultiplyAddAdjacent(low, v);
                b3 += Avx512BW.MultiplyAddAdjacent(high, v);
            }
            Vector512<float> t0 = Vector512.LoadUnsafe(ref t, (nuint)b * Keys), t1 = Vector512.LoadUnsafe(ref t, ((nuint)b * Keys) + 16);
            Vector512<float> scale = Vector512.Create(Unsafe.Add(ref s, b));
            (p0, r0) = (Scaled(a0, t0, scale, p0), Scaled(b0, t1, scale, r0));
            scale = Vector512.Create(Unsafe.Add(ref s, b + blocks));
            (p1, r1) = (Scaled(a1, t0, scale, p1), Scaled(b1, t1, scale, r1));
            scale = Vector512.Create(Unsafe.Add(ref s, b + (2 * blocks)));
            (p2, r2) = (Scaled(a2, t0, scale, p2), Scaled(b2, t1, scale, r2));
            scale = Vector512.Create(Unsafe.Add(ref s, b + (3 * blocks)));
            (p3, r3) = (Scaled(a3, t0, scale, p3), Scaled(b3, t1, scale, r3));
        }
        Store(ref p, 0, p0, r0);
        Store(ref p, Keys, p1, r1);
        Store(ref p, 2 * Keys, p2, r2);
        Store(ref p, 3 * Keys, p3, r3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Start(ref int corrections, nint index) => Vector512.Create(Unsafe.Add(ref corrections, index)).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> Four(ref sbyte codes, nint group) =>
        Vector512.Create(Unsafe.ReadUnaligned<int>(ref Unsafe.As<sbyte, byte>(ref Unsafe.Add(ref codes, group * 4)))).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Scaled(Vector512<short> words, Vector512<float> keyScales, Vector512<float> scale, Vector512<float> sum) =>
        Vector512.FusedMultiplyAdd(
            Vector512.ConvertToSingle(Avx512BW.MultiplyAddAdjacent(words, Vector512<short>.One)) * keyScales, scale, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref float target, nuint index, Vector512<float> low, Vector512<float> high)
    {
        low.StoreUnsafe(ref target, index);
        high.StoreUnsafe(ref target, index + 16);
    }

    // AVX2: one head by 32 keys, eight to a vector.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(ref sbyte q, ref float s, ref int c, int blocks, ref byte k, ref float t, ref float p)
    {
        Vector256<float> p0 = default, p1 = default, p2 = default, p3 = default;
        for (nint b = 0; b < blocks; b++)
        {
            Vector256<short> a0 = Vector256.Create(Unsafe.Add(ref c, b)).AsInt16(), a1 = a0, a2 = a0, a3 = a0;
            for (nint g = b * Groups; g < (b + 1) * Groups; g++)
            {
                Vector256<sbyte> v = Vector256.Create(Unsafe.ReadUnaligned<int>(ref Unsafe.As<sbyte, byte>(ref Unsafe.Add(ref q, g * 4)))).AsSByte();
                nuint at = (nuint)g * (Keys * 4);
                a0 += Avx2.MultiplyAddAdjacent(Vector256.LoadUnsafe(ref k, at), v);
                a1 += Avx2.MultiplyAddAdjacent(Vector256.LoadUnsafe(ref k, at + 32), v);
                a2 += Avx2.MultiplyAddAdjacent(Vector256.LoadUnsafe(ref k, at + 64), v);
                a3 += Avx2.MultiplyAddAdjacent(Vector256.LoadUnsafe(ref k, at + 96), v);
            }
            Vector256<float> scale = Vector256.Create(Unsafe.Add(ref s, b));
            nuint key = (nuint)b * Keys;
            p0 = Scaled(a0, Vector256.LoadUnsafe(ref t, key), scale, p0);
            p1 = Scaled(a1, Vector256.LoadUnsafe(ref t, key + 8), scale, p1);
            p2 = Scaled(a2, Vector256.LoadUnsafe(ref t, key + 16), scale, p2);
            p3 = Scaled(a3, Vector256.LoadUnsafe(ref t, key + 24), scale, p3);
        }
        p0.StoreUnsafe(ref p);
        p1.StoreUnsafe(ref p, 8);
        p2.StoreUnsafe(ref p, 16);
        p3.StoreUnsafe(ref p, 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scaled(Vector256<short> words, Vector256<float> keyScales, Vector256<float> scale, Vector256<float> sum) =>
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(words, Vector256<short>.One)) * keyScales, scale, sum);

    private static void Portable(
        ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<byte> planes, ReadOnlySpan<float> keyScales, Span<float> products)
    {
        products.Clear();
        for (int b = 0; b < scales.Length; b++)
        {
            for (int key = 0; key < Keys; key++)
            {
                int sum = 0;
                for (int i = 0; i < Block; i++)
                {
                    sum += codes[(b * Block) + i] * (planes[(b * PlaneBytes) + (i / 4 * Keys * 4) + (key * 4) + (i % 4)] - Offset);
                }
                products[key] = MathF.FusedMultiplyAdd(sum * keyScales[(b * Keys) + key], scales[b], products[key]);
            }
        }
    }

    // Transposes sixteen bytes of each of eight rows as 4 × 4 words in either lane, and widens nibbles to bytes.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SpreadEight(ref byte rows, int stride, int blocks, ref byte planes)
    {
        Vector256<byte> values = Vector256.Create(Vector128.Create(Values), Vector128.Create(Values)), nibble = Vector256.Create((byte)15);
        for (int b = 0; b < blocks; b++)
        {
            Vector256<int> r0 = Pair(ref rows, b * 16, 4 * stride), r1 = Pair(ref rows, (b * 16) + stride, 4 * stride);
            Vector256<int> r2 = Pair(ref rows, (b * 16) + (2 * stride), 4 * stride), r3 = Pair(ref rows, (b * 16) + (3 * stride), 4 * stride);
            Vector256<long> low01 = Avx2.UnpackLow(r0, r1).AsInt64(), low23 = Avx2.UnpackLow(r2, r3).AsInt64();
            Vector256<long> high01 = Avx2.UnpackHigh(r0, r1).AsInt64(), high23 = Avx2.UnpackHigh(r2, r3).AsInt64();
            nuint at = (nuint)b * PlaneBytes;
            Widen(Avx2.UnpackLow(low01, low23).AsByte(), values, nibble, ref planes, at);
            Widen(Avx2.UnpackHigh(low01, low23).AsByte(), values, nibble, ref planes, at + (2 * Keys * 4));
            Widen(Avx2.UnpackLow(high01, high23).AsByte(), values, nibble, ref planes, at + (4 * Keys * 4));
            Widen(Avx2.UnpackHigh(high01, high23).AsByte(), values, nibble, ref planes, at + (6 * Keys * 4));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Pair(ref byte rows, int offset, int apart) =>
        Vector256.Create(Vector128.LoadUnsafe(ref rows, (nuint)offset), Vector128.LoadUnsafe(ref rows, (nuint)(offset + apart))).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(Vector256<byte> pairs, Vector256<byte> values, Vector256<byte> nibble, ref byte planes, nuint at)
    {
        Avx2.Shuffle(values, pairs & nibble).StoreUnsafe(ref planes, at);
        Avx2.Shuffle(values, (pairs.AsUInt16() >>> 4).AsByte() & nibble).StoreUnsafe(ref planes, at + (Keys * 4));
    }

    private static void SpreadOne(ReadOnlySpan<byte> pairs, int key, Span<byte> planes)
    {
        for (int i = 0; i < planes.Length / Keys; i++)
        {
            // Beyond the last dimension a code is zero.
            int code = i / 2 < pairs.Length ? (pairs[i / 2] >> (i % 2 * 4)) & 15 : 0;
            int place = Place(i);
            planes[(place / 4 * Keys * 4) + (key * 4) + (place % 4)] = Values[code];
        }
    }
}
