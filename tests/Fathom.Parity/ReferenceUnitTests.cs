using Fathom.Devices;
using Fathom.Model;
using Fathom.Parity.Units;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Parity;

/// <summary>The reference model's parts against the unit vectors.</summary>
public class ReferenceUnitTests
{
    private const float CompressTheta = 160000;

    [Theory]
    [InlineData("normal")]
    [InlineData("wide")]
    [InlineData("extreme")]
    [InlineData("iters1")]
    [InlineData("iters3")]
    [InlineData("hc2")]
    [InlineData("hc8")]
    public void Splits_mixes(string name) => MhcUnit.CheckSplit(name, c =>
        ReferenceHyperConnection.Split(c.Mixes, c.Scale, c.Bias, c.Streams, c.Iterations, MhcUnit.Epsilon));

    [Fact]
    public void Runs_mHC_from_streams_to_head() => MhcUnit.CheckBlock(c =>
    {
        int n = c.HeadBias.Length;
        HyperMix[] mixes = [.. c.Streams.Select(streams => ReferenceHyperConnection.Split(
            ReferenceHyperConnection.Mixes(c.Fn, streams, MhcUnit.Epsilon), c.Scale, c.Bias, n, 20, MhcUnit.Epsilon))];
        return new MhcUnit.BlockResult(
            [.. c.Streams.Select((streams, t) => ReferenceHyperConnection.Gather(streams, mixes[t].Pre))],
            mixes,
            [.. c.Streams.Select((streams, t) => ReferenceHyperConnection.Post(c.SublayerOutput[t], streams, mixes[t]))],
            [.. c.Streams.Select(streams =>
                ReferenceHyperConnection.Head(streams, c.HeadFn, c.HeadScale, c.HeadBias, MhcUnit.Epsilon, MhcUnit.Epsilon))]);
    });

    [Theory]
    [InlineData("r4")]
    [InlineData("r4_len3")]
    [InlineData("r4_len4")]
    [InlineData("r4_hd512")]
    [InlineData("r128")]
    [InlineData("r128_short")]
    public void Compresses(string name) => CompressorUnit.Check(name, c =>
        new ReferenceCompressor(c.Weights, CompressorUnit.Prefix, c.Shape, c.Rope).Entries(c.X, CacheRounding.None));

    [Theory]
    [InlineData("a")]
    [InlineData("real")]
    public void Scores_and_chooses_entries(string name) => IndexerUnit.Check(name, c =>
    {
        IndexTrace trace = new ReferenceIndexer(c.Weights, IndexerUnit.Prefix, c.Shape, c.Rope).Run(c.X, c.Latent, CacheRounding.None);
        return (trace.Scores, trace.TopK);
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
        ModelConfig config = TinyModels.Flash with { NormalizeExpertWeights = c.Normalize, RoutedScalingFactor = c.Scale };
        double[] logits = ReferenceLinear.Apply(c.Weight, c.X);
        double[] scores = ReferenceExperts.Scores(logits, c.Scoring);
        int[] ids = c.HashRow ?? ReferenceExperts.Best(scores, c.Bias ?? [], c.Count);
        return new RouterUnit.Result(logits, scores, new Routing(ids, ReferenceExperts.Weights(scores, ids, config)));
    });

    [Theory]
    [InlineData("main_real", 64, 10000, 1, 0)]
    [InlineData("compress_noyarn", 64, CompressTheta, 1, 0)]
    [InlineData("compress_real", 64, CompressTheta, 16, 65536)]
    [InlineData("compress_tiny", 16, CompressTheta, 16, 32)]
    [InlineData("compress_tiny2", 16, 40000, 8, 64)]
    public void Rotates(string name, int ropeDim, float theta, float factor, int originalContext)
    {
        float[] plain = ReferenceRope.Plain(ropeDim, theta);
        ReferenceRope rope = new(originalContext == 0 ? plain : ReferenceRope.Yarn(plain, theta, factor, originalContext, (32, 1)));
        RopeUnit.Check(name, (positions, x, heads) => new RopeUnit.Result(
            [.. rope.Frequencies],
            [.. positions.Select(position => rope.Table(position).Cos)],
            [.. positions.Select(position => rope.Table(position).Sin)],
            [.. x.Select((row, i) => rope.Rotate(row, positions[i / heads]))]));
    }

    [Theory]
    [InlineData("small")]
    [InlineData("d512")]
    public void Attends_with_a_sink(string name) => AttentionExpertUnit.CheckAttention(name, (queries, keyValues, chosen, sink) =>
        ReferenceAttention.SparseAttention(queries, [.. chosen.Where(row => row >= 0).Select(row => keyValues[row])], sink));

    [Fact]
    public void Runs_an_expert() => AttentionExpertUnit.CheckExpert((x, w1, w2, w3, limit) => ReferenceExperts.SwiGlu(x, w1, w2, w3, limit, 1));

    [Theory]
    [InlineData("fp8.kv")]
    [InlineData("fp8.kv_fp32_input")]
    [InlineData("fp8.kv_small_values")]
    [InlineData("fp8.edge")]
    public void Rounds_to_FP8_bit_for_bit(string group) =>
        RoundingUnit.CheckQuantizer(group, row => ReferenceRounding.Fp8(row, ReferenceRounding.KvBlock));

    [Theory]
    [InlineData("fp4.edge")]
    [InlineData("hadamard_fp4.d64")]
    [InlineData("hadamard_fp4.d128")]
    public void Rounds_to_FP4_bit_for_bit(string group) =>
        RoundingUnit.CheckQuantizer(group, row => ReferenceRounding.Fp4(row, ReferenceRounding.IndexBlock));

    [Theory]
    [InlineData("hadamard_fp4.d64")]
    [InlineData("hadamard_fp4.d128")]
    public void Rotates_by_Hadamard(string group) => RoundingUnit.CheckHadamard(group, row => ReferenceRounding.Hadamard(row));

    [Theory]
    [InlineData("fp8_64x256")]
    [InlineData("fp8_256x384")]
    [InlineData("fp8_ragged_200x144")]
    [InlineData("fp4_64x256")]
    [InlineData("fp4_96x128")]
    public void Dequantises_weights(string name) => RoundingUnit.CheckLinear(name, (file, weight) => file.Weight(weight));

    [Fact]
    public void Knows_every_code() =>
        RoundingUnit.CheckTables(ReferenceRounding.Fp8Value, ReferenceRounding.Fp4Value, ReferenceRounding.ScaleValue);

    [Fact]
    public void Quantises_activations_and_rotates_the_examples()
    {
        RoundingUnit.CheckActivations("fp8_block128", row => ReferenceRounding.Fp8(row, 128));
        RoundingUnit.CheckActivations("fp8_block64", row => ReferenceRounding.Fp8(row, 64));
        RoundingUnit.CheckActivations("fp4_block32", row => ReferenceRounding.Fp4(row, 32));
        RoundingUnit.CheckHadamardExample(row => ReferenceRounding.Hadamard(row));
    }
}
