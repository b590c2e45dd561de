using CsCheck;
using Fathom.Devices;
using Fathom.Tensors;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Devices;

public abstract partial class DeviceTests
{
    private static readonly double[] s_fp4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

    [Fact]
    public void SelectRows_of_many_FP4_keys_ranks_exact_scores() =>
        Gen.Select(Gen.Int[1, 5], Gen.Int[1, 6], Gen.Int[1, 8], Gen.Int[0, 6000], Gen.Int[1, 60], s_seed).Sample((rows, heads, eighths, first, k, seed) =>
        {
            int d = 8 * eighths;
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            // Values of the format and small weights: every score is a multiple of a quarter that a single holds exactly.
            double[][] Values(int count, int width) =>
                [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, width).Select(_ => s_fp4[random.Next(8)] * (random.Next(2) - 0.5) * 2).ToArray())];
            int visible = first + rows;
            double[][] queries = Values(rows, heads * d), keys = Values(visible, d);
            double[][] weights = [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, heads).Select(_ => (double)random.Next(-1, 3)).ToArray())];
            RowBlocks blocks = memory.Blocks(new RowFormat(RowKind.Fp4, d, 0), visible, rowsPerBlock: 333, offset: 64);
            _device.StoreRows(memory.Rows(keys), 0, blocks);
            Tensor selection = memory.Empty(rows, k, DType.I32);
            _device.SelectRows(memory.Rows(queries), memory.Rows(weights), blocks, 1, first, selection);
            int[][] found = memory.ReadInts(selection);
            for (int t = 0; t < rows; t++)
            {
                double[] scores = [.. keys[..(first + t + 1)].Select(key => Score(queries[t], weights[t], key))];
                int[] best = ReferenceIndexer.TopK(scores, Math.Min(k, scores.Length));
                Assert.Equal([.. best, .. Enumerable.Repeat(-1, k - best.Length)], found[t]);
            }
        }, iter: 8, threads: 1);

    [Theory]
    [InlineData(1, 32, 3, 0)]
    [InlineData(4, 32, 32, 0)]
    [InlineData(4, 64, 512, 0)]
    [InlineData(4, 64, 512, 1)]
    [InlineData(4, 64, 32, 2)]
    [InlineData(4, 128, 100, 3)]
    [InlineData(4, 64, 100, 4)]
    public void One_query_chooses_the_same_among_very_many_keys_of_few_values(int heads, int d, int k, int negative)
    {
        const int many = 60_001, kinds = 400;
        using var memory = new DeviceMemory(_device);
        var random = new Random(k);
        double[][] values = [.. Enumerable.Range(0, kinds).Select(_ => Enumerable.Range(0, d).Select(_ => s_fp4[random.Next(8)] * (random.Next(2) - 0.5) * 2).ToArray())];
        double[][] keys = [.. Enumerable.Range(0, many).Select(_ => values[random.Next(kinds)])];
        double[] query = [.. Enumerable.Range(0, heads).SelectMany(_ => values[random.Next(kinds)])], weights = [.. Enumerable.Range(0, heads).Select(j => j % 2 * 2 + j / 2 < negative ? -1.0 - j : 1.0 + j)];
        RowBlocks blocks = memory.Blocks(new RowFormat(RowKind.Fp4, d, 0), many, rowsPerBlock: 1000);
        _device.StoreRows(memory.Rows(keys), 0, blocks);
        Tensor selection = memory.Empty(1, k, DType.I32);
        _device.SelectRows(memory.Rows([query]), memory.Rows([weights]), blocks, 1, many - 1, selection);
        Assert.Equal(ReferenceIndexer.TopK([.. keys.Select(key => Score(query, weights, key))], k), memory.ReadInts(selection)[0]);
    }

    [Fact]
    public void Choice_and_attention_are_the_same_bits_for_any_pieces() =>
        Gen.Select(s_format, Gen.Int[1, 9], Gen.Int[2, 12], Gen.Int[1, 40], Gen.Int[0, 5000], Gen.Int[1, 10], s_seed).Sample((format, heads, rows, length, first, piece, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            const int ratio = 1, k = 20;
            int c = format.Dim, visible = (first + rows) / ratio;
            RowBlocks blocks = memory.Blocks(format, visible, rowsPerBlock: 50);
            if (visible > 0) _device.StoreRows(memory.Rows(Normals(random, visible, c)), 0, blocks);
            Tensor queries = memory.Rows(Normals(random, rows, heads * c)), window = memory.Rows(Normals(random, length - 1 + rows, c));
            Tensor weights = memory.Rows(Normals(random, rows, heads)), sinks = memory.Row(Normals(random, 1, heads)[0]);
            _device.RoundRows(queries.Shaped(rows * heads, c), format);
            (int[][] Chosen, double[][] All, double[][] Some) Run(int step)
            {
                Tensor selection = memory.Empty(rows, k, DType.I32), all = memory.Empty(rows, heads * c), some = memory.Empty(rows, heads * c);
                for (int t = 0, n; t < rows; t += n)
                {
                    n = Math.Min(step, rows - t);
                    Tensor q = queries.Slice(t, n);
                    _device.SelectRows(q, weights.Slice(t, n), blocks, ratio, first + t, selection.Slice(t, n));
                    var context = new ContextOperand(window.Slice(t, length - 1 + n), blocks, default, ratio, first + t);
                    _device.SparseAttention(q, context, sinks, 1, all.Slice(t, n));
                    _device.SparseAttention(q, context with { Selection = selection.Slice(t, n) }, sinks, 1, some.Slice(t, n));
                }

                return (memory.ReadInts(selection), memory.Read(all), memory.Read(some));
            }

            var (whole, pieces) = (Run(rows), Run(piece));
            Assert.Equal(whole.Chosen, pieces.Chosen);
            Assert.Equal(whole.All, pieces.All);
            Assert.Equal(whole.Some, pieces.Some);
        }, iter: 10, threads: 1);
}
