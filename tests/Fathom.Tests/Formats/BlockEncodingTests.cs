using Fathom.Formats;
using Xunit;

namespace Fathom.Tests.Formats;

/// <summary>A block is encoded sixteen values at a time, with the codes of one at a time.</summary>
public class BlockEncodingTests
{
    [Theory]
    [InlineData(16)]
    [InlineData(37)]
    [InlineData(128)]
    public void Values_of_a_block_have_the_codes_they_have_alone(int length)
    {
        var random = new Random(length);
        var x = new float[length];
        var codes = new byte[length];
        for (int round = 0; round < 20_000; round++)
        {
            Fill(x, random, round);
            float scale = Ue8m0.Decode(Fp8E4M3.QuantizeBlock(x, codes));
            Assert.Equal([.. x.Select(value => Fp8E4M3.Encode(value / scale))], codes);
            scale = Ue8m0.Decode(Fp4E2M1.QuantizeBlock(x, codes));
            Assert.Equal([.. x.Select(value => Fp4E2M1.Encode(value / scale))], codes);
        }
    }

    [Fact]
    public void Pairs_of_any_length_are_packed_and_unpacked()
    {
        var random = new Random(3);
        for (int pairs = 0; pairs < 70; pairs++)
        {
            byte[] codes = [.. Enumerable.Range(0, 2 * pairs).Select(_ => (byte)random.Next(16))], packed = new byte[pairs], back = new byte[2 * pairs];
            Fp4E2M1.Pack(codes, packed);
            Assert.All(packed.Index(), at => Assert.Equal(codes[2 * at.Index] | (codes[(2 * at.Index) + 1] << 4), at.Item));
            Fp4E2M1.Unpack(packed, back);
            Assert.Equal(codes, back);
            Fp4E2M1.Pack(codes, codes.AsSpan(0, pairs));
            Assert.Equal(packed, codes[..pairs]);
        }
    }

    // Values about the size of codes, any bits at all, and values halfway between codes; now and then what is no number.
    private static void Fill(float[] x, Random random, int round)
    {
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = (round % 4) switch
            {
                0 => (float)(random.NextDouble() - 0.5) * MathF.Pow(2, random.Next(-12, 12)),
                1 => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)),
                2 => random.Next(-64, 65) / 32f * MathF.Pow(2, random.Next(-6, 6)),
                _ => random.Next(9) == 0 ? float.NaN : random.Next(9) == 0 ? float.NegativeInfinity : random.Next(-9, 9),
            };
        }
    }
}
