using CsCheck;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Devices;

public abstract partial class DeviceTests
{
    [Fact]
    public void Hyper_connections_mix_collapse_and_spread() =>
        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 100], Gen.Int[1, 13], Gen.Int[1, 20], s_seed).Sample((n, d, rows, iterations, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            const float epsilon = 1e-6f;
            int outputs = 2 * n + n * n;
            double[][] x = Normals(random, rows, n * d), f = Normals(random, rows, d), fn = Normals(random, outputs, n * d);
            // As large as the projection of a trained model: logits of order 1.
            fn = [.. fn.Select(row => row.Select(value => (double)(float)(value / Math.Sqrt(n * d))).ToArray())];
            double[] scale = Normals(random, 1, 3)[0], bias = Normals(random, 1, outputs)[0];
            ReferenceTensor projection = new([outputs, n * d], [.. fn.SelectMany(row => row)]), head = new([n, n * d], [.. fn[..n].SelectMany(row => row)]);
            var hc = new HyperConnectionOperand(memory.Matrix(projection), memory.Row(scale), memory.Row(bias), iterations, epsilon, epsilon);
            var headHc = new HyperConnectionOperand(memory.Matrix(head), memory.Row(scale[..1]), memory.Row(bias[..n]), 0, epsilon, epsilon);
            Tensor streams = memory.Rows(x), y = memory.Empty(rows, d), mix = memory.Empty(rows, outputs), collapsed = memory.Empty(rows, d);
            _device.HcHead(streams, headHc, collapsed, memory.Empty(rows, n));
            _device.HcPre(streams, hc, y, mix);
            _device.HcPost(streams, memory.Rows(f), mix);

            HyperMix[] mixes = [.. x.Select(row =>
                ReferenceHyperConnection.Split(ReferenceHyperConnection.Mixes(projection, row, epsilon), scale, bias, n, iterations, epsilon))];
            string of = $"n={n} d={d} rows={rows} iterations={iterations} seed={seed}";
            // The logits carry the projection's error, and each round of Sinkhorn adds two sums and quotients.
            double tolerance = Tolerances.Function + Tolerances.Sum(n * d) + 2 * iterations * Tolerances.Sum(n);
            Near([.. mixes.Select(m => (double[])[.. m.Pre, .. m.Post, .. m.Comb])], memory.Read(mix), tolerance, $"mix {of}");
            Near([.. x.Select((row, t) => ReferenceHyperConnection.Gather(row, mixes[t].Pre))], memory.Read(y), n * tolerance, $"pre {of}");
            Near([.. x.Select((row, t) => ReferenceHyperConnection.Post(f[t], row, mixes[t]))], memory.Read(streams), n * tolerance, $"post {of}");
            Near([.. x.Select(row => ReferenceHyperConnection.Head(row, head, scale[0], bias[..n], epsilon, epsilon))], memory.Read(collapsed), n * tolerance, $"head {of}");

            Tensor spread = memory.Empty(rows, n * d);
            _device.HcExpand(memory.Rows(f), spread);
            Assert.Equal(f.Select(row => Enumerable.Repeat(row, n).SelectMany(copy => copy)), memory.Read(spread));
        }, iter: Cases, threads: 1);

    [Theory]
    [InlineData(ScoringFunction.SqrtSoftplus)]
    [InlineData(ScoringFunction.Sigmoid)]
    [InlineData(ScoringFunction.Softmax)]
    public void Routing_chooses_and_weighs(ScoringFunction scoring) =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 9], Gen.Int[1, 13], Gen.Bool, s_seed).Sample((experts, k, rows, hash, seed) =>
        {
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            k = Math.Min(k, experts);
            bool normalize = scoring != ScoringFunction.Softmax;
            ModelConfig config = TinyModels.Flash with { NormalizeExpertWeights = normalize };
            double[][] x = Normals(random, rows, experts);
            double[] bias = Normals(random, 1, experts)[0];
            int[][] table = [.. Enumerable.Range(0, 7).Select(_ => Enumerable.Range(0, experts).OrderBy(_ => random.Next()).Take(k).ToArray())];
            int[] ids = [.. Enumerable.Range(0, rows).Select(_ => random.Next(table.Length))];
            Tensor logits = memory.Rows(x), chosen = memory.Empty(rows, k, DType.I32), weights = memory.Empty(rows, k);
            var routing = new RoutingOperand(scoring, normalize, config.RoutedScalingFactor);
            if (hash) _device.RouteByHash(logits, memory.Ints(7, [.. table.SelectMany(row => row)]), memory.Ints(1, ids), routing, chosen, weights);
            else _device.RouteByScore(logits, memory.Row(bias), routing, chosen, weights);

            double[][] scores = [.. x.Select(row => ReferenceExperts.Scores(row, scoring))], found = memory.Read(logits);
            double tolerance = Tolerances.Function + Tolerances.Sum(experts);
            string of = $"{scoring} experts={experts} k={k} hash={hash} seed={seed}";
            Near(scores, found, tolerance, of);
            // From the device's own scores, in its own precision, the choice must be exact.
            double[][] biased = [.. found.Select(row => row.Select((score, e) => (double)((float)score + (float)bias[e])).ToArray())];
            int[][] expected = [.. ids.Select((id, t) => hash ? table[id] : ReferenceExperts.Best(biased[t], new double[experts], k))];
            Assert.Equal(expected, memory.ReadInts(chosen));
            Near([.. expected.Select((row, t) => ReferenceExperts.Weights(scores[t], row, config))], memory.Read(weights), 2 * tolerance, of);
        }, iter: Cases, threads: 1);

    [Theory]
    [InlineData(ScoringFunction.SqrtSoftplus)]
    [InlineData(ScoringFunction.Sigmoid)]
    public void Experts_that_all_score_next_to_nothing_still_share_their_weight(ScoringFunction scoring)
    {
        using var memory = new DeviceMemory(_device);
        Tensor logits = memory.Row([-60, -60, -60]), chosen = memory.Empty(1, 2, DType.I32), weights = memory.Empty(1, 2);
        _device.RouteByHash(logits, memory.Ints(1, 2, 0), memory.Ints(1, 0), new RoutingOperand(scoring, Normalize: true, 1), chosen, weights);
        Near([[0.5, 0.5]], memory.Read(weights), Tolerances.Function, $"{scoring}");
    }

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.Bf16)]
    [InlineData(WeightFormat.Fp8)]
    [InlineData(WeightFormat.Fp4)]
    public void Experts_add_up(WeightFormat format) =>
        Gen.Select(Gen.Int[1, 13], Gen.Int[1, 70], Gen.Int[1, 70], Gen.Int[1, 9], Gen.Select(Gen.Bool, Gen.Bool), s_seed).Sample((rows, d, hidden, count, with, seed) =>
        {
            (bool shared, bool limited) = with;
            using var memory = new DeviceMemory(_device);
            var random = new Random(seed);
            (d, hidden) = (d + (d % 2), hidden + (hidden % 2));
            int k = random.Next(1, Math.Min(count, 4) + 1);
            double limit = limited ? 1.5 : 0;
            double[][] x = Normals(random, rows, d), factors = Normals(random, rows, k);
            int[][] ids = [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, count).OrderBy(_ => random.Next()).Take(k).ToArray())];
            (ExpertOperand routed, ReferenceTensor[][] w) = Stack(memory, random, format, count, (d, hidden));
            (ExpertOperand common, ReferenceTensor[][] sharedW) = Stack(memory, random, format, 1, (d, 2 * hidden));
            Tensor y = memory.Empty(rows, d);
            _device.Experts(
                memory.Rows(x), memory.Ints(rows, [.. ids.SelectMany(row => row)]), memory.Rows(factors), routed, shared ? common : null,
                limited ? (float)limit : float.PositiveInfinity, y);
            double[][] found = memory.Read(y);
            for (int t = 0; t < rows; t++)
            {
                var sum = new ExpertSum(x[t], limit, k + 1);
                for (int i = 0; i < k; i++) sum.Add(w[ids[t][i]], factors[t][i]);
                if (shared) sum.Add(sharedW[0], 1);
                sum.Check(found[t], $"{format} row {t} of {rows}, d={d} hidden={hidden} experts={count} k={k} shared={shared} limit={limit} seed={seed}");
            }
        }, iter: Cases, threads: 1);

    // w1, w2, w3 of each expert.
    private static (ExpertOperand Operand, ReferenceTensor[][] Values) Stack(
        DeviceMemory memory, Random random, WeightFormat format, int count, (int D, int Hidden) size)
    {
        var gates = Enumerable.Range(0, count).Select(_ => Weight(memory, random, format, size.Hidden, size.D)).ToArray();
        var downs = Enumerable.Range(0, count).Select(_ => Weight(memory, random, format, size.D, size.Hidden)).ToArray();
        var ups = Enumerable.Range(0, count).Select(_ => Weight(memory, random, format, size.Hidden, size.D)).ToArray();
        var operand = new ExpertOperand(
            memory.Pack([.. gates.Select(w => w.Raw)]), memory.Pack([.. ups.Select(w => w.Raw)]), memory.Pack([.. downs.Select(w => w.Raw)]));
        return (operand, [.. Enumerable.Range(0, count).Select(e => (ReferenceTensor[])[gates[e].Values, downs[e].Values, ups[e].Values])]);
    }
}
