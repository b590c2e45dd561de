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

    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    public void Scores_straight_from_rows_are_the_bits_of_scores_from_planes(int d)
    {
        const int heads = 4;
        Assert.SkipUnless(IndexerScores.CanRunDirect(heads, d), "This processor has no such instructions, or they are turned off.");
        var random = new Random(d);
        var format = new RowFormat(RowKind.Fp4, d, 0);
        (float[] queries, _) = Rounded(random, heads, format);
        (_, byte[] rows) = Rounded(random, Int8Dot.Keys, format);
        // The smallest scale is a subnormal single, the last code no number.
        rows[(3 * format.Bytes) - 1] = 0;
        rows[(21 * format.Bytes) - 1] = 255;
        float[] weights = [0.5f, -0.25f, 1.5f, 0.125f];
        int blocks = d / Int8Dot.Block;
        var codes = new sbyte[heads * blocks * Int8Dot.Block];
        var corrections = new int[heads * blocks];
        var planes = new byte[Int8Dot.BytesOfPlanes(blocks)];
        float[] scales = new float[heads * blocks], keyScales = new float[blocks * Int8Dot.Keys], products = new float[heads * Int8Dot.Keys];
        float[] expected = new float[Int8Dot.Keys], direct = new float[Int8Dot.Keys];
        IndexerScores.Encode(queries, d, codes, scales, corrections);
        Int8Dot.Spread(rows, format.Bytes, d, 0, planes, keyScales);
        IndexerScores.Run(codes, scales, corrections, weights, planes, keyScales, products, expected);
        using HostStorage memory = HostStorage.Allocate(IndexerScores.DirectBytes, MemoryPurpose.Activations);
        Span<byte> shaped = memory.Span(0, IndexerScores.DirectBytes);
        int enough = IndexerScores.PrepareDirect(codes, scales, corrections, weights, shaped);
        Assert.Equal(3, enough);
        IndexerScores.RunDirect(shaped, enough, blocks / 2, rows, float.NaN, direct);
        Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), direct.Select(BitConverter.SingleToInt32Bits));
        Assert.True(float.IsNaN(direct[20]) && direct.Count(float.IsNaN) == 1 && direct.Distinct().Count() > 8);
        float[] some = new float[Int8Dot.Keys];
        foreach (float bar in expected.Where(float.IsFinite))
        {
            IndexerScores.RunDirect(shaped, enough, blocks / 2, rows, bar, some);
            Assert.All(some.Zip(expected), pair => Assert.True(pair.Second <= bar ? pair.First <= bar : pair.First.Equals(pair.Second)));
        }
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
