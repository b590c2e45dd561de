using Fathom.Cpu.Kernels;
using Fathom.Formats;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Cpu.Kernels;

public class CacheRowTests
{
    [Theory]
    [InlineData(0, 96)]
    [InlineData(32, 32)]
    [InlineData(64, 32)]
    public void Every_FP8_code_of_rows_is_its_value_times_the_scale(int first, int columns)
    {
        var format = new RowFormat(RowKind.Fp8WithBf16Rotary, 96, 32);
        byte[] rows = new byte[256 * format.Bytes];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = (byte)((i % format.Bytes) + (i / format.Bytes) is var code && (code & 0x7F) == 0x7F ? 0 : code);
        float[] together = new float[256 * columns], row = new float[96];
        CacheRow.DecodeRows(rows, format, first, columns, together, columns);
        for (int i = 0; i < 256; i++)
        {
            ReadOnlySpan<byte> bytes = rows.AsSpan(i * format.Bytes, format.Bytes);
            CacheRow.Decode(bytes, format, row);
            for (int u = 0; u < 64; u++)
                row[u] = Fp8E4M3.Decode(bytes[u]) * Ue8m0.Decode(bytes[128]);
            Assert.Equal(row[first..(first + columns)].Select(BitConverter.SingleToInt32Bits), together[(i * columns)..((i + 1) * columns)].Select(BitConverter.SingleToInt32Bits));
        }
    }
}
