using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    /// <summary>Two panels and one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StreamsFp8(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<float> factors, Span<float> sumsA, Span<float> sumsB)
    {
        ref byte a = ref MemoryMarshal.GetReference(first), b = ref MemoryMarshal.GetReference(second);
        ref float x = ref MemoryMarshal.GetReference(factors);
        Fp8Tables tables = Fp8Tables.Load();
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default;
        for (int left = factors.Length; left > 0; left -= PanelLayout.Group)
        {
            Vector512<float> p0 = default, p1 = default, q0 = default, q1 = default;
            for (int k = Math.Min(left, PanelLayout.Group); k > 0; k -= PanelLayout.Fp8LineColumns)
            {
                Prefetch(ref a);
                Prefetch(ref b);
                tables.Line(Vector512.LoadUnsafe(ref a), out Vector512<uint> even, out Vector512<uint> odd);
                Vector512<float> v = Vector512.Create(x), u = Vector512.Create(Unsafe.Add(ref x, 1));
                p0 = Vector512.FusedMultiplyAdd(u, Halves(odd).Low, Vector512.FusedMultiplyAdd(v, Halves(even).Low, p0));
                p1 = Vector512.FusedMultiplyAdd(u, Halves(odd).High, Vector512.FusedMultiplyAdd(v, Halves(even).High, p1));
                tables.Line(Vector512.LoadUnsafe(ref b), out even, out odd);
                q0 = Vector512.FusedMultiplyAdd(u, Halves(odd).Low, Vector512.FusedMultiplyAdd(v, Halves(even).Low, q0));
                q1 = Vector512.FusedMultiplyAdd(u, Halves(odd).High, Vector512.FusedMultiplyAdd(v, Halves(even).High, q1));
                a = ref Unsafe.Add(ref a, PanelLayout.Line);
                b = ref Unsafe.Add(ref b, PanelLayout.Line);
                x = ref Unsafe.Add(ref x, PanelLayout.Fp8LineColumns);
            }
            a0 = Vector512.FusedMultiplyAdd(p0, Scale(ref a, 0), a0);
            a1 = Vector512.FusedMultiplyAdd(p1, Scale(ref a, 16), a1);
            b0 = Vector512.FusedMultiplyAdd(q0, Scale(ref b, 0), b0);
            b1 = Vector512.FusedMultiplyAdd(q1, Scale(ref b, 16), b1);
            a = ref Unsafe.Add(ref a, PanelLayout.Line);
            b = ref Unsafe.Add(ref b, PanelLayout.Line);
        }
        a0.CopyTo(sumsA);
        a1.CopyTo(sumsA[16..]);
        b0.CopyTo(sumsB);
        b1.CopyTo(sumsB[16..]);
    }

    /// <summary>One panel and four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static FourRows FewFp8(ref byte line, int columns, ref float x0, ref float x1, ref float x2, ref float x3)
    {
        Fp8Tables tables = Fp8Tables.Load();
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        for (nint k = 0; k < columns;)
        {
            Vector512<float> p0 = default, p1 = default, q0 = default, q1 = default, r0 = default, r1 = default, s0 = default, s1 = default;
            for (nint end = Math.Min(k + PanelLayout.Group, columns); k < end; k += PanelLayout.Fp8LineColumns)
            {
                Prefetch(ref line);
                tables.Line(Vector512.LoadUnsafe(ref line), out Vector512<uint> even, out Vector512<uint> odd);
                (Vector512<float> low, Vector512<float> high) = Halves(even);
                (Vector512<float> low1, Vector512<float> high1) = Halves(odd);
                Vector512<float> v = Vector512.Create(Unsafe.Add(ref x0, k)), u = Vector512.Create(Unsafe.Add(ref x0, k + 1));
                p0 = Vector512.FusedMultiplyAdd(u, low1, Vector512.FusedMultiplyAdd(v, low, p0));
                p1 = Vector512.FusedMultiplyAdd(u, high1, Vector512.FusedMultiplyAdd(v, high, p1));
                (v, u) = (Vector512.Create(Unsafe.Add(ref x1, k)), Vector512.Create(Unsafe.Add(ref x1, k + 1)));
                q0 = Vector512.FusedMultiplyAdd(u, low1, Vector512.FusedMultiplyAdd(v, low, q0));
                q1 = Vector512.FusedMultiplyAdd(u, high1, Vector512.FusedMultiplyAdd(v, high, q1));
                (v, u) = (Vector512.Create(Unsafe.Add(ref x2, k)), Vector512.Create(Unsafe.Add(ref x2, k + 1)));
                r0 = Vector512.FusedMultiplyAdd(u, low1, Vector512.FusedMultiplyAdd(v, low, r0));
                r1 = Vector512.FusedMultiplyAdd(u, high1, Vector512.FusedMultiplyAdd(v, high, r1));
                (v, u) = (Vector512.Create(Unsafe.Add(ref x3, k)), Vector512.Create(Unsafe.Add(ref x3, k + 1)));
                s0 = Vector512.FusedMultiplyAdd(u, low1, Vector512.FusedMultiplyAdd(v, low, s0));
                s1 = Vector512.FusedMultiplyAdd(u, high1, Vector512.FusedMultiplyAdd(v, high, s1));
                line = ref Unsafe.Add(ref line, PanelLayout.Line);
            }
            Vector512<float> scale0 = Scale(ref line, 0), scale1 = Scale(ref line, 16);
            (a0, a1) = (Vector512.FusedMultiplyAdd(p0, scale0, a0), Vector512.FusedMultiplyAdd(p1, scale1, a1));
            (b0, b1) = (Vector512.FusedMultiplyAdd(q0, scale0, b0), Vector512.FusedMultiplyAdd(q1, scale1, b1));
            (c0, c1) = (Vector512.FusedMultiplyAdd(r0, scale0, c0), Vector512.FusedMultiplyAdd(r1, scale1, c1));
            (d0, d1) = (Vector512.FusedMultiplyAdd(s0, scale0, d0), Vector512.FusedMultiplyAdd(s1, scale1, d1));
            line = ref Unsafe.Add(ref line, PanelLayout.Line);
        }
        var sums = default(FourRows);
        (sums[0], sums[1], sums[2], sums[3]) = (a0, a1, b0, b1);
        (sums[4], sums[5], sums[6], sums[7]) = (c0, c1, d0, d1);
        return sums;
    }

    /// <param name="codes">whole lines</param> <param name="w">(columns rounded up to two, 32)</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenFp8(ReadOnlySpan<byte> codes, Span<float> w)
    {
        ref byte source = ref MemoryMarshal.GetReference(codes);
        ref float target = ref MemoryMarshal.GetReference(w[..codes.Length]);
        if (!Avx512Vbmi.IsSupported)
        {
            for (nuint i = 0; i < (nuint)codes.Length; i += 16)
            {
                // A quarter of a line: four rows and the four sixteen further of two columns.
                nuint place = (i / PanelLayout.Line * PanelLayout.Line) + (i % PanelLayout.Line / 4);
                Vector256<int> words = Vector256.WidenLower(Vector128.LoadUnsafe(ref source, i).AsUInt16().ToVector256Unsafe()).AsInt32();
                Quarter(words, ref target, place);
            }
            return;
        }
        Fp8Tables tables = Fp8Tables.Load();
        for (nuint i = 0; i < (nuint)codes.Length; i += PanelLayout.Line)
        {
            tables.Line(Vector512.LoadUnsafe(ref source, i), out Vector512<uint> even, out Vector512<uint> odd);
            Halves(even).Low.StoreUnsafe(ref target, i);
            Halves(even).High.StoreUnsafe(ref target, i + 16);
            Halves(odd).Low.StoreUnsafe(ref target, i + 32);
            Halves(odd).High.StoreUnsafe(ref target, i + 48);
        }
    }

    // Words of a quarter: of column k four rows in the low and four in the high byte, then the same of column k + 1.
    private static void Quarter(Vector256<int> words, ref float target, nuint place)
    {
        Vector256<float> low = Widening.E4M3(words & Vector256.Create(0xFF)), high = Widening.E4M3(words >>> 8);
        low.GetLower().StoreUnsafe(ref target, place);
        high.GetLower().StoreUnsafe(ref target, place + 16);
        low.GetUpper().StoreUnsafe(ref target, place + 32);
        high.GetUpper().StoreUnsafe(ref target, place + 48);
    }

    /// <summary>The two bytes of the bfloat16 that equals the magnitude of an e4m3 code, each looked up in 128 entries.</summary>
    /// <remarks>
    /// A look-up costs as much as a shift, and subnormals need none of the slow multiplications that arithmetic on bits takes. Measured
    /// against that arithmetic, two panels in registers: 1.4 times as many bytes a second.
    /// </remarks>
    private readonly struct Fp8Tables
    {
        private static readonly byte[] s_high = Bytes(8), s_low = Bytes(0);

        private readonly Vector512<byte> _high0, _high1, _low0, _low1;

        private Fp8Tables(ReadOnlySpan<byte> high, ReadOnlySpan<byte> low)
        {
            _high0 = Vector512.Create(high);
            _high1 = Vector512.Create(high[64..]);
            _low0 = Vector512.Create(low);
            _low1 = Vector512.Create(low[64..]);
        }

        public static Fp8Tables Load() => new(s_high, s_low);

        /// <summary>A line's two columns, each as BF16 has it.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Line(Vector512<byte> codes, out Vector512<uint> even, out Vector512<uint> odd)
        {
            Vector512<byte> low = Avx512Vbmi.PermuteVar64x8x2(_low0, codes, _low1);
            Vector512<byte> high = Avx512Vbmi.PermuteVar64x8x2(_high0, codes, _high1) | (codes & Vector512.Create((byte)0x80));
            even = Avx512BW.UnpackLow(low, high).AsUInt32();
            odd = Avx512BW.UnpackHigh(low, high).AsUInt32();
        }

        private static byte[] Bytes(int shift)
        {
            byte[] table = new byte[128];
            for (int code = 0; code < table.Length; code++)
            {
                float value = Widening.E4M3(Vector256.Create(code))[0];
                table[code] = (byte)(BitConverter.SingleToUInt32Bits(value) >> (16 + shift));
            }
            return table;
        }
    }
}
