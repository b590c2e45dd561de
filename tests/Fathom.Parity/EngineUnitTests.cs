using Fathom.Cpu;
using Fathom.Cpu.Kernels;
using Fathom.Devices;
using Fathom.Formats;
using Fathom.Model;
using Fathom.Parity.Units;
using Fathom.Tensors;
using Fathom.Tests.Devices;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>The processor's operations against the unit vectors. Compressor and indexer are in <see cref="EngineCompressionUnitTests"/>.</summary>
public sealed class EngineUnitTests : IDisposable
{
    private const float CompressTheta = 160000;

    private readonly CpuDevice _device = new(2);
    private readonly DeviceMemory _memory;

    public EngineUnitTests() => _memory = new DeviceMemory(_device);

    public void Dispose()
    {
        _memory.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData("normal")]
    [InlineData("wide")]
    [InlineData("extreme")]
    [InlineData("iters1")]
    [InlineData("iters3")]
    [InlineData("hc2")]
    [InlineData("hc8")]
    public void Splits_mixes(string name) => MhcUnit.CheckSplit(name, c =>
    {
        float[] mix = Singles(c.Mixes);
        HyperConnection.Split(mix, 1, Singles(c.Scale), Singles(c.Bias), c.Streams, c.Iterations, (float)MhcUnit.Epsilon);
        return Mix(Doubles(mix), c.Streams);
    });

    [Fact]
    public void Runs_mHC_from_streams_to_head() => MhcUnit.CheckBlock(c =>
    {
        int n = c.HeadBias.Length, rows = c.Streams.Length, d = c.Streams[0].Length / n;
        const float epsilon = (float)MhcUnit.Epsilon;
        Tensor streams = _memory.Rows(c.Streams), y = _memory.Empty(rows, d), mix = _memory.Empty(rows, 2 * n + n * n);
        var hc = new HyperConnectionOperand(_memory.Matrix(c.Fn), _memory.Row(c.Scale), _memory.Row(c.Bias), 20, epsilon, epsilon);
        var head = new HyperConnectionOperand(_memory.Matrix(c.HeadFn), _memory.Row([c.HeadScale]), _memory.Row(c.HeadBias), 0, epsilon, epsilon);
        Tensor collapsed = _memory.Empty(rows, d);
        _device.HcHead(streams, head, collapsed, _memory.Empty(rows, n));
        _device.HcPre(streams, hc, y, mix);
        _device.HcPost(streams, _memory.Rows(c.SublayerOutput), mix);
        return new MhcUnit.BlockResult(_memory.Read(y), [.. _memory.Read(mix).Select(row => Mix(row, n))], _memory.Read(streams), _memory.Read(collapsed));
    });

    [Theory]
    [InlineData("flash_like", ScoringFunction.SqrtSoftplus)]
    [InlineData("pro_like", ScoringFunction.SqrtSoftplus)]
    [InlineData("extreme_logits", ScoringFunction.SqrtSoftplus)]
    [InlineData("hash", ScoringFunction.SqrtSoftplus)]
    [InlineData("sigmoid", ScoringFunction.Sigmoid)]
    [InlineData("softmax", ScoringFunction.Softmax)]
    public void Routes(string name, ScoringFunction scoring) => RouterUnit.Check(name, scoring, c =>
    {
        Tensor logits = _memory.Empty(1, c.Weight.Shape[0]), experts = _memory.Empty(1, c.Count, DType.I32), weights = _memory.Empty(1, c.Count);
        _device.MatMul(_memory.Matrix(c.Weight), _memory.Row(c.X), logits);
        double[] before = _memory.Read(logits)[0];
        var routing = new RoutingOperand(c.Scoring, c.Normalize, c.Scale);
        if (c.HashRow is null)
        {
            _device.RouteByScore(logits, _memory.Row(c.Bias ?? new double[logits.Columns]), routing, experts, weights);
        }
        else
        {
            _device.RouteByHash(logits, _memory.Ints(1, c.HashRow), _memory.Ints(1, 0), routing, experts, weights);
        }

        return new RouterUnit.Result(before, _memory.Read(logits)[0], new Routing(_memory.ReadInts(experts)[0], _memory.Read(weights)[0]));
    });

