using Fathom.Cpu.Kernels;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Parity;

/// <summary>Products of FP4 rows are the same bits in every body of <see cref="Int8Dot"/>: exact sums of a block, then one chain over the blocks.</summary>
[Trait("Matrix", "yes")]
public class IntegerProductTests
{
    [Theory]
    [InlineData(1, 4)]
    [InlineData(3, 31)]
    [InlineData(4, 32)]
    [InlineData(5, 40)]
    [InlineData(4, 64)]
    [InlineData(9, 128)]
    public void Products_are_exact_block_by_block(int heads, int d)
    {
        var random = new Random(heads + d);
        var format = new RowFormat(RowKind.Fp4, d, 0);
        (float[] queries, _) = Rounded(random, heads, format);
        (float[] keys, byte[] rows) = Rounded(random, Int8Dot.Keys, format);
        int blocks = (d + Int8Dot.Block - 1) / Int8Dot.Block;
        var codes = new sbyte[heads * blocks * Int8Dot.Block];
        var corrections = new int[heads * blocks];
        var planes = new byte[Int8Dot.BytesOfPlanes(blocks)];
        float[] scales = new float[heads * blocks], keyScales = new float[blocks * Int8Dot.Keys], products = new float[heads * Int8Dot.Keys];
        IndexerScores.Encode(queries, d, codes, scales, corrections);
        // In pieces, as blocks of a cache cut them.
        foreach ((int first, int count) in new[] { (0, 3), (3, 17), (20, 12) })
            Int8Dot.Spread(rows.AsSpan(first * format.Bytes, count * format.Bytes), format.Bytes, d, first, planes, keyScales);
        Int8Dot.Run(codes, scales, corrections, planes, keyScales, products);
        for (int j = 0; j < heads; j++)
        {
            for (int w = 0; w < Int8Dot.Keys; w++)
            {
                float expected = 0;
                for (int b = 0; b < d; b += Int8Dot.Block)
                {
                    double exact = 0;
                    for (int u = b; u < Math.Min(d, b + Int8Dot.Block); u++)
                        exact += (double)queries[(j * d) + u] * keys[(w * d) + u];
                    expected = (float)(expected + exact);
                }

                Assert.Equal(expected, products[(j * Int8Dot.Keys) + w]);
            }
        }
    }

