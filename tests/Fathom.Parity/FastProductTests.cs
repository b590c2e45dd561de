using CsCheck;
using Fathom.Cpu.Kernels;
using Fathom.Formats;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Parity;

/// <summary>
/// The fast mode's product with FP4 weights: codes by the formula, sums of a block exact, one chain over the blocks, the same bits for any number of
/// rows. The expected values are made one by one without vectors, so equality under every switch of the matrix is equality between them.
/// </summary>
[Trait("Matrix", "yes")]
public class FastProductTests
{
    private const int Rows = PanelLayout.Rows, Block = Int8Dot.Block;

    private const double Rounding = 1.0 / (1 << 24);

    private static readonly Gen<int> s_seed = Gen.Int[0, 1_000_000];

    [Fact]
    public void Codes_are_the_nearest_multiples_of_a_step() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[-90, 90], s_seed).Sample((columns, exponent, seed) =>
        {
            float[] x = Row(new Random(seed), columns, MathF.ScaleB(1, exponent));
            Integers found = Integers.Of(x, columns);
            for (int b = 0; b < found.Scales.Length; b++)
            {
                float[] block = x[(b * Block)..Math.Min(columns, (b + 1) * Block)];
                float amplitude = block.Max(MathF.Abs);
                Assert.Equal(Math.Max(amplitude, MathF.ScaleB(1, -100)) / 254, found.Scales[b]);
                float factor = 127 / Math.Max(amplitude, MathF.ScaleB(1, -100));
                for (int i = 0; i < Block; i++)
                {
                    int expected = i < block.Length ? (int)MathF.Round(block[i] * factor, MidpointRounding.ToEven) : 0;
                    Assert.True(expected == found.Codes[(b * Block) + i], $"seed {seed}, block {b}, column {i}: {found.Codes[(b * Block) + i]}, expected {expected}");
                    double error = i < block.Length ? Math.Abs(((double)found.Codes[(b * Block) + i] * 2 * found.Scales[b]) - block[i]) : 0;
                    Assert.True(error <= found.Scales[b] * 1.0001, $"seed {seed}, block {b}, column {i}: off by {error:E2}, half a step is {found.Scales[b]:E2}");
                }
            }
        }, iter: 200, threads: 1);

    [Theory]
    [InlineData(0f)]
    [InlineData(1e-45f)]
    [InlineData(1e-38f)]
    [InlineData(3.4028235e38f)]
    public void The_smallest_and_the_largest_singles_have_codes(float value)
    {
        float[] x = [.. Enumerable.Range(0, 64).Select(i => i % 2 == 0 ? value : -value)];
        Integers found = Integers.Of(x, 64);
        Assert.All(found.Scales, scale => Assert.True(float.IsNormal(scale), $"scale {scale}"));
        Assert.All(found.Codes, (code, i) => Assert.Equal(value < 1 ? 0 : i % 2 == 0 ? 127 : -127, code));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void What_is_no_number_stays_none(float value)
    {
        float[] x = Row(new Random(1), 96, 1);
        x[40] = value;
        Panel panel = Panel.Random(new Random(2), 96);
        Assert.All(panel.Multiply(Integers.Of(x, 96)), y => Assert.True(float.IsNaN(y), $"{y}"));
    }

    [Fact]
    public void Products_are_the_chain_of_exact_sums() =>
        Gen.Select(Gen.Int[1, 30], Gen.Int[1, 200], s_seed).Sample((rows, pairs, seed) =>
        {
            var random = new Random(seed);
            Panel panel = Panel.Random(random, 2 * pairs);
            Integers x = Integers.Of(Row(random, rows * 2 * pairs, 1), 2 * pairs);
            float[] found = panel.Multiply(x), expected = panel.Expected(x);
            for (int i = 0; i < found.Length; i++)
                Assert.True(BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(found[i]), $"rows={rows} columns={2 * pairs} seed={seed}: {i} is {found[i]:R}, expected {expected[i]:R}");
        }, iter: 60, threads: 1);

    [Fact]
    public void Two_panels_of_one_row_are_as_each_alone() =>
        Gen.Select(Gen.Int[1, 200], s_seed).Sample((pairs, seed) =>
        {
            var random = new Random(seed);
            Panel first = Panel.Random(random, 2 * pairs), second = Panel.Random(random, 2 * pairs);
            Integers x = Integers.Of(Row(random, 2 * pairs, 1), 2 * pairs);
            var acc = new float[(2 * Rows) + MatMul.Int8ScratchFloats(2 * pairs)];
            MatMul.RunFp4Int8Pair(first.Packed, second.Packed, 2 * pairs, x.Codes, x.Scales, x.Corrections, acc);
            Assert.Equal([.. first.Expected(x), .. second.Expected(x)], acc[..(2 * Rows)]);
        }, iter: 60, threads: 1);

    /// <summary>Against the sum in double precision of the weights' values times what the codes stand for.</summary>
    [Fact]
    public void Products_are_those_of_the_rounded_activations() =>
        Gen.Select(Gen.Int[1, 30], Gen.Int[1, 200], s_seed).Sample((rows, pairs, seed) =>
        {
            var random = new Random(seed);
            int columns = 2 * pairs;
            Panel panel = Panel.Random(random, columns);
            Integers x = Integers.Of(Row(random, rows * columns, 1), columns);
            float[] found = panel.Multiply(x);
            for (int i = 0; i < found.Length; i++)
            {
                double sum = 0, size = 0;
                for (int k = 0; k < columns; k++)
                {
                    double product = panel.Value(i % Rows, k) * x.Value(i / Rows, k);
                    (sum, size) = (sum + product, size + Math.Abs(product));
                }

                // One rounding for each block.
                double allowed = (x.Blocks + 1) * Rounding * size;
                Assert.True(Math.Abs(found[i] - sum) <= allowed, $"rows={rows} columns={columns} seed={seed}: {i} is {found[i]}, expected {sum}, allowed {allowed:E2}");
            }
        }, iter: 60, threads: 1);

    /// <summary>All weights and activations at their bounds, which is where sixteen bits would be too few.</summary>
    [Theory]
    [InlineData(7, 1)]
    [InlineData(7, -1)]
    [InlineData(15, 1)]
    [InlineData(15, -1)]
    public void Sums_at_the_bounds_are_exact(int weight, int sign)
    {
        const int Columns = 160;
        foreach (int rows in new[] { 1, 2, 4, 5, 23, 24, 28 })
        {
            foreach (bool alternating in new[] { false, true })
            {
                var panel = Panel.Of(Columns, (_, k) => alternating && k % 2 == 1 ? weight ^ 8 : weight, (_, _) => 127);
                Integers x = Integers.Of([.. Enumerable.Range(0, rows * Columns).Select(i => sign * (alternating && i % 2 == 1 ? -127f : 127f))], Columns);
                double expected = Columns * 127.0 * sign * Fp4E2M1.Decode(weight);
                Assert.All(panel.Multiply(x), y => Assert.Equal(expected, y));
            }
        }
    }

    [Fact]
    public void A_row_has_the_same_bits_alone_and_among_others()
    {
        const int Most = 64, Columns = 416;
        var random = new Random(3);
        Panel panel = Panel.Random(random, Columns);
        float[] x = Row(random, Most * Columns, 1);
        float[][] alone = [.. x.Chunk(Columns).Select(row => panel.Multiply(Integers.Of(row, Columns)))];
        for (int rows = 1; rows <= Most; rows++)
        {
            float[][] together = [.. panel.Multiply(Integers.Of(x[..(rows * Columns)], Columns)).Chunk(Rows)];
            for (int t = 0; t < rows; t++)
                Assert.True(alone[t].AsSpan().SequenceEqual(together[t]), $"row {t} of {rows}");
        }
    }

    // Blocks of different sizes, one of zeros among them.
    private static float[] Row(Random random, int columns, float scale) =>
        [.. Enumerable.Range(0, columns).Select(i => (i / Block % 7 == 3 ? 0 : ((float)random.NextDouble() - 0.5f) * MathF.ScaleB(scale, i / Block % 5)))];

    private sealed record Integers(sbyte[] Codes, float[] Scales, int[] Corrections, int Blocks)
    {
        public int Rows => Scales.Length / Blocks;

        public static Integers Of(float[] x, int columns)
        {
            int rows = x.Length / columns, blocks = (columns + Block - 1) / Block;
            var made = new Integers(new sbyte[rows * blocks * Block], new float[rows * blocks], new int[rows * blocks], blocks);
            for (int t = 0; t < rows; t++)
            {
                Int8Rows.Encode(
                    x.AsSpan(t * columns, columns), made.Codes.AsSpan(t * blocks * Block, blocks * Block), made.Scales.AsSpan(t * blocks, blocks),
                    made.Corrections.AsSpan(t * blocks, blocks));
            }

            return made;
        }

        public int Code(int row, int column) => Codes[(row * Blocks * Block) + column];

        public double Value(int row, int column) => 2.0 * Scales[(row * Blocks) + (column / Block)] * Code(row, column);
    }

    private sealed record Panel(byte[] Packed, int Columns, int[,] Codes, byte[,] Scales)
    {
        public static Panel Random(Random random, int columns) => Of(columns, (_, _) => random.Next(16), (_, _) => (byte)random.Next(115, 130));

        public static Panel Of(int columns, Func<int, int, int> code, Func<int, int, byte> scale)
        {
            int blocks = (columns + Block - 1) / Block;
            var codes = new int[Rows, columns];
            var scales = new byte[Rows, blocks];
            byte[] pairs = new byte[Rows * columns / 2], stored = new byte[Rows * blocks];
            for (int n = 0; n < Rows; n++)
            {
                for (int k = 0; k < columns; k++)
                {
                    codes[n, k] = code(n, k);
                    pairs[((n * columns) + k) / 2] |= (byte)(codes[n, k] << (k % 2 * 4));
                }

                for (int b = 0; b < blocks; b++)
                    stored[(n * blocks) + b] = scales[n, b] = scale(n, b);
            }

            byte[] packed = new byte[WeightMatrix.BytesOfStack(WeightFormat.Fp4, 1, Rows, columns)];
            PackPanel.Fp4(pairs, Rows, stored, packed);
            return new Panel(packed, columns, codes, scales);
        }

        public double Value(int row, int column) => (double)Fp4E2M1.Decode(Codes[row, column]) * Ue8m0.Decode(Scales[row, column / Block]);

        public float[] Multiply(Integers x)
        {
            var acc = new float[x.Rows * Rows];
            // What scratch holds must not matter.
            var scratch = new float[MatMul.Int8ScratchFloats(Columns)];
            Array.Fill(scratch, float.NaN);
            MatMul.RunFp4Int8(Packed, Columns, x.Codes, x.Scales, x.Corrections, acc, scratch);
            return acc;
        }

        public float[] Expected(Integers x)
        {
            var products = new float[x.Rows * Rows];
            for (int i = 0; i < products.Length; i++)
            {
                (int t, int n) = Math.DivRem(i, Rows);
                for (int b = 0; b < x.Blocks; b++)
                {
                    int sum = 0;
                    for (int k = b * Block; k < Math.Min(Columns, (b + 1) * Block); k++)
                        sum += (int)(2 * Fp4E2M1.Decode(Codes[n, k])) * x.Code(t, k);
                    products[i] = MathF.FusedMultiplyAdd(sum * Ue8m0.Decode(Scales[n, b]), x.Scales[(t * x.Blocks) + b], products[i]);
                }
            }

            return products;
        }
    }
}
