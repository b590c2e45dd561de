using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Fathom.Formats;
using Fathom.Tensors;

namespace Fathom.Cpu.Kernels;

/// <summary>Rows of the cache, encoded and decoded. Decoding is exact, so a row that was rounded on the way in reads back as it was.</summary>
internal static class CacheRow
{
    private const int Lanes = 16;

    /// <param name="row">(<see cref="RowFormat.Dim"/>)</param>
    /// <param name="format">layout</param>
    /// <param name="bytes">(<see cref="RowFormat.Bytes"/>); overwritten</param>
    public static void Encode(ReadOnlySpan<float> row, RowFormat format, Span<byte> bytes)
    {
        switch (format.Kind)
        {
            case RowKind.F32:
                MemoryMarshal.AsBytes(row).CopyTo(bytes);
                break;
            case RowKind.Bf16:
                Bf16Rows.Narrow(row, MemoryMarshal.Cast<byte, ushort>(bytes));
                break;
            case RowKind.Fp8WithBf16Rotary:
                EncodeFp8(row, format, bytes);
                break;
            default:
                EncodeFp4(row, bytes);
                break;
        }
    }

    /// <param name="bytes">(<see cref="RowFormat.Bytes"/>)</param>
    /// <param name="format">layout</param>
    /// <param name="row">(<see cref="RowFormat.Dim"/>); overwritten</param>
    public static void Decode(ReadOnlySpan<byte> bytes, RowFormat format, Span<float> row) => Decode(bytes, format, 0, row);

    /// <summary>Some columns of a row.</summary>
    /// <param name="bytes">(<see cref="RowFormat.Bytes"/>)</param>
    /// <param name="format">layout</param>
    /// <param name="first">first column, a multiple of 32, of 16 where rows are not FP4</param>
    /// <param name="columns">the columns; overwritten</param>
    public static void Decode(ReadOnlySpan<byte> bytes, RowFormat format, int first, Span<float> columns)
    {
        switch (format.Kind)
        {
            case RowKind.F32:
                MemoryMarshal.Cast<byte, float>(bytes).Slice(first, columns.Length).CopyTo(columns);
                break;
            case RowKind.Bf16:
                Bf16Rows.Widen(MemoryMarshal.Cast<byte, ushort>(bytes).Slice(first, columns.Length), columns);
                break;
            case RowKind.Fp8WithBf16Rotary:
                DecodeFp8(bytes, format, first, columns);
                break;
            default:
                DecodeFp4(bytes, format, first, columns);
                break;
        }
    }

    /// <summary>Some columns of rows that lie behind one another.</summary>
    /// <param name="bytes">(n, <see cref="RowFormat.Bytes"/>)</param>
    /// <param name="format">layout</param>
    /// <param name="first">first column, a multiple of 32, of 16 where rows are not FP4</param>
    /// <param name="columns">number of columns</param>
    /// <param name="rows">(n, columns), row stride <paramref name="stride"/>; overwritten</param>
    /// <param name="stride">elements from one row to the next</param>
    public static void DecodeRows(ReadOnlySpan<byte> bytes, RowFormat format, int first, int columns, Span<float> rows, int stride)
    {
        int width = format.Bytes, count = bytes.Length / width;
        if (format.Kind == RowKind.Fp8WithBf16Rotary && format.NonRotaryDim % Lanes == 0 && columns % Lanes == 0)
        {
            Debug.Assert(count == 0 || rows.Length >= ((count - 1) * stride) + columns);
            DecodeFp8(
                ref MemoryMarshal.GetReference(bytes), count, width, format.NonRotaryDim, format.RotaryDim, first, first + columns,
                ref MemoryMarshal.GetReference(rows), stride);
            return;
        }
        for (int i = 0; i < count; i++)
        {
            Decode(bytes.Slice(i * width, width), format, first, rows.Slice(i * stride, columns));
        }
    }

    // Some columns of all rows, then the next ones: little is to be known at a time, so that all of it stays in registers.
    private static void DecodeFp8(ref byte bytes, int count, nint width, nint plain, nint rotary, nint first, nint end, ref float rows, nint stride)
    {
        nint scales = plain + (2 * rotary), plainEnd = Math.Min(plain, end), u = first;
        while (u < plainEnd)
        {
            nint block = u / RowFormat.Fp8Block;
            bool pair = Widening.CanWidenPairs && u + (2 * Lanes) <= Math.Min(plainEnd, (block + 1) * RowFormat.Fp8Block);
            ref byte codes = ref Unsafe.Add(ref bytes, u);
            ref float target = ref Unsafe.Add(ref rows, u - first);
            if (pair)
            {
                DecodePairs(ref codes, ref Unsafe.Add(ref bytes, scales + block), count, width, ref target, stride);
            }
            else
            {
                DecodeLanes(ref codes, ref Unsafe.Add(ref bytes, scales + block), count, width, ref target, stride);
            }
            u += pair ? 2 * Lanes : Lanes;
        }
        for (; u < end; u += Lanes)
        {
            WidenLanes(ref Unsafe.Add(ref bytes, plain + (2 * (u - plain))), count, width, ref Unsafe.Add(ref rows, u - first), stride);
        }
    }

    // Thirty-two columns of FP8.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DecodePairs(ref byte codes, ref byte scales, int count, nint width, ref float rows, nint stride)
    {
        for (; count > 0; count--)
        {
            float scale = Scale(scales);
            (Vector512<float> low, Vector512<float> high) = Widening.E4M3(Vector256.LoadUnsafe(ref codes));
            (low * scale).StoreUnsafe(ref rows);
            (high * scale).StoreUnsafe(ref rows, Lanes);
            codes = ref Unsafe.Add(ref codes, width);
            scales = ref Unsafe.Add(ref scales, width);
            rows = ref Unsafe.Add(ref rows, stride);
        }
    }

