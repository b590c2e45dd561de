using CsCheck;
using Fathom.Devices;
using Fathom.Tensors;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Devices;

public abstract partial class DeviceTests
{
    private static readonly Gen<RowFormat> s_format = Gen.Select(
        Gen.Enum<RowKind>(), Gen.Int[1, 90], Gen.Int[0, 20], (kind, plain, pairs) => new RowFormat(kind, plain + (2 * pairs), 2 * pairs));

    [Fact]
    public void RoundRows_is_what_storing_and_reading_does() =>
        Gen.Select(s_format, Gen.Int[1, 40], Gen.Int[0, 60], s_seed).Sample((format, rows, first, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            double[][] x = Normals(new Random(seed), rows, format.Dim);
            Tensor rounded = memory.Rows(x), ring = memory.Empty(rows, format.Bytes, DType.U8), window = memory.Empty(rows, format.Dim);
            _device.RoundRows(rounded, format);
            double[][] expected = memory.Read(rounded);
            Assert.Equal(x.Select(row => Rounded(row, format)), expected);
            _device.RoundRows(rounded, format);
            Assert.Equal(expected, memory.Read(rounded));

            // All but the oldest row come back out of a ring, in the order of their positions.
            _device.StoreRing(memory.Rows(x), first, format, ring);
            _device.LoadWindow(ring, format, first + rows, memory.Rows(x[..1]), window);
            Assert.Equal([.. expected[1..], x[0]], memory.Read(window));
        }, iter: 4 * Cases, threads: 1);

    [Fact]
    public void StoreRing_keeps_the_last_rows_however_they_come() =>
        Gen.Select(Gen.Int[1, 20], Gen.Int[1, 30].Array[1, 8], s_seed).Sample((length, pieces, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var format = new RowFormat(RowKind.F32, 3, 0);
            double[][] x = Normals(new Random(seed), pieces.Sum() + 1, 3);
            Tensor ring = memory.Empty(length, format.Bytes, DType.U8);
            int first = 0;
            foreach (int count in pieces)
            {
                Tensor rows = memory.Rows(x[first..(first + count)]), window = memory.Empty(length - 1 + count, 3);
                _device.LoadWindow(ring, format, first, rows, window);
                int missing = Math.Max(0, length - 1 - first);
                Assert.Equal(x[Math.Max(0, first - length + 1)..(first + count)], memory.Read(window)[missing..]);
                _device.StoreRing(rows, first, format, ring);
                first += count;
            }
        }, iter: Cases, threads: 1);

    [Fact]
    public void Compress_pools_the_windows_that_close() =>
        Gen.Select(Gen.Int[1, 9], Gen.Int[1, 2], Gen.Int[1, 40], Gen.Int[1, 23].Array[1, 6], s_seed).Sample((ratio, windows, d, pieces, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            int total = pieces.Sum(), width = windows * d;
            double[][] a = Normals(random, total, width), b = Normals(random, total, width), bias = Normals(random, ratio, width);
            Tensor valueRing = memory.Empty(windows * ratio, width), gateRing = memory.Empty(windows * ratio, width);
            var format = new RowFormat(RowKind.F32, width, 0);
            var found = new List<double[]>();
            int first = 0;
            foreach (int count in pieces)
            {
                Tensor values = memory.Rows(a[first..(first + count)]), gates = memory.Rows(b[first..(first + count)]);
                var operand = new CompressOperand(values, gates, valueRing, gateRing, memory.Rows(bias), ratio, first);
                Tensor entries = memory.Empty(operand.EntryCount, d);
                _device.Compress(operand, entries);
                found.AddRange(memory.Read(entries));
                _device.StoreRing(values, first, format, Bytes(valueRing));
                _device.StoreRing(gates, first, format, Bytes(gateRing));
                first += count;
            }

            double[][] expected = [.. Enumerable.Range(0, total / ratio).Select(e => Pool(a, b, bias, e, windows))];
            Near(expected, [.. found], Tolerances.Function + Tolerances.Sum(windows * ratio), $"ratio={ratio} windows={windows} d={d} pieces={string.Join(' ', pieces)} seed={seed}");
        }, iter: 2 * Cases, threads: 1);