    [Fact]
    public void Scores_straight_from_rows_are_the_bits_of_scores_from_planes()
    {
        const int heads = 4, d = 64, blocks = d / Int8Dot.Block;
        Assert.SkipUnless(IndexerScores.CanRunDirect(heads, d), "This processor has no such instructions, or they are turned off.");
        var random = new Random(d);
        var format = new RowFormat(RowKind.Fp4, d, 0);
        (float[] queries, _) = Rounded(random, heads, format);
        (_, byte[] rows) = Rounded(random, Int8Dot.Keys, format);
        // The smallest scale is a subnormal single, the last code no number.
        rows[(3 * format.Bytes) - 1] = 0;
        rows[(21 * format.Bytes) - 1] = 255;
        float[] weights = [0.5f, -0.25f, 1.5f, 0.125f];
        var codes = new sbyte[heads * blocks * Int8Dot.Block];
        var corrections = new int[heads * blocks];
        var planes = new byte[Int8Dot.BytesOfPlanes(blocks)];
        float[] scales = new float[heads * blocks], keyScales = new float[blocks * Int8Dot.Keys], products = new float[heads * Int8Dot.Keys];
        float[] expected = new float[Int8Dot.Keys], some = new float[Int8Dot.Keys];
        IndexerScores.Encode(queries, d, codes, scales, corrections);
        Int8Dot.Spread(rows, format.Bytes, d, 0, planes, keyScales);
        using HostStorage memory = HostStorage.Allocate(IndexerScores.DirectBytes, MemoryPurpose.Activations);
        foreach (float sign in new[] { 1f, -1f })
        {
            weights = [.. weights.Select(weight => weight * sign)];
            IndexerScores.Run(codes, scales, corrections, weights, planes, keyScales, products, expected);
            Assert.True(float.IsNaN(expected[20]) && expected.Count(float.IsNaN) == 1 && expected.Distinct().Count() > 8);
            for (int first = 0; first < IndexerScores.HeadSets; first++)
            {
                Span<byte> shaped = memory.Span(0, IndexerScores.DirectBytes);
                int enough = IndexerScores.PrepareDirect(codes, scales, corrections, weights, first, shaped);
                Assert.InRange(enough, sign > 0 ? 3 : 1, heads);
                IndexerScores.RunDirect(shaped, enough, rows, float.NaN, some);
                Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), some.Select(BitConverter.SingleToInt32Bits));
                foreach (float bar in expected.Where(float.IsFinite))
                {
                    IndexerScores.RunDirect(shaped, enough, rows, bar, some);
                    Assert.All(some.Zip(expected), pair => Assert.True(pair.Second <= bar ? pair.First <= bar : pair.First.Equals(pair.Second)));
                }
            }
        }
    }

    [Fact]
    public void The_head_that_says_most_about_scores_comes_first_beside_those_of_positive_weight()
    {
        const int heads = 4, d = 64, blocks = d / Int8Dot.Block, sixteens = 4, keys = sixteens * IndexerScores.DirectKeys;
        Assert.SkipUnless(IndexerScores.CanRunDirect(heads, d), "This processor has no such instructions, or they are turned off.");
        var format = new RowFormat(RowKind.Fp4, d, 0);
        // Keys of ones, and a last one of −1.
        byte[] rows = new byte[keys * format.Bytes];
        for (int i = 0; i < keys; i++)
        {
            float[] row = [.. Enumerable.Repeat(i == keys - 1 ? -1f : 1f, d)];
            CacheRow.Encode(row, format, rows.AsSpan(i * format.Bytes, format.Bytes));
        }
        float[] queries = [.. Enumerable.Repeat(1f, d), .. Enumerable.Repeat(-1f, d), .. Enumerable.Repeat(1f, d), .. Enumerable.Repeat(-1f, d)];
        var codes = new sbyte[heads * blocks * Int8Dot.Block];
        var corrections = new int[heads * blocks];
        float[] scales = new float[heads * blocks], weights = [-0.1f, 0.25f, -3f, -2f];
        IndexerScores.Encode(queries, d, codes, scales, corrections);
        using HostStorage memory = HostStorage.Allocate(IndexerScores.DirectBytes, MemoryPurpose.Activations);
        Span<byte> shaped = memory.Span(0, IndexerScores.DirectBytes);
        IndexerScores.PrepareDirect(codes, scales, corrections, weights, 0, shaped);
        var counts = new int[IndexerScores.HeadSets];
        IndexerScores.CountAbove(shaped, rows, -150, counts);
        // With head 1, the positive one, alone all are above; head 2 takes 192 from keys of ones. Without head 1 there is no bound.
        Assert.Equal((4, 1, 4), (counts[0b0010], counts[0b0110], counts[0b0100]));
        Assert.Equal(0b0110, IndexerScores.CheapestFirst(counts, sixteens));
    }

    // Blocks of different scales, one of zeros among them.
    private static (float[] Values, byte[] Rows) Rounded(Random random, int count, RowFormat format)
    {
        var values = new float[count * format.Dim];
        var rows = new byte[count * format.Bytes];
        for (int i = 0; i < count; i++)
        {
            Span<float> row = values.AsSpan(i * format.Dim, format.Dim);
            for (int u = 0; u < row.Length; u++)
                row[u] = ((float)random.NextDouble() - 0.5f) * MathF.ScaleB(i == 1 ? 0 : 1, (u / Int8Dot.Block * 3) + (i % 5) - 4);
            CacheRow.Encode(row, format, rows.AsSpan(i * format.Bytes, format.Bytes));
            CacheRow.Decode(rows.AsSpan(i * format.Bytes, format.Bytes), format, row);
        }

        return (values, rows);
    }
}
