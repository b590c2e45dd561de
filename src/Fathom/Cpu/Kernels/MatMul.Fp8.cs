using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

internal static partial class MatMul
{
    /// <summary>Two streams of codes, each with a row of x: two panels and one row, or one panel and two rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StreamsFp8(
        ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<float> xa, ReadOnlySpan<float> xb, Span<float> sumsA, Span<float> sumsB)
    {
        ref byte a = ref MemoryMarshal.GetReference(first), b = ref MemoryMarshal.GetReference(second);
        ref float x = ref MemoryMarshal.GetReference(xa), y = ref MemoryMarshal.GetReference(xb);
        Fp8Tables tables = Fp8Tables.Load();
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default;
        for (int left = xa.Length; left > 0; left -= PanelLayout.Group)
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
                v = Vector512.Create(y);
                u = Vector512.Create(Unsafe.Add(ref y, 1));
                q0 = Vector512.FusedMultiplyAdd(u, Halves(odd).Low, Vector512.FusedMultiplyAdd(v, Halves(even).Low, q0));
                q1 = Vector512.FusedMultiplyAdd(u, Halves(odd).High, Vector512.FusedMultiplyAdd(v, Halves(even).High, q1));
                a = ref Unsafe.Add(ref a, PanelLayout.Line);
                b = ref Unsafe.Add(ref b, PanelLayout.Line);
                x = ref Unsafe.Add(ref x, PanelLayout.Fp8LineColumns);
                y = ref Unsafe.Add(ref y, PanelLayout.Fp8LineColumns);
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
