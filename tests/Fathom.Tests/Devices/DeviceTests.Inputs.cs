using CsCheck;
using Fathom.Formats;
using Fathom.Tensors;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Devices;

public abstract partial class DeviceTests
{
    private const int Cases = 25;

    private static readonly Gen<int> s_seed = Gen.Int[0, 1_000_000];

    // Singles, so that what the device is given is what the reference is given.
    private static double[][] Normals(Random random, int rows, int columns) =>
        [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, columns).Select(_ => (double)(float)Normal(random)).ToArray())];

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>Any finite codes and plausible scales, and the numbers they stand for.</summary>
    private static (RawMatrix Raw, ReferenceTensor Values) Weight(DeviceMemory memory, Random random, WeightFormat format, int n, int k)
    {
        double[] values = [.. Normals(random, n, k).SelectMany(row => row)];
        switch (format)
        {
            case WeightFormat.F32:
                return (new RawMatrix(memory.Rows([.. values.Chunk(k)]), default), new ReferenceTensor([n, k], values));
            case WeightFormat.Bf16:
                values = ReferenceRounding.Bf16(values);
                ushort[] halves = Array.ConvertAll(values, value => Bf16.FromSingle((float)value));
                return (new RawMatrix(memory.Upload(n, k, DType.Bf16, halves), default), new ReferenceTensor([n, k], values));
        }

        bool fp8 = format == WeightFormat.Fp8;
        (int blockRows, int block) = fp8 ? (PanelLayout.Fp8Block, PanelLayout.Fp8Block) : (1, PanelLayout.Fp4Block);
        int scaleRows = (n + blockRows - 1) / blockRows, scaleColumns = (k + block - 1) / block;
        byte[] scales = [.. Enumerable.Range(0, scaleRows * scaleColumns).Select(_ => (byte)random.Next(115, 130))];
        // 0x7F and 0xFF are FP8's NaNs.
        byte[] codes = [.. Enumerable.Range(0, n * k).Select(_ => (byte)(fp8 ? random.Next(127) + (128 * random.Next(2)) : random.Next(16)))];
        for (int i = 0; i < values.Length; i++)
        {
            double value = fp8 ? ReferenceRounding.Fp8Value(codes[i]) : ReferenceRounding.Fp4Value(codes[i]);
            values[i] = value * ReferenceRounding.ScaleValue(scales[(i / k / blockRows * scaleColumns) + (i % k / block)]);
        }

        byte[] stored = fp8 ? codes : [.. codes.Chunk(2).Select(pair => (byte)(pair[0] | (pair[1] << 4)))];
        Tensor raw = memory.Upload(n, fp8 ? k : k / 2, fp8 ? DType.Fp8E4M3 : DType.Fp4E2M1Pair, stored);
        return (new RawMatrix(raw, memory.Upload(scaleRows, scaleColumns, DType.Ue8m0, scales)), new ReferenceTensor([n, k], values));
    }

    private static void Products(ReferenceTensor w, double[][] x, double[][] found, string of)
    {
        ReferenceTensor magnitudes = new(w.Shape, Array.ConvertAll(w.Values, Math.Abs));
        for (int t = 0; t < x.Length; t++)
        {
            double[] expected = ReferenceLinear.Apply(w, x[t]), size = ReferenceLinear.Apply(magnitudes, Array.ConvertAll(x[t], Math.Abs));
            for (int i = 0; i < expected.Length; i++)
            {
                double error = Math.Abs(found[t][i] - expected[i]), allowed = Tolerances.Sum(w.Columns) * size[i];
                Assert.True(error <= allowed, $"{of}: row {t}, output {i} is {found[t][i]}, expected {expected[i]}, {error:E2} apart of {allowed:E2}");
            }
        }
    }

    /// <summary>|found − expected| ≤ tolerance · max(1, the row's largest magnitude).</summary>
    private static void Near(double[][] expected, double[][] found, double tolerance, string of)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int t = 0; t < expected.Length; t++)
        {
            Assert.Equal(expected[t].Length, found[t].Length);
            double size = expected[t].Aggregate(1.0, (most, value) => Math.Max(most, Math.Abs(value)));
            for (int i = 0; i < expected[t].Length; i++)
            {
                double error = Math.Abs(found[t][i] - expected[t][i]);
                Assert.True(error <= tolerance * size, $"{of}: row {t}, column {i} is {found[t][i]}, expected {expected[t][i]}, allowed {tolerance * size:E2}");
            }
        }
    }
}
