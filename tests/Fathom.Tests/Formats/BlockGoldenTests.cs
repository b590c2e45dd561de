using System.Runtime.InteropServices;
using Fathom.Checkpoints;
using Fathom.Formats;
using Xunit;

namespace Fathom.Tests.Formats;

/// <summary>The block quantisers and tables against vectors that this code did not make, bit for bit.</summary>
public class BlockGoldenTests
{
    private static float[] Floats(Safetensors file, string name)
    {
        Assert.True(file.TryGet(name, out TensorEntry? entry), name);
        return MemoryMarshal.Cast<byte, float>(entry.Bytes).ToArray();
    }

    private static byte[] Bytes(Safetensors file, string name)
    {
        Assert.True(file.TryGet(name, out TensorEntry? entry), name);
        return entry.Bytes.ToArray();
    }

    [Theory]
    [InlineData("fp8.kv", 64)]
    [InlineData("fp8.kv_fp32_input", 64)]
    [InlineData("fp8.kv_small_values", 64)]
    [InlineData("fp8.edge", 64)]
    [InlineData("fp4.edge", 32)]
    [InlineData("hadamard_fp4.d64", 32)]
    [InlineData("hadamard_fp4.d128", 32)]
    public void Cache_rounding_matches_code_for_code(string group, int block)
    {
        using Safetensors file = Safetensors.Open(TestFiles.Path("tests", "goldens", "unit", "cache_rounding.safetensors"));
        float[] x = Floats(file, group + (group.StartsWith("hadamard", StringComparison.Ordinal) ? ".rotated_bf16" : ".x"));
        float[] expected = Floats(file, group + ".out");
        byte[] expectedCodes = Bytes(file, group + ".code");
        int[] exponents = MemoryMarshal.Cast<byte, int>(Bytes(file, group + ".scale_exp")).ToArray();
        byte[] codes = new byte[block];
        for (int b = 0; b < x.Length / block; b++)
        {
            byte scale = block == 64
                ? Fp8E4M3.QuantizeBlock(x.AsSpan(b * block, block), codes)
                : Fp4E2M1.QuantizeBlock(x.AsSpan(b * block, block), codes);
            Assert.True(exponents[b] == scale - 127, $"{group} block {b}: expected 2^{exponents[b]}, found 2^{scale - 127}");
            for (int i = 0; i < block; i++)
            {
                int at = (b * block) + i;
                float value = (block == 64 ? Fp8E4M3.Decode(codes[i]) : Fp4E2M1.Decode(codes[i])) * Ue8m0.Decode(scale);
                Assert.True(expectedCodes[at] == codes[i] && BitConverter.SingleToInt32Bits(expected[at]) == BitConverter.SingleToInt32Bits(Bf16.Round(value)),
                    $"{group} element {at} ({x[at]:R}): expected code {expectedCodes[at]} = {expected[at]:R}, found {codes[i]} = {value:R}");
            }
        }
    }

    [Theory]
    [InlineData("actquant.fp8_block128", 128)]
    [InlineData("actquant.fp8_block64", 64)]
    [InlineData("actquant.fp4_block32", 32)]
    public void Activation_rounding_matches(string name, int block)
    {
        using Safetensors file = Safetensors.Open(TestFiles.Path("tests", "goldens", "unit", "quant.safetensors"));
        float[] x = Floats(file, "actquant.x");
        float[] expected = Floats(file, name);
        byte[] codes = new byte[block];
        for (int b = 0; b < x.Length / block; b++)
        {
            byte scale = block == 32 ? Fp4E2M1.QuantizeBlock(x.AsSpan(b * block, block), codes) : Fp8E4M3.QuantizeBlock(x.AsSpan(b * block, block), codes);
            for (int i = 0; i < block; i++)
            {
                float value = (block == 32 ? Fp4E2M1.Decode(codes[i]) : Fp8E4M3.Decode(codes[i])) * Ue8m0.Decode(scale);
                Assert.Equal(expected[(b * block) + i], value);
            }
        }
    }

    [Fact]
    public void Tables_match()
    {
        using Safetensors file = Safetensors.Open(TestFiles.Path("tests", "goldens", "unit", "quant.safetensors"));
        float[] e4m3 = Floats(file, "table.e4m3_values");
        byte[] e4m3Codes = Bytes(file, "table.e4m3_bytes");
        for (int i = 0; i < 256; i++)
        {
            // The file lists the two NaN codes as 0.
            float value = Fp8E4M3.Decode(e4m3Codes[i]);
            Assert.Equal(e4m3[i], float.IsNaN(value) ? 0 : value);
        }
        Assert.Equal(Floats(file, "table.e2m1_values"), Fp4E2M1.Values.ToArray());
    }

    [Theory]
    [InlineData("fp8_256x384")]
    [InlineData("fp8_64x256")]
    [InlineData("fp8_ragged_200x144")]
    [InlineData("fp4_64x256")]
    [InlineData("fp4_96x128")]
    public void Weights_decode_exactly(string name)
    {
        using Safetensors file = Safetensors.Open(TestFiles.Path("tests", "goldens", "unit", "quant.safetensors"));
        float[] expected = Floats(file, name + ".dequant");
        byte[] weight = Bytes(file, name + ".weight");
        byte[] scale = Bytes(file, name + ".scale");
        Assert.True(file.TryGet(name + ".dequant", out TensorEntry? shape));
        int columns = (int)shape.Shape[1];
        bool fp4 = name.StartsWith("fp4", StringComparison.Ordinal);
        for (int i = 0; i < expected.Length; i++)
        {
            int row = i / columns;
            int column = i % columns;
            int scaleAt = fp4 ? (row * (columns / 32)) + (column / 32) : (row / 128 * ((columns + 127) / 128)) + (column / 128);
            float value = fp4 ? Fp4E2M1.Decode((weight[i / 2] >> (4 * (i % 2))) & 15) : Fp8E4M3.Decode(weight[i]);
            value *= Ue8m0.Decode(scale[scaleAt]);
            Assert.True(expected[i] == value, $"{name}[{row}, {column}]: expected {expected[i]:R}, found {value:R}");
        }
    }
}