    [Theory]
    [InlineData("main_real", 64, 10000, 1, 0)]
    [InlineData("compress_noyarn", 64, CompressTheta, 1, 0)]
    [InlineData("compress_real", 64, CompressTheta, 16, 65536)]
    [InlineData("compress_tiny", 16, CompressTheta, 16, 32)]
    [InlineData("compress_tiny2", 16, 40000, 8, 64)]
    public void Rotates(string name, int ropeDim, float theta, float factor, int originalContext)
    {
        ModelConfig config = TinyModels.Flash with
        {
            RopeDim = ropeDim, RopeTheta = theta, CompressRopeTheta = theta, YarnFactor = factor, YarnOriginalContext = originalContext,
        };
        float[] frequencies = originalContext == 0 ? RopeFrequencies.Plain(config) : RopeFrequencies.Compressed(config);
        RopeUnit.Check(name, (positions, x, heads) =>
        {
            Tensor angles = _memory.Empty(positions.Length, ropeDim);
            _device.RopeAngles(_memory.Ints(1, positions), _memory.Row(Doubles(frequencies)), angles);
            int width = x[0].Length;
            Tensor rows = _memory.Rows(x).Shaped(positions.Length, heads * width);
            _device.Rope(rows, width, angles, inverse: false);
            double[][] table = _memory.Read(angles), rotated = _memory.Read(rows.Shaped(x.Length, width));
            _device.Rope(rows, width, angles, inverse: true);
            double worst = _memory.Read(rows.Shaped(x.Length, width)).Zip(x, (a, b) => a.Zip(b, (u, v) => Math.Abs(u - v)).Max()).Max();
            Assert.True(worst < Tolerances.Unit, $"{name}: rotating there and back is off by {worst:E2}.");
            return new RopeUnit.Result(
                Doubles(frequencies), [.. table.Select(row => row.Where((_, i) => i % 2 == 0).ToArray())],
                [.. table.Select(row => row.Where((_, i) => i % 2 == 1).ToArray())], rotated);
        });
    }

    [Theory]
    [InlineData("small")]
    [InlineData("d512")]
    public void Attends_with_a_sink(string name) => AttentionExpertUnit.CheckAttention(name, (queries, keyValues, chosen, sink) =>
    {
        // Half of the rows as window, half as chosen entries: softmax and sum do not mind which is which.
        double[][] rows = [.. chosen.Where(row => row >= 0).Select(row => keyValues[row])];
        int c = rows[0].Length, heads = sink.Length, inWindow = (rows.Length + 1) / 2, entries = rows.Length - inWindow;
        var format = new RowFormat(RowKind.F32, c, 0);
        RowBlocks blocks = _memory.Blocks(format, entries, rowsPerBlock: 3);
        if (entries > 0) _device.StoreRows(_memory.Rows(rows[inWindow..]), 0, blocks);
        int[] selection = [.. Enumerable.Range(0, entries), -1, -1];
        var context = new ContextOperand(_memory.Rows(rows[..inWindow]), blocks, _memory.Ints(1, selection), Ratio: 1, FirstPosition: rows.Length);
        Tensor outputs = _memory.Empty(1, heads * c);
        Tensor q = _memory.Rows(queries).Shaped(1, heads * c);
        _device.SparseAttention(q, context, _memory.Row(sink), 1 / MathF.Sqrt(c), outputs);
        return _memory.Read(outputs.Shaped(heads, c));
    });

    [Fact]
    public void Runs_an_expert() => AttentionExpertUnit.CheckExpert((x, w1, w2, w3, limit) =>
    {
        var expert = new ExpertOperand(_memory.Matrix(w1), _memory.Matrix(w3), _memory.Matrix(w2));
        Tensor y = _memory.Empty(1, x.Length);
        _device.Experts(
            _memory.Row(x), _memory.Ints(1, 0), _memory.Row([1]), expert, null, limit > 0 ? (float)limit : float.PositiveInfinity, y);
        return _memory.Read(y)[0];
    });

