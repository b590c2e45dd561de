using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    // From here on it pays to spread a panel once: until then four rows at a time decode it in registers.
    private const int ManyIntegerRows = 24;

    // Doubled weights of the sixteen codes, 12 added, four times: a look-up takes six bits, of which the upper two then say nothing.
    private static Vector512<byte> Fp4Doubled
    {
        get
        {
            Vector128<byte> values = Vector128.Create((byte)12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
            return Vector512.Create(Vector256.Create(values, values), Vector256.Create(values, values));
        }
    }

    /// <summary>Floats of scratch that <see cref="RunFp4Int8"/> needs: the panel as planes, and its scales.</summary>
    public static int Int8ScratchFloats(int columns) => Blocks(columns) * ((PanelLayout.Fp4Block / sizeof(float)) + 1) * PanelLayout.Rows;

    /// <summary>
    /// acc[t, n] = Σ_b s_tb · (t_bn · Σ_{k in b} q_tk · w_nk) for activations that are integers, q, and doubled FP4 weights, w: each sum over a block of
    /// 32 columns is an exact integer, the sum over blocks one chain of fused multiply-adds in their order, for any number of rows.
    /// </summary>
    /// <param name="panel">one packed FP4 panel</param>
    /// <param name="columns">K</param>
    /// <param name="codes">q, (T, blocks · 32), from <see cref="Int8Rows"/></param>
    /// <param name="scales">s, (T, blocks)</param>
    /// <param name="corrections">(T, blocks)</param>
    /// <param name="acc">(T, 32); overwritten</param>
    /// <param name="scratch"><see cref="Int8ScratchFloats"/></param>
    public static void RunFp4Int8(
        ReadOnlySpan<byte> panel, int columns, ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> corrections,
        Span<float> acc, Span<float> scratch)
    {
        int rows = acc.Length / PanelLayout.Rows, blocks = Blocks(columns);
        Debug.Assert(codes.Length == rows * blocks * Int8Dot.Block && scales.Length == rows * blocks && corrections.Length == rows * blocks);
        if (!Avx512Vbmi.IsSupported || rows >= ManyIntegerRows)
        {
            Span<float> panelScales = scratch[..(blocks * PanelLayout.Rows)];
            Span<byte> planes = MemoryMarshal.AsBytes(scratch[panelScales.Length..])[..Int8Dot.BytesOfPlanes(blocks)];
            SpreadFp4(panel, columns, planes, panelScales);
            Int8Dot.Run(codes, scales, corrections, planes, panelScales, acc);
            return;
        }
        ref byte line = ref MemoryMarshal.GetReference(panel);
        ref sbyte q = ref MemoryMarshal.GetReference(codes);
        ref float s = ref MemoryMarshal.GetReference(scales), p = ref MemoryMarshal.GetReference(acc);
        ref int c = ref MemoryMarshal.GetReference(corrections);
        if (rows == 1)
        {
            // A panel alone goes with itself.
            StreamsFp4Int8(ref line, ref line, columns, ref q, ref s, ref c, ref p, ref p);
            return;
        }
        for (int t = 0; t < rows; t += FewRows)
        {
            int at = t * blocks;
            ref sbyte first = ref Unsafe.Add(ref q, at * Int8Dot.Block);
            FourRows sums = FewFp4Int8(ref line, columns, ref first, ref Unsafe.Add(ref s, at), ref Unsafe.Add(ref c, at), Math.Min(FewRows, rows - t) - 1);
            Span<float> target = acc[(t * PanelLayout.Rows)..Math.Min(acc.Length, (t + FewRows) * PanelLayout.Rows)];
            MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<FourRows, float>(ref sums), target.Length).CopyTo(target);
        }
    }

    /// <summary>Two panels of one row, which are read side by side.</summary>
    /// <param name="first">a packed FP4 panel</param> <param name="second">another with as many columns</param>
    /// <param name="columns">K</param>
    /// <param name="codes">q, (blocks · 32)</param> <param name="scales">s, (blocks)</param> <param name="corrections">(blocks)</param>
    /// <param name="acc">(2, 32) and behind it <see cref="Int8ScratchFloats"/> of scratch; overwritten</param>
    public static void RunFp4Int8Pair(
        ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, int columns, ReadOnlySpan<sbyte> codes, ReadOnlySpan<float> scales,
        ReadOnlySpan<int> corrections, Span<float> acc)
    {
        Span<float> low = acc[..PanelLayout.Rows], high = acc.Slice(PanelLayout.Rows, PanelLayout.Rows), scratch = acc[(2 * PanelLayout.Rows)..];
        if (Avx512Vbmi.IsSupported)
        {
            StreamsFp4Int8(
                ref MemoryMarshal.GetReference(first), ref MemoryMarshal.GetReference(second), columns, ref MemoryMarshal.GetReference(codes),
                ref MemoryMarshal.GetReference(scales), ref MemoryMarshal.GetReference(corrections), ref MemoryMarshal.GetReference(low),
                ref MemoryMarshal.GetReference(high));
            return;
        }
        RunFp4Int8(first, columns, codes, scales, corrections, low, scratch);
        RunFp4Int8(second, columns, codes, scales, corrections, high, scratch);
    }

    private static int Blocks(int columns) => (columns + PanelLayout.Fp4Block - 1) / PanelLayout.Fp4Block;

    /// <summary>
    /// A panel in the planes of <see cref="Int8Dot"/>, whose groups are the panel's lines. Groups beyond the last line keep what they held: they only
    /// meet codes of zero.
    /// </summary>
    /// <param name="panel">one packed FP4 panel</param> <param name="columns">K</param>
    /// <param name="planes">(blocks, 8, 32 rows, 4 columns)</param> <param name="scales">(blocks, 32)</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SpreadFp4(ReadOnlySpan<byte> panel, int columns, Span<byte> planes, Span<float> scales)
    {
        Vector512<byte> values = Fp4Doubled;
        for (; columns > 0; columns -= PanelLayout.Group)
        {
            int count = Math.Min(PanelLayout.Group, columns), codes = PanelLayout.CodeBytes(WeightFormat.Fp4, count);
            ref byte source = ref MemoryMarshal.GetReference(panel[..codes]), target = ref MemoryMarshal.GetReference(planes[..(2 * codes)]);
            for (nuint i = 0; i < (nuint)codes; i += PanelLayout.Line)
            {
                Vector512<byte> pairs = Vector512.LoadUnsafe(ref source, i);
                Doubled(values, pairs).StoreUnsafe(ref target, 2 * i);
                Doubled(values, High(pairs)).StoreUnsafe(ref target, (2 * i) + PanelLayout.Line);
            }
            int blocks = Blocks(count);
            WidenScales(panel.Slice(codes, blocks * PanelLayout.Rows), scales);
            panel = panel[PanelLayout.GroupBytes(WeightFormat.Fp4, count)..];
            planes = planes[Int8Dot.BytesOfPlanes(blocks)..];
            scales = scales[(blocks * PanelLayout.Rows)..];
        }
    }

    // Of the low nibbles of 64 bytes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Doubled(Vector512<byte> values, Vector512<byte> pairs)
    {
        if (Avx512Vbmi.IsSupported)
        {
            return Avx512Vbmi.PermuteVar64x8(values, pairs);
        }
        Vector512<byte> codes = pairs & Vector512.Create((byte)15);
        Vector128<byte> table = values.GetLower().GetLower();
        return Vector512.Create(
            Vector256.Create(Vector128.Shuffle(table, codes.GetLower().GetLower()), Vector128.Shuffle(table, codes.GetLower().GetUpper())),
            Vector256.Create(Vector128.Shuffle(table, codes.GetUpper().GetLower()), Vector128.Shuffle(table, codes.GetUpper().GetUpper())));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> High(Vector512<byte> pairs) => (pairs.AsUInt16() >>> 4).AsByte();

    // Two panels and one row, so that both run through memory side by side.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StreamsFp4Int8(
        ref byte a, ref byte b, int columns, ref sbyte q, ref float s, ref int c, ref float sumsA, ref float sumsB)
    {
        Vector512<byte> values = Fp4Doubled;
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default;
        for (nint block = 0; columns > 0; columns -= PanelLayout.Group)
        {
            int count = Math.Min(PanelLayout.Group, columns), codes = PanelLayout.CodeBytes(WeightFormat.Fp4, count);
            ref byte scaleA = ref Unsafe.Add(ref a, codes), scaleB = ref Unsafe.Add(ref b, codes);
            for (nint k = 0; k < count; k += PanelLayout.Fp4Block, block++)
            {
                Vector512<short> p0 = Start(ref c, block), p1 = p0, r0 = p0, r1 = p0;
                nint place = block * PanelLayout.Fp4Block;
                for (nint end = place + Math.Min(PanelLayout.Fp4Block, count - k); place < end; place += PanelLayout.Fp4LineColumns)
                {
                    Prefetch(ref a);
                    Prefetch(ref b);
                    Vector512<byte> pairsA = Vector512.LoadUnsafe(ref a), pairsB = Vector512.LoadUnsafe(ref b);
                    Vector512<sbyte> v = FourCodes(ref q, place);
                    p0 += Avx512BW.MultiplyAddAdjacent(Doubled(values, pairsA), v);
                    p1 += Avx512BW.MultiplyAddAdjacent(Doubled(values, High(pairsA)), v);
                    r0 += Avx512BW.MultiplyAddAdjacent(Doubled(values, pairsB), v);
                    r1 += Avx512BW.MultiplyAddAdjacent(Doubled(values, High(pairsB)), v);
                    a = ref Unsafe.Add(ref a, PanelLayout.Line);
                    b = ref Unsafe.Add(ref b, PanelLayout.Line);
                }
                Vector512<float> scale = Vector512.Create(Unsafe.Add(ref s, block));
                (a0, a1) = (Fold(p0, Scale(ref scaleA, (int)k), scale, a0), Fold(p1, Scale(ref scaleA, (int)k + 16), scale, a1));
                (b0, b1) = (Fold(r0, Scale(ref scaleB, (int)k), scale, b0), Fold(r1, Scale(ref scaleB, (int)k + 16), scale, b1));
            }
            int rest = PanelLayout.GroupBytes(WeightFormat.Fp4, count) - codes;
            a = ref Unsafe.Add(ref a, rest);
            b = ref Unsafe.Add(ref b, rest);
        }
        a0.StoreUnsafe(ref sumsA);
        a1.StoreUnsafe(ref sumsA, 16);
        b0.StoreUnsafe(ref sumsB);
        b1.StoreUnsafe(ref sumsB, 16);
    }

    // One panel and four rows. Places of rows that are not there are those of the last.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static FourRows FewFp4Int8(ref byte line, int columns, ref sbyte q, ref float s, ref int c, int last)
    {
        Vector512<byte> values = Fp4Doubled;
        nint row1 = Math.Min(1, last) * Blocks(columns), row2 = Math.Min(2, last) * Blocks(columns), row3 = Math.Min(3, last) * Blocks(columns);
        ref sbyte q1 = ref Unsafe.Add(ref q, row1 * Int8Dot.Block), q2 = ref Unsafe.Add(ref q, row2 * Int8Dot.Block);
        ref sbyte q3 = ref Unsafe.Add(ref q, row3 * Int8Dot.Block);
        Vector512<float> p0 = default, p1 = default, r0 = default, r1 = default, u0 = default, u1 = default, w0 = default, w1 = default;
        for (nint block = 0; columns > 0; columns -= PanelLayout.Group)
        {
            int count = Math.Min(PanelLayout.Group, columns), codes = PanelLayout.CodeBytes(WeightFormat.Fp4, count);
            ref byte scales = ref Unsafe.Add(ref line, codes);
            for (nint k = 0; k < count; k += PanelLayout.Fp4Block, block++)
            {
                Vector512<short> a0 = Start(ref c, block), b0 = Start(ref c, block + row1), d0 = Start(ref c, block + row2), e0 = Start(ref c, block + row3);
                Vector512<short> a1 = a0, b1 = b0, d1 = d0, e1 = e0;
                nint place = block * PanelLayout.Fp4Block;
                for (nint end = place + Math.Min(PanelLayout.Fp4Block, count - k); place < end; place += PanelLayout.Fp4LineColumns)
                {
                    Prefetch(ref line);
                    Vector512<byte> pairs = Vector512.LoadUnsafe(ref line), low = Doubled(values, pairs), high = Doubled(values, High(pairs));
                    Vector512<sbyte> v = FourCodes(ref q, place);
                    (a0, a1) = (a0 + Avx512BW.MultiplyAddAdjacent(low, v), a1 + Avx512BW.MultiplyAddAdjacent(high, v));
                    v = FourCodes(ref q1, place);
                    (b0, b1) = (b0 + Avx512BW.MultiplyAddAdjacent(low, v), b1 + Avx512BW.MultiplyAddAdjacent(high, v));
                    v = FourCodes(ref q2, place);
                    (d0, d1) = (d0 + Avx512BW.MultiplyAddAdjacent(low, v), d1 + Avx512BW.MultiplyAddAdjacent(high, v));
                    v = FourCodes(ref q3, place);
                    (e0, e1) = (e0 + Avx512BW.MultiplyAddAdjacent(low, v), e1 + Avx512BW.MultiplyAddAdjacent(high, v));
                    line = ref Unsafe.Add(ref line, PanelLayout.Line);
                }
                Vector512<float> t0 = Scale(ref scales, (int)k), t1 = Scale(ref scales, (int)k + 16), scale = Vector512.Create(Unsafe.Add(ref s, block));
                (p0, p1) = (Fold(a0, t0, scale, p0), Fold(a1, t1, scale, p1));
                scale = Vector512.Create(Unsafe.Add(ref s, block + row1));
                (r0, r1) = (Fold(b0, t0, scale, r0), Fold(b1, t1, scale, r1));
                scale = Vector512.Create(Unsafe.Add(ref s, block + row2));
                (u0, u1) = (Fold(d0, t0, scale, u0), Fold(d1, t1, scale, u1));
                scale = Vector512.Create(Unsafe.Add(ref s, block + row3));
                (w0, w1) = (Fold(e0, t0, scale, w0), Fold(e1, t1, scale, w1));
            }
            line = ref Unsafe.Add(ref line, PanelLayout.GroupBytes(WeightFormat.Fp4, count) - codes);
        }
        var sums = default(FourRows);
        (sums[0], sums[1], sums[2], sums[3]) = (p0, p1, r0, r1);
        (sums[4], sums[5], sums[6], sums[7]) = (u0, u1, w0, w1);
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Start(ref int corrections, nint index) => Vector512.Create(Unsafe.Add(ref corrections, index)).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> FourCodes(ref sbyte codes, nint place) =>
        Vector512.Create(Unsafe.ReadUnaligned<int>(ref Unsafe.As<sbyte, byte>(ref Unsafe.Add(ref codes, place)))).AsSByte();

    // The words of a block, its scales, and the chain: in the order of Int8Dot, which does the same for many rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fold(Vector512<short> words, Vector512<float> weightScales, Vector512<float> scale, Vector512<float> sum) =>
        Vector512.FusedMultiplyAdd(
            Vector512.ConvertToSingle(Avx512BW.MultiplyAddAdjacent(words, Vector512<short>.One)) * weightScales, scale, sum);
}
