using Fathom.Formats;
using Xunit;

namespace Fathom.Tests.Formats;

/// <summary>Every code against its definition, every encoder against a search over all codes.</summary>
public class FormatsTests
{
    // Values on, beside and between everything that the encoders can round to, of both signs.
    private static IEnumerable<float> Probes(ReadOnlySpan<float> values)
    {
        float[] magnitudes = [.. values.ToArray().Where(v => v >= 0).Order()];
        var probes = new List<float> { 1e30f, float.MaxValue, float.Epsilon, 1e-20f };
        for (int i = 0; i < magnitudes.Length; i++)
        {
            float next = i + 1 < magnitudes.Length ? magnitudes[i + 1] : magnitudes[i] * 1.5f;
            float middle = (magnitudes[i] + next) / 2;
            probes.AddRange([magnitudes[i], MathF.BitDecrement(middle), middle, MathF.BitIncrement(middle), MathF.BitIncrement(magnitudes[i])]);
        }
        var random = new Random(17);
        for (int i = 0; i < 20_000; i++)
        {
            probes.Add(MathF.ScaleB(random.NextSingle() + 0.5f, random.Next(-14, 11)));
        }
        return probes.Concat(probes.Select(p => -p));
    }

    // Nearest value in exact arithmetic (doubles of singles), the even code at a tie; beyond the last code nothing is nearer, so it saturates.
    private static int NearestEven(float x, Func<int, double> value, int codes)
    {
        int half = codes / 2;
        int best = 0;
        double magnitude = Math.Min(Math.Abs((double)x), 1000); // far above both formats, and small enough to tell distances apart
        for (int code = 1; code < half; code++)
        {
            double distance = Math.Abs(value(code) - magnitude);
            double bestDistance = Math.Abs(value(best) - magnitude);
            if (distance < bestDistance || (distance == bestDistance && code % 2 == 0))
            {
                best = code;
            }
        }
        return float.IsNegative(x) ? best + half : best;
    }

    private static double E4M3(int code)
    {
        int exponent = (code >> 3) & 15;
        double magnitude = exponent == 0 ? (code & 7) * Math.Pow(2, -9) : (8 + (code & 7)) * Math.Pow(2, exponent - 10);
        return (code & 0x80) == 0 ? magnitude : -magnitude;
    }

    private static double E2M1(int code)
    {
        int exponent = (code >> 1) & 3;
        double magnitude = exponent == 0 ? (code & 1) * 0.5 : (2 + (code & 1)) * Math.Pow(2, exponent - 2);
        return (code & 8) == 0 ? magnitude : -magnitude;
    }

    [Fact]
    public void All_256_e4m3_codes_decode_to_their_definition()
    {
        for (int code = 0; code < 256; code++)
        {
            double expected = (code & 0x7F) == 0x7F ? double.NaN : E4M3(code);
            float found = Fp8E4M3.Decode((byte)code);
            bool same = double.IsNaN(expected) ? float.IsNaN(found) : BitConverter.DoubleToInt64Bits(expected) == BitConverter.DoubleToInt64Bits(found);
            Assert.True(same, $"code {code}: expected {expected}, found {found}");
        }
    }

    [Fact]
    public void All_256_e8m0_codes_decode_to_their_definition()
    {
        for (int code = 0; code < 255; code++)
        {
            Assert.Equal(Math.Pow(2, code - 127), Ue8m0.Decode((byte)code));
        }
        Assert.True(float.IsNaN(Ue8m0.Decode(255)));
    }

    [Fact]
    public void All_16_e2m1_codes_decode_to_their_definition()
    {
        for (int code = 0; code < 16; code++)
        {
            Assert.Equal(BitConverter.DoubleToInt64Bits(E2M1(code)), BitConverter.DoubleToInt64Bits(Fp4E2M1.Decode(code)));
        }
    }