    [Fact]
    public void SelectRows_takes_the_best_and_the_lower_of_equals() =>
        Gen.Select(Gen.Int[1, 13], Gen.Int[1, 4], Gen.Int[1, 5], Gen.Int[0, 300], Gen.Int[1, 60], s_seed).Sample((rows, heads, ratio, first, k, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            const int d = 4;
            // Small integers: many equal scores, all exact.
            double[][] Small(int count, int width) => [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, width).Select(_ => (double)random.Next(-1, 2)).ToArray())];
            int visible = (first + rows) / ratio;
            double[][] queries = Small(rows, heads * d), weights = Small(rows, heads), keys = Small(visible, d);
            RowBlocks blocks = memory.Blocks(new RowFormat(RowKind.F32, d, 0), visible, rowsPerBlock: 37, offset: 64);
            if (visible > 0) _device.StoreRows(memory.Rows(keys), 0, blocks);
            Tensor selection = memory.Empty(rows, k, DType.I32);
            _device.SelectRows(memory.Rows(queries), memory.Rows(weights), blocks, ratio, first, selection);
            int[][] found = memory.ReadInts(selection);
            for (int t = 0; t < rows; t++)
            {
                double[] scores = [.. keys[..((first + t + 1) / ratio)].Select(key => Score(queries[t], weights[t], key))];
                int[] best = ReferenceIndexer.TopK(scores, Math.Min(k, scores.Length));
                Assert.Equal([.. best, .. Enumerable.Repeat(-1, k - best.Length)], found[t]);
            }
        }, iter: 2 * Cases, threads: 1);

    [Fact]
    public void SparseAttention_unites_window_and_entries() =>
        Gen.Select(s_format, Gen.Int[1, 5], Gen.Int[1, 13], Gen.Int[1, 40], Gen.Int[0, 90], Gen.Int[0, 9], s_seed).Sample((format, heads, rows, length, first, ratio, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            int c = format.Dim, visible = ratio == 0 ? 0 : (first + rows) / ratio;
            double[][] queries = Normals(random, rows, heads * c), window = Normals(random, length - 1 + rows, c);
            double[][] entries = [.. Normals(random, visible, c).Select(row => Rounded(row, format))];
            double[] sink = Normals(random, 1, heads)[0];
            RowBlocks blocks = memory.Blocks(format, visible, rowsPerBlock: 5);
            if (visible > 0) _device.StoreRows(memory.Rows(entries), 0, blocks);
            int[][]? chosen = ratio == 0 || random.Next(2) == 0 ? null
                : [.. Enumerable.Range(0, rows).Select(t => Enumerable.Range(0, (first + t + 1) / ratio).Where(_ => random.Next(3) > 0).ToArray())];
            var context = new ContextOperand(memory.Rows(window), blocks, chosen is null ? default : Padded(memory, chosen), ratio, first);
            Tensor outputs = memory.Empty(rows, heads * c);
            _device.SparseAttention(memory.Rows(queries), context, memory.Row(sink), 1 / MathF.Sqrt(c), outputs);
            double[][] expected = [.. queries.Select((row, t) =>
            {
                int[] seen = chosen?[t] ?? [.. Enumerable.Range(0, context.Visible(first + t))];
                double[][] candidates = [.. window[Math.Max(t, length - 1 - first)..(length + t)], .. seen.Select(entry => entries[entry])];
                return ReferenceAttention.SparseAttention([.. row.Chunk(c)], candidates, sink).SelectMany(head => head).ToArray();
            })];
            Near(expected, memory.Read(outputs), Tolerances.Function + Tolerances.Sum(length + visible + c), $"{format} heads={heads} rows={rows} window={length} first={first} ratio={ratio} seed={seed}");
        }, iter: 3 * Cases, threads: 1);

    private static Tensor Padded(DeviceMemory memory, int[][] chosen)
    {
        int k = chosen.Max(row => row.Length) + 1;
        return memory.Ints(chosen.Length, [.. chosen.SelectMany(row => (int[])[.. row, .. Enumerable.Repeat(-1, k - row.Length)])]);
    }

    private static double Score(double[] queries, double[] weights, double[] key) =>
        queries.Chunk(key.Length).Select((query, j) => weights[j] * Math.Max(0, ReferenceLinear.Dot(query, key))).Sum();

    private static double[] Rounded(double[] row, RowFormat format) => format.Kind switch
    {
        RowKind.F32 => row,
        RowKind.Bf16 => ReferenceRounding.Bf16(row),
        RowKind.Fp4 => [.. row.Chunk(RowFormat.Fp4Block).SelectMany(block => ReferenceRounding.Fp4(block, block.Length).Values)],
        _ => [.. row[..format.NonRotaryDim].Chunk(RowFormat.Fp8Block).SelectMany(block => ReferenceRounding.Fp8(block, block.Length).Values),
            .. ReferenceRounding.Bf16(row[format.NonRotaryDim..])],
    };

    private static double[] Pool(double[][] a, double[][] b, double[][] bias, int entry, int windows)
    {
        int ratio = bias.Length, d = a[0].Length / windows;
        var slots = (from s in Enumerable.Range(0, windows * ratio)
                     let position = ((entry + 1 - windows) * ratio) + s
                     where position >= 0
                     select (Position: position, Channel: s / ratio * d)).ToArray();
        return [.. Enumerable.Range(0, d).Select(u =>
        {
            double[] gates = [.. slots.Select(s => b[s.Position][s.Channel + u] + bias[s.Position % ratio][s.Channel + u])];
            double[] weights = [.. gates.Select(gate => Math.Exp(gate - gates.Max()))];
            return slots.Select((s, i) => weights[i] * a[s.Position][s.Channel + u]).Sum() / weights.Sum();
        })];
    }

    private static Tensor Bytes(in Tensor ring) => new(ring.Storage!, ring.Offset, DType.U8, 1, ring.Rows, ring.Columns * sizeof(float));
}