    [Theory]
    [InlineData("fp8.kv", RowKind.Fp8WithBf16Rotary)]
    [InlineData("fp8.kv_fp32_input", RowKind.Fp8WithBf16Rotary)]
    [InlineData("fp8.kv_small_values", RowKind.Fp8WithBf16Rotary)]
    [InlineData("fp8.edge", RowKind.Fp8WithBf16Rotary)]
    [InlineData("fp4.edge", RowKind.Fp4)]
    [InlineData("hadamard_fp4.d64", RowKind.Fp4)]
    [InlineData("hadamard_fp4.d128", RowKind.Fp4)]
    public void Encodes_cache_rows_bit_for_bit(string group, RowKind kind) => RoundingUnit.CheckQuantizer(group, row =>
    {
        var format = new RowFormat(kind, row.Length, 0);
        byte[] bytes = new byte[format.Bytes];
        float[] values = new float[row.Length];
        CacheRow.Encode(Singles(row), format, bytes);
        CacheRow.Decode(bytes, format, values);
        Tensor rounded = _memory.Row(row);
        _device.RoundRows(rounded, format);
        Assert.Equal(Doubles(values), _memory.Read(rounded)[0]);
        bool fp8 = kind == RowKind.Fp8WithBf16Rotary;
        int codeBytes = fp8 ? row.Length : row.Length / 2, blocks = row.Length / (fp8 ? RowFormat.Fp8Block : RowFormat.Fp4Block);
        int[] codes = [.. bytes[..codeBytes].SelectMany(code => fp8 ? new int[] { code } : [code & 15, code >> 4])];
        return new QuantizedRow(Doubles(values), codes, [.. bytes.Skip(codeBytes).Take(blocks).Select(code => code - 127)]);
    });

    [Theory]
    [InlineData("hadamard_fp4.d64")]
    [InlineData("hadamard_fp4.d128")]
    public void Rotates_by_Hadamard(string group) => RoundingUnit.CheckHadamard(group, Hadamard);

    [Fact]
    public void Rotates_the_Hadamard_example() => RoundingUnit.CheckHadamardExample(Hadamard);

    [Theory]
    [InlineData("fp8_64x256")]
    [InlineData("fp8_256x384")]
    [InlineData("fp8_ragged_200x144")]
    [InlineData("fp4_64x256")]
    [InlineData("fp4_96x128")]
    public void Multiplies_by_the_true_value_of_quantised_weights(string name) => RoundingUnit.CheckLinear(name, (file, weight) =>
    {
        string scale = weight.Replace(".weight", ".scale", StringComparison.Ordinal);
        int[] shape = file.Shape(weight), scaleShape = file.Shape(scale);
        bool fp8 = file.DType(weight) == "F8_E4M3";
        Tensor values = _memory.Upload(shape[0], shape[1], fp8 ? DType.Fp8E4M3 : DType.Fp4E2M1Pair, file.Bytes(weight));
        Tensor scales = _memory.Upload(scaleShape[0], scaleShape[1], DType.Ue8m0, file.Bytes(scale));
        WeightMatrix matrix = _memory.Pack(new RawMatrix(values, scales));
        // Unit vectors pick the columns out, exactly.
        int k = matrix.Columns;
        double[][] units = [.. Enumerable.Range(0, k).Select(i => Enumerable.Range(0, k).Select(j => i == j ? 1.0 : 0).ToArray())];
        Tensor y = _memory.Empty(k, matrix.Rows);
        _device.MatMul(matrix, _memory.Rows(units), y);
        double[][] columns = _memory.Read(y);
        return new ReferenceTensor([matrix.Rows, k], [.. Enumerable.Range(0, matrix.Rows).SelectMany(row => columns.Select(column => column[row]))]);
    });

    [Fact]
    public void Knows_every_code() => RoundingUnit.CheckTables(
        code => Fp8E4M3.Decode(code), code => Fp4E2M1.Decode(code), code => Ue8m0.Decode(code));

    private double[] Hadamard(double[] row)
    {
        Tensor x = _memory.Row(row);
        _device.Hadamard(x);
        return _memory.Read(x)[0];
    }

    private static HyperMix Mix(double[] mix, int n) => new(mix[..n], mix[n..(2 * n)], mix[(2 * n)..]);

    private static float[] Singles(double[] values) => Array.ConvertAll(values, value => (float)value);

    private static double[] Doubles(float[] values) => Array.ConvertAll(values, value => (double)value);
}