    [Fact]
    public void E4m3_encoder_finds_the_nearest_code()
    {
        float[] finite = [.. Fp8E4M3.Values.ToArray().Where(v => !float.IsNaN(v))];
        foreach (float x in Probes(finite))
        {
            int expected = NearestEven(x, code => code == 0x7F ? double.PositiveInfinity : E4M3(code), 256);
            Assert.True(expected == Fp8E4M3.Encode(x), $"{x:R}: expected {expected}, found {Fp8E4M3.Encode(x)}");
        }
    }

    [Fact]
    public void E4m3_codes_survive_decode_and_encode()
    {
        for (int code = 0; code < 256; code++)
        {
            Assert.Equal(code, Fp8E4M3.Encode(Fp8E4M3.Decode((byte)code)));
        }
    }

    [Theory]
    [InlineData(float.PositiveInfinity, 0x7E)]
    [InlineData(float.NegativeInfinity, 0xFE)]
    [InlineData(1e30f, 0x7E)]
    [InlineData(464.0001f, 0x7E)]
    [InlineData(-0f, 0x80)]
    public void E4m3_encoder_saturates_and_keeps_the_sign_of_zero(float x, int code) => Assert.Equal(code, Fp8E4M3.Encode(x));

    [Fact]
    public void E2m1_encoder_finds_the_nearest_code()
    {
        foreach (float x in Probes(Fp4E2M1.Values))
        {
            int expected = NearestEven(x, E2M1, 16);
            Assert.True(expected == Fp4E2M1.Encode(x), $"{x:R}: expected {expected}, found {Fp4E2M1.Encode(x)}");
        }
    }

    [Fact]
    public void Packing_pairs_puts_the_even_element_low_and_unpacks_again()
    {
        byte[] codes = [1, 15, 8, 0, 7, 9];
        byte[] pairs = new byte[3];
        Fp4E2M1.Pack(codes, pairs);
        Assert.Equal([0xF1, 0x08, 0x97], pairs);
        byte[] back = new byte[6];
        Fp4E2M1.Unpack(pairs, back);
        Assert.Equal(codes, back);
    }

    [Fact]
    public void All_65536_bf16_codes_survive_and_stay_nan()
    {
        for (int code = 0; code < 65536; code++)
        {
            float value = Bf16.ToSingle((ushort)code);
            ushort back = Bf16.FromSingle(value);
            Assert.True(float.IsNaN(value) ? float.IsNaN(Bf16.ToSingle(back)) : back == code, $"code {code:X4}: found {back:X4}");
        }
    }

    [Fact]
    public void Bf16_rounds_to_nearest_even()
    {
        var random = new Random(3);
        for (int i = 0; i < 100_000; i++)
        {
            float x = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
            if (!float.IsFinite(x))
            {
                continue;
            }
            ushort found = Bf16.FromSingle(x);
            uint lower = BitConverter.SingleToUInt32Bits(x) >> 16;
            uint rest = BitConverter.SingleToUInt32Bits(x) & 0xFFFF;
            uint expected = rest > 0x8000 || (rest == 0x8000 && lower % 2 == 1) ? lower + 1 : lower;
            Assert.True(found == expected, $"{x:R}: expected {expected:X4}, found {found:X4}");
        }
        Assert.Equal(0x3F80, Bf16.FromSingle(1f + (1f / 256)));
        Assert.Equal(0x3F82, Bf16.FromSingle(1f + (3f / 256)));
        Assert.Equal(0x7F80, Bf16.FromSingle(float.MaxValue));
        Assert.True(float.IsNaN(Bf16.ToSingle(Bf16.FromSingle(BitConverter.UInt32BitsToSingle(0x7F800001)))));
    }

    [Theory]
    [InlineData(1f, 127)]
    [InlineData(1.0000001f, 128)]
    [InlineData(0.5f, 126)]
    [InlineData(0f, 0)]
    [InlineData(1e-45f, 1)]
    [InlineData(float.MaxValue, 255)]
    [InlineData(float.NaN, 255)]
    [InlineData(float.PositiveInfinity, 255)]
    public void Block_scales_are_the_next_power_of_two(float z, int code) => Assert.Equal(code, Ue8m0.ScaleFor(z));
}
