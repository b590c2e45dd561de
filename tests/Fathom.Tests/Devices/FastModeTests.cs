using System.Runtime.InteropServices;
using CsCheck;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Formats;
using Fathom.Tensors;
using Xunit;

namespace Fathom.Tests.Devices;

/// <summary>
/// The processor in fast mode: what touches no FP4 weight is what exact computes, the rest is near it, and a row's bits depend neither on the rows
/// beside it nor on threads. The kernel's own tests are those of Fathom.Parity.
/// </summary>
public sealed class FastModeTests : IDisposable
{
    private const int RowsMost = 64;

    private readonly CpuDevice _exact = new(2);
    private readonly CpuDevice[] _fast = [new(1, NumericMode.Fast), new(2, NumericMode.Fast), new(3, NumericMode.Fast)];

    public void Dispose()
    {
        _exact.Dispose();
        Array.ForEach(_fast, device => device.Dispose());
    }

    [Fact]
    public void Decorators_tell_the_mode_of_their_device()
    {
        Assert.Equal(NumericMode.Exact, new CheckedDevice(_exact).NumericMode);
        Assert.Equal(NumericMode.Fast, new ProfilingDevice(new RecordingDevice(_fast[0]), layers: 1).NumericMode);
    }

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.Bf16)]
    [InlineData(WeightFormat.Fp8)]
    public void Other_formats_are_multiplied_exactly(WeightFormat format)
    {
        var shape = new Shape(format, Rows: 5, D: 96, Hidden: 64, Experts: 3, Seed: 1);
        Assert.Equal(shape.Run(_exact), shape.Run(_fast[1]));
    }

    [Fact]
    public void A_shared_expert_in_FP8_is_exact_beside_routed_ones_in_FP4()
    {
        // Routed experts of weight zero leave the shared one alone.
        var shape = new Shape(WeightFormat.Fp4, Rows: 5, D: 96, Hidden: 64, Experts: 3, Seed: 2) { Shared = WeightFormat.Fp8, Factor = 0 };
        Assert.Equal(shape.Run(_exact).Experts, shape.Run(_fast[1]).Experts);
    }

    [Fact]
    public void Products_with_FP4_are_near_and_not_equal() =>
        Gen.Select(Gen.Int[4, 30], Gen.Int[8, 90], Gen.Int[8, 90], Gen.Int[0, 1_000_000]).Sample((rows, pairs, hiddenPairs, seed) =>
        {
            var shape = new Shape(WeightFormat.Fp4, rows, 2 * pairs, 2 * hiddenPairs, Experts: 3, seed) { Shared = WeightFormat.Fp4 };
            Outputs exact = shape.Run(_exact), fast = shape.Run(_fast[1]);
            // A value is off by at most half of 1/127 of its block's largest, and experts round twice.
            Near(exact.Product, fast.Product, 0.01, $"product, {shape}");
            Near(exact.Grouped, fast.Grouped, 0.01, $"grouped product, {shape}");
            Near(exact.Experts, fast.Experts, 0.03, $"experts, {shape}");
        }, iter: 40, threads: 1);

    [Fact]
    public void A_row_has_the_same_bits_whatever_is_beside_it_on_any_number_of_threads()
    {
        var shape = new Shape(WeightFormat.Fp4, RowsMost, D: 160, Hidden: 96, Experts: 4, Seed: 5) { Shared = WeightFormat.Fp4 };
        Outputs whole = shape.Run(_fast[0]);
        for (int rows = 1; rows <= RowsMost; rows++)
        {
            for (int i = 0; i < _fast.Length; i++)
            {
                Outputs found = (shape with { Rows = rows }).Run(_fast[i]);
                Assert.Equal(whole.First(rows), found);
            }
        }
    }

    private static void Near(float[] exact, float[] fast, double tolerance, string of)
    {
        double size = Math.Sqrt(exact.Sum(x => (double)x * x)), error = Math.Sqrt(exact.Zip(fast, (x, y) => ((double)x - y) * (x - y)).Sum());
        Assert.True(error > 0 && error < tolerance * size, $"{of}: off by {error / size:E2} of the whole, allowed {tolerance}, found 0 or more");
    }

    /// <summary>What a device makes of one set of weights and inputs.</summary>
    private sealed record Outputs(float[] Product, float[] Grouped, float[] Experts, int Rows)
    {
        public Outputs First(int rows) => new(
            Product[..(Product.Length / Rows * rows)], Grouped[..(Grouped.Length / Rows * rows)], Experts[..(Experts.Length / Rows * rows)], rows);

        public bool Equals(Outputs? other) => other is not null
            && Product.AsSpan().SequenceEqual(other.Product) && Grouped.AsSpan().SequenceEqual(other.Grouped) && Experts.AsSpan().SequenceEqual(other.Experts);

        public override int GetHashCode() => Rows;
    }

    /// <summary>A product, one by groups and a mixture of experts, of values that depend on the seed and not on the number of rows.</summary>
    private sealed record Shape(WeightFormat Format, int Rows, int D, int Hidden, int Experts, int Seed)
    {
        public WeightFormat? Shared { get; init; }

        public float Factor { get; init; } = 0.5f;

        public Outputs Run(Device device)
        {
            using var memory = new DeviceMemory(device);
            var random = new Random(Seed);
            WeightMatrix w = Stack(memory, random, Format, 1, Hidden, D), groups = Stack(memory, random, Format, 2, Hidden, D / 2);
            ExpertOperand routed = Operand(memory, random, Format, Experts, Hidden), shared = Operand(memory, random, Shared ?? Format, 1, 2 * Hidden);
            double[][] x = [.. Enumerable.Range(0, Rows).Select(_ => Enumerable.Range(0, D).Select(_ => random.NextDouble() - 0.5).ToArray())];
            Tensor input = memory.Rows(x), product = memory.Empty(Rows, Hidden), grouped = memory.Empty(Rows, 2 * Hidden), y = memory.Empty(Rows, D);
            device.MatMul(w, input, product);
            device.GroupedMatMul(groups, D / 2 % 2 == 0 ? input : memory.Rows([.. x.Select(row => row[..^2])]), grouped);
            int[] ids = [.. Enumerable.Range(0, Rows).SelectMany(t => new[] { t % Experts, (t + 1) % Experts })];
            Tensor factors = memory.Rows([.. Enumerable.Range(0, Rows).Select(_ => new double[] { Factor, Factor / 2 })]);
            device.Experts(input, memory.Ints(Rows, ids), factors, routed, Shared is null ? null : shared, float.PositiveInfinity, y);
            return new Outputs(Read(device, product), Read(device, grouped), Read(device, y), Rows);
        }

        private ExpertOperand Operand(DeviceMemory memory, Random random, WeightFormat format, int count, int hidden) => new(
            Stack(memory, random, format, count, hidden, D), Stack(memory, random, format, count, hidden, D), Stack(memory, random, format, count, D, hidden));

        // Columns of FP4 are even.
        private static WeightMatrix Stack(DeviceMemory memory, Random random, WeightFormat format, int count, int rows, int columns) =>
            memory.Pack([.. Enumerable.Range(0, count).Select(_ => Raw(memory, random, format, rows, columns - (columns % 2)))]);

        private static RawMatrix Raw(DeviceMemory memory, Random random, WeightFormat format, int n, int k)
        {
            double[] values = [.. Enumerable.Range(0, n * k).Select(_ => random.NextDouble() - 0.5)];
            switch (format)
            {
                case WeightFormat.F32:
                    return new RawMatrix(memory.Rows([.. values.Chunk(k)]), default);
                case WeightFormat.Bf16:
                    return new RawMatrix(memory.Upload(n, k, DType.Bf16, Array.ConvertAll(values, value => Bf16.FromSingle((float)value))), default);
                case WeightFormat.Fp8:
                    Tensor scales = memory.Upload(Blocks(n, 128), Blocks(k, 128), DType.Ue8m0, Scales(random, Blocks(n, 128) * Blocks(k, 128)));
                    return new RawMatrix(memory.Upload(n, k, DType.Fp8E4M3, Array.ConvertAll(values, value => Fp8E4M3.Encode((float)value))), scales);
                default:
                    byte[] pairs = new byte[n * k / 2];
                    random.NextBytes(pairs);
                    scales = memory.Upload(n, Blocks(k, 32), DType.Ue8m0, Scales(random, n * Blocks(k, 32)));
                    return new RawMatrix(memory.Upload(n, k / 2, DType.Fp4E2M1Pair, pairs), scales);
            }
        }

        private static byte[] Scales(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (byte)random.Next(121, 126))];

        private static int Blocks(int count, int size) => (count + size - 1) / size;

        private static float[] Read(Device device, in Tensor x)
        {
            float[] values = new float[x.Count];
            device.Download(x, MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }
    }
}
