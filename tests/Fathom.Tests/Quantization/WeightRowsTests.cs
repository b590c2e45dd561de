using CsCheck;
using Fathom.Formats;
using Fathom.Model;
using Fathom.Quantization;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Quantization;

public class WeightRowsTests
{
    private static readonly DType[] s_types = [DType.F32, DType.Bf16, DType.Fp8E4M3, DType.Fp4E2M1Pair];

    // Rows of any number up to 128, columns of every kind of edge, magnitudes over sixty powers of two, some zeros.
    private static Gen<(float[] X, int Columns)> Rows =>
        Gen.Select(Gen.Int[1, 128], Gen.Int[1, 8].Select(blocks => 32 * blocks), Gen.Int[-30, 30], Gen.Int[0, 1 << 20], (rows, columns, exponent, seed) =>
        {
            var random = new Random(seed);
            float[] x = [.. Enumerable.Range(0, rows * columns).Select(_ =>
                random.Next(50) == 0 ? 0 : MathF.ScaleB((float)((random.NextDouble() - 0.5) * random.NextDouble()), exponent + random.Next(4)))];
            return (x, columns);
        });

    [Fact]
    public void Rounding_what_was_rounded_changes_nothing() => Rows.Sample(rows =>
    {
        foreach (DType type in s_types)
        {
            float[] once = Round(rows.X, rows.Columns, type);
            Assert.Equal(once, Round(once, rows.Columns, type));
        }
    });

    [Fact]
    public void An_fp8_value_is_off_by_no_more_than_half_a_step() => Rows.Sample(rows =>
    {
        float[] rounded = Round(rows.X, rows.Columns, DType.Fp8E4M3);
        for (int i = 0; i < rounded.Length; i++)
        {
            int firstColumn = i % rows.Columns / ExpectedWeight.Fp8Block * ExpectedWeight.Fp8Block;
            float amplitude = Enumerable.Range(0, rows.X.Length)
                .Where(j => j % rows.Columns >= firstColumn && j % rows.Columns < firstColumn + ExpectedWeight.Fp8Block).Max(j => MathF.Abs(rows.X[j]));
            // Half of a sixteenth of the value, or half of the smallest step, 2⁻⁹, of a scale that is at most twice amplitude / 448.
            double allowed = Math.Max(MathF.Abs(rows.X[i]) / 16, amplitude / 448 * 2 / 512 / 2);
            Assert.True(Math.Abs(rounded[i] - rows.X[i]) <= allowed, $"{rows.X[i]} became {rounded[i]}");
        }
    }, iter: 20);

    [Fact]
    public void No_power_of_two_of_an_fp4_block_has_a_smaller_error_than_the_chosen_one() => Rows.Sample(rows =>
    {
        float[] rounded = Round(rows.X, rows.Columns, DType.Fp4E2M1Pair);
        for (int b = 0; b < rows.X.Length; b += ExpectedWeight.Fp4Block)
        {
            float[] block = rows.X[b..(b + ExpectedWeight.Fp4Block)];
            double chosen = Error(block, rounded[b..(b + ExpectedWeight.Fp4Block)]);
            if (block.All(value => value == 0))
            {
                Assert.Equal(0, chosen);
                continue;
            }
            int exponent = MathF.ILogB(block.Max(MathF.Abs));
            double best = Enumerable.Range(exponent - 6, 8).Min(e =>
                Error(block, [.. block.Select(value => MathF.ScaleB(Fp4E2M1.Decode(Fp4E2M1.Encode(MathF.ScaleB(value, -e))), e))]));
            Assert.True(chosen <= best * (1 + 1e-5), $"chosen {chosen:E3}, best {best:E3}");
        }
    });

    [Theory]
    [InlineData(448f, 448f, 127)]
    [InlineData(448.00003f, 448f, 128)]
    [InlineData(224f, 448f, 126)]
    [InlineData(6f, 6f, 127)]
    [InlineData(6.0000005f, 6f, 128)]
    [InlineData(0f, 6f, 127)]
    [InlineData(float.Epsilon, 448f, 0)]
    [InlineData(float.MaxValue, 448f, 247)]
    public void The_covering_scale_is_the_smallest(float amplitude, float most, int code)
    {
        Assert.Equal(code, Ue8m0.Covering(amplitude, most));
        Assert.True(amplitude <= (double)most * Ue8m0.Decode((byte)code));
        Assert.True(code == 0 || amplitude == 0 || amplitude > (double)most * Ue8m0.Decode((byte)(code - 1)));
    }

    private static double Error(float[] before, float[] after) => before.Zip(after, (x, y) => ((double)y - x) * ((double)y - x)).Sum();

    private static float[] Round(float[] x, int columns, DType type)
    {
        int rows = x.Length / columns;
        var values = new byte[WeightRows.ValueBytes(type, rows, columns)];
        var scales = new byte[WeightRows.ScaleCount(type, rows, columns)];
        var rounded = new float[x.Length];
        WeightRows.Encode(x, columns, type, values, scales);
        WeightRows.Decode(values, scales, columns, type, rounded);
        return rounded;
    }
}
