using CsCheck;
using Fathom.Devices;
using Fathom.Formats;
using Fathom.Tensors;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Devices;

/// <summary>What every device must do, operation by operation, for sizes that fit no block. Memory, products and rows; more in the other parts.</summary>
public abstract partial class DeviceTests : IDisposable
{
    private readonly Device _device;

    /// <param name="device">to be tested; disposed with the test</param>
    protected DeviceTests(Device device) => _device = device;

    public void Dispose()
    {
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.Bf16)]
    [InlineData(WeightFormat.Fp8)]
    [InlineData(WeightFormat.Fp4)]
    public void MatMul_is_the_sum_of_products(WeightFormat format) =>
        Gen.Select(Gen.Int[1, 13], Gen.Int[1, 300], Gen.Int[1, 300], s_seed).Sample((rows, n, k, seed) =>
        {
            k += format == WeightFormat.Fp4 ? k % 2 : 0;
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            (RawMatrix raw, ReferenceTensor w) = Weight(memory, random, format, n, k);
            double[][] x = Normals(random, rows, k);
            Tensor y = memory.Empty(rows, n);
            _device.MatMul(memory.Pack(raw), memory.Rows(x), y);
            Products(w, x, memory.Read(y), $"{format} rows={rows} n={n} k={k} seed={seed}");
        }, iter: Cases, threads: 1);

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.Bf16)]
    [InlineData(WeightFormat.Fp8)]
    [InlineData(WeightFormat.Fp4)]
    public void A_row_has_the_same_bits_alone_and_among_others(WeightFormat format) =>
        Gen.Select(Gen.Int[2, 13], Gen.Int[1, 300], Gen.Int[1, 150], s_seed).Sample((rows, n, pairs, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            int k = pairs * 2;
            WeightMatrix w = memory.Pack(Weight(memory, random, format, n, k).Raw);
            double[][] x = Normals(random, rows, k);
            Tensor together = memory.Empty(rows, n), alone = memory.Empty(1, n);
            _device.MatMul(w, memory.Rows(x), together);
            for (int t = 0; t < rows; t++)
            {
                _device.MatMul(w, memory.Row(x[t]), alone);
                Assert.Equal(memory.Read(alone)[0], memory.Read(together.Row(t))[0]);
            }
        }, iter: Cases, threads: 1);

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.Fp8)]
    public void GroupedMatMul_acts_piece_by_piece(WeightFormat format) =>
        Gen.Select(Gen.Int[1, 13], Gen.Int[1, 5], Gen.Int[1, 150], Gen.Int[1, 150], s_seed).Sample((rows, groups, n, k, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            // The groups lie one behind the other in the rows of one matrix, as checkpoints have them.
            (RawMatrix raw, ReferenceTensor w) = Weight(memory, random, format, groups * n, k);
            RawMatrix[] stack = [.. Enumerable.Range(0, groups).Select(g => raw with { FirstRow = g * n, Rows = n })];
            double[][] x = Normals(random, rows, groups * k);
            Tensor y = memory.Empty(rows, groups * n);
            _device.GroupedMatMul(memory.Pack(stack), memory.Rows(x), y);
            double[][] found = memory.Read(y);
            for (int g = 0; g < groups; g++)
            {
                ReferenceTensor one = new([n, k], w.Values[(g * n * k)..((g + 1) * n * k)]);
                double[][] piece = [.. x.Select(row => row[(g * k)..((g + 1) * k)])];
                Products(one, piece, [.. found.Select(row => row[(g * n)..((g + 1) * n)])], $"group {g} of {groups}, n={n} k={k} seed={seed}");
            }
        }, iter: Cases, threads: 1);

    [Fact]
    public void Embed_widens_rows() => Gen.Select(Gen.Int[1, 13], Gen.Int[1, 300], Gen.Bool, s_seed).Sample((rows, d, narrow, seed) =>
    {
        using var memory = new DeviceMemory(_device);
        var random = new Random(seed);
        double[][] table = [.. Normals(random, 17, d).Select(ReferenceRounding.Bf16)];
        int[] ids = [.. Enumerable.Range(0, rows).Select(_ => random.Next(table.Length))];
        ushort[] codes = [.. table.SelectMany(row => row).Select(value => Bf16.FromSingle((float)value))];
        Tensor y = memory.Empty(rows, d);
        _device.Embed(narrow ? memory.Upload(table.Length, d, DType.Bf16, codes) : memory.Rows(table), memory.Ints(1, ids), y);
        Assert.Equal(ids.Select(id => table[id]), memory.Read(y));
    }, iter: Cases, threads: 1);

    [Fact]
    public void RmsNorm_divides_by_the_root_mean_square() =>
        Gen.Select(Gen.Int[1, 13], Gen.Int[1, 300], Gen.Bool, Gen.Bool, s_seed).Sample((rows, d, weighted, inPlace, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            double[][] x = Normals(random, rows, d);
            double[] weight = Normals(random, 1, d)[0];
            const float epsilon = 1e-6f;
            Tensor input = memory.Rows(x), y = inPlace ? input : memory.Empty(rows, d);
            _device.RmsNorm(input, weighted ? memory.Row(weight) : default, epsilon, y);
            ReferenceTensor factor = new([d], weighted ? weight : [.. Enumerable.Repeat(1.0, d)]);
            Near([.. x.Select(row => ReferenceLinear.RmsNorm(row, factor, epsilon))], memory.Read(y), Tolerances.Sum(d), $"rows={rows} d={d} seed={seed}");
        }, iter: Cases, threads: 1);

    [Fact]
    public void Add_and_Gather_are_exact() => Gen.Select(Gen.Int[1, 13], Gen.Int[1, 300], s_seed).Sample((rows, d, seed) =>
    {
        using var memory = new DeviceMemory(_device);
        var random = new Random(seed);
        double[][] x = Normals(random, rows, d), y = Normals(random, rows, d);
        int[] picked = [.. Enumerable.Range(0, 9).Select(_ => random.Next(rows))];
        Tensor sum = memory.Rows(x), chosen = memory.Empty(picked.Length, d);
        _device.Add(sum, memory.Rows(y));
        _device.Gather(sum, memory.Ints(1, picked), chosen);
        double[][] expected = [.. x.Select((row, t) => row.Select((value, i) => (double)((float)value + (float)y[t][i])).ToArray())];
        Assert.Equal(expected, memory.Read(sum));
        Assert.Equal(picked.Select(row => expected[row]), memory.Read(chosen));
    }, iter: Cases, threads: 1);

    [Fact]
    public void Rope_rotates_the_last_pairs_of_every_head() =>
        Gen.Select(Gen.Int[1, 13], Gen.Int[1, 5], Gen.Int[1, 20], Gen.Int[0, 30], s_seed).Sample((rows, heads, pairs, plain, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            int width = plain + (2 * pairs);
            float[] frequencies = ReferenceRope.Plain(2 * pairs, 10000);
            int[] positions = [.. Enumerable.Range(0, rows).Select(_ => random.Next(1_000_000))];
            double[][] x = Normals(random, rows, heads * width);
            Tensor angles = memory.Empty(rows, 2 * pairs), rotated = memory.Rows(x);
            _device.RopeAngles(memory.Ints(1, positions), memory.Row(Array.ConvertAll(frequencies, f => (double)f)), angles);
            _device.Rope(rotated, width, angles, inverse: false);
            var rope = new ReferenceRope(frequencies);
            double[][] expected = [.. x.Select((row, t) => row.Chunk(width).SelectMany(head => rope.Rotate(head, positions[t])).ToArray())];
            Near(expected, memory.Read(rotated), Tolerances.Function, $"heads={heads} pairs={pairs} plain={plain} seed={seed}");
        }, iter: Cases, threads: 1);

    [Fact]
    public void Hadamard_is_orthogonal_and_in_natural_order() => Gen.Select(Gen.Int[1, 13], Gen.Int[0, 8], s_seed).Sample((rows, bits, seed) =>
    {
        using var memory = new DeviceMemory(_device);
        double[][] x = Normals(new Random(seed), rows, 1 << bits);
        Tensor y = memory.Rows(x);
        _device.Hadamard(y);
        Near([.. x.Select(row => ReferenceRounding.Hadamard(row))], memory.Read(y), Tolerances.Sum(1 << bits), $"rows={rows} d={1 << bits} seed={seed}");
    }, iter: Cases, threads: 1);
}
