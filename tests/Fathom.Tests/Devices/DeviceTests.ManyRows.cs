using CsCheck;
using Fathom.Devices;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Devices;

// Products with so many rows and outputs that a device may arrange the rows for them: the bits are still those of each row alone.
public abstract partial class DeviceTests
{
    private static readonly Gen<int> s_manyRows = Gen.Int[13, 24], s_manyOutputs = Gen.Int[1_020, 1_100];

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.Bf16)]
    [InlineData(WeightFormat.Fp8)]
    [InlineData(WeightFormat.Fp4)]
    public void Many_rows_have_the_bits_of_each_alone(WeightFormat format) =>
        Gen.Select(s_manyRows, s_manyOutputs, Gen.Int[1, 150], s_seed).Sample((rows, n, pairs, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            WeightMatrix w = memory.Pack(Weight(memory, random, format, n, 2 * pairs).Raw);
            double[][] x = Normals(random, rows, 2 * pairs);
            SameAlone(memory, x, n, (input, output) => _device.MatMul(w, input, output));
        }, iter: 4, threads: 1);

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.Fp8)]
    public void Many_rows_of_pieces_have_the_bits_of_each_alone(WeightFormat format) =>
        Gen.Select(s_manyRows, s_manyOutputs, Gen.Int[2, 3], Gen.Int[1, 150], s_seed).Sample((rows, n, groups, k, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            RawMatrix raw = Weight(memory, random, format, groups * n, k).Raw;
            WeightMatrix w = memory.Pack([.. Enumerable.Range(0, groups).Select(g => raw with { FirstRow = g * n, Rows = n })]);
            double[][] x = Normals(random, rows, groups * k);
            SameAlone(memory, x, groups * n, (input, output) => _device.GroupedMatMul(w, input, output));
        }, iter: 4, threads: 1);

    [Theory]
    [InlineData(WeightFormat.Bf16)]
    [InlineData(WeightFormat.Fp8)]
    [InlineData(WeightFormat.Fp4)]
    public void Many_rows_of_an_expert_have_the_bits_of_each_alone(WeightFormat format) =>
        Gen.Select(Gen.Int[13, 40], Gen.Int[1, 150], Gen.Int[1, 150], s_seed).Sample((rows, d, hidden, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            (d, hidden) = (d + (d % 2), hidden + (hidden % 2));
            (ExpertOperand routed, _) = Stack(memory, random, format, 3, (d, hidden));
            (ExpertOperand common, _) = Stack(memory, random, format, 1, (d, hidden + 64));
            // The first expert has nearly all of the routed rows, so that groups of many rows and of few stand side by side.
            int[] ids = [.. Enumerable.Range(0, rows).Select(_ => Math.Max(0, random.Next(15) - 12))];
            double[][] x = Normals(random, rows, d), factors = Normals(random, rows, 1);
            Tensor together = memory.Empty(rows, d), alone = memory.Empty(1, d);
            _device.Experts(memory.Rows(x), memory.Ints(rows, ids), memory.Rows(factors), routed, common, 2, together);
            for (int t = 0; t < rows; t++)
            {
                _device.Experts(memory.Row(x[t]), memory.Ints(1, ids[t]), memory.Row(factors[t]), routed, common, 2, alone);
                Assert.Equal(memory.Read(alone)[0], memory.Read(together.Row(t))[0]);
            }
        }, iter: 10, threads: 1);

    private static void SameAlone(DeviceMemory memory, double[][] x, int outputs, Action<Tensor, Tensor> product)
    {
        Tensor together = memory.Empty(x.Length, outputs), alone = memory.Empty(1, outputs);
        product(memory.Rows(x), together);
        for (int t = 0; t < x.Length; t++)
        {
            product(memory.Row(x[t]), alone);
            Assert.Equal(memory.Read(alone)[0], memory.Read(together.Row(t))[0]);
        }
    }
}