    // Sixteen columns of FP8.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DecodeLanes(ref byte codes, ref byte scales, int count, nint width, ref float rows, nint stride)
    {
        for (; count > 0; count--)
        {
            (Widening.E4M3(Vector128.LoadUnsafe(ref codes)) * Scale(scales)).StoreUnsafe(ref rows);
            codes = ref Unsafe.Add(ref codes, width);
            scales = ref Unsafe.Add(ref scales, width);
            rows = ref Unsafe.Add(ref rows, stride);
        }
    }

    // Sixteen columns of bfloat16.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenLanes(ref byte values, int count, nint width, ref float rows, nint stride)
    {
        for (; count > 0; count--)
        {
            (Vector512.WidenLower(Vector256.LoadUnsafe(ref values).AsUInt16().ToVector512Unsafe()) << 16).AsSingle().StoreUnsafe(ref rows);
            values = ref Unsafe.Add(ref values, width);
            rows = ref Unsafe.Add(ref rows, stride);
        }
    }

    // The exponent is the code, but for the smallest and for NaN. No call where it is: vectors would have to be put away around it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Scale(int code) => (uint)(code - 1) < Ue8m0.NaN - 1 ? BitConverter.Int32BitsToSingle(code << 23) : Ue8m0.Decode((byte)code);

    /// <summary>Begins to bring a row into the cache; does not wait.</summary>
    /// <param name="row">its first byte</param>
    /// <param name="bytes">how many</param>
    public static unsafe void Fetch(byte* row, int bytes)
    {
        const int LineBytes = 64;
        if (Sse.IsSupported)
        {
            for (byte* end = row + bytes; row < end; row += LineBytes)
            {
                Sse.Prefetch0(row);
            }
        }
    }

    // Codes of the non-rotary part, the rotary part in bfloat16, a scale per block, padding.
    private static void EncodeFp8(ReadOnlySpan<float> row, RowFormat format, Span<byte> bytes)
    {
        int plain = format.NonRotaryDim, scales = plain + (2 * format.RotaryDim);
        for (int i = 0; i < plain; i += RowFormat.Fp8Block)
        {
            int count = Math.Min(RowFormat.Fp8Block, plain - i);
            bytes[scales++] = Fp8E4M3.QuantizeBlock(row.Slice(i, count), bytes.Slice(i, count));
        }
        bytes[scales..].Clear();
        Bf16Rows.Narrow(row[plain..], MemoryMarshal.Cast<byte, ushort>(bytes.Slice(plain, 2 * format.RotaryDim)));
    }

    private static void DecodeFp8(ReadOnlySpan<byte> bytes, RowFormat format, int first, Span<float> columns)
    {
        int plain = format.NonRotaryDim, scales = plain + (2 * format.RotaryDim), end = first + columns.Length, i = first;
        while (i < Math.Min(end, plain))
        {
            int block = i / RowFormat.Fp8Block, blockEnd = Math.Min(Math.Min(end, plain), (block + 1) * RowFormat.Fp8Block);
            float scale = Ue8m0.Decode(bytes[scales + block]);
            for (; i + 16 <= blockEnd; i += 16)
            {
                (Widening.E4M3(Vector128.Create(bytes[i..])) * scale).CopyTo(columns[(i - first)..]);
            }
            for (; i < blockEnd; i++)
            {
                columns[i - first] = Fp8E4M3.Decode(bytes[i]) * scale;
            }
        }
        if (i < end)
            Bf16Rows.Widen(MemoryMarshal.Cast<byte, ushort>(bytes.Slice(plain, 2 * format.RotaryDim)).Slice(i - plain, end - i), columns[(i - first)..]);
    }

    // Pairs, the even element in the low nibble, then a scale per block.
    private static void EncodeFp4(ReadOnlySpan<float> row, Span<byte> bytes)
    {
        Span<byte> codes = stackalloc byte[RowFormat.Fp4Block];
        int scales = (row.Length + 1) / 2;
        bytes.Clear();
        for (int i = 0; i < row.Length; i += RowFormat.Fp4Block)
        {
            int count = Math.Min(RowFormat.Fp4Block, row.Length - i);
            codes[count..].Clear();
            bytes[scales++] = Fp4E2M1.QuantizeBlock(row.Slice(i, count), codes[..count]);
            Fp4E2M1.Pack(codes[..((count + 1) / 2 * 2)], bytes.Slice(i / 2, (count + 1) / 2));
        }
    }

    private static void DecodeFp4(ReadOnlySpan<byte> bytes, RowFormat format, int first, Span<float> columns)
    {
        int scales = ((format.Dim + 1) / 2) + (first / RowFormat.Fp4Block), last = first + columns.Length;
        for (int block = first; block < last; block += RowFormat.Fp4Block)
        {
            float scale = Ue8m0.Decode(bytes[scales++]);
            int end = Math.Min(block + RowFormat.Fp4Block, last), i = block;
            for (; i + 16 <= end; i += 16)
            {
                Vector128<byte> pairs = Vector128.CreateScalar(BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i / 2)..])).AsByte();
                (Vector128<ushort> low, Vector128<ushort> high) = (Vector128.WidenLower(pairs & Vector128.Create((byte)15)), Vector128.WidenLower(pairs >>> 4));
                Vector128<byte> codes = (low | (high << 8)).AsByte();
                (Widening.E2M1(codes) * scale).CopyTo(columns[(i - first)..]);
            }
            for (; i < end; i++)
            {
                columns[i - first] = Fp4E2M1.Decode((bytes[i / 2] >> (i % 2 * 4)) & 15) * scale;
            }
        }
    }
}
