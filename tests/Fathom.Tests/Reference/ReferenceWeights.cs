using Fathom.Model;

namespace Fathom.Tests.Reference;

/// <summary>One weight to be exported: shape, values, and the released dtype ("F32", "BF16" or "I64") that holds them exactly.</summary>
internal sealed record WeightArray(int[] Shape, float[] Values, string DType);

/// <summary>Seeded weights for any config, under the released names, so that engine and reference can be compared on arbitrary shapes.</summary>
internal sealed class ReferenceWeights
{
    private readonly Dictionary<string, WeightArray> _weights = [];
    private readonly ModelConfig _config;
    private readonly Random _random;

    private ReferenceWeights(ModelConfig config, int seed)
    {
        _config = config;
        _random = new Random(seed);
    }

    /// <summary>The same config and seed give the same weights. BF16 weights hold bf16 numbers, so exporting them loses nothing.</summary>
    public static Dictionary<string, WeightArray> Random(ModelConfig config, int seed)
    {
        ReferenceWeights made = new(config, seed);
        made.AddModel();
        return made._weights;
    }

    private void AddModel()
    {
        AddBf16("embed.weight", [_config.VocabularySize, _config.HiddenSize], 1);
        AddLinear("head.weight", _config.VocabularySize, _config.HiddenSize);
        AddHead("");
        for (int layer = 0; layer < _config.LayerCount; layer++) AddBlock($"layers.{layer}", LayerPlan.For(_config, layer));
        for (int mtp = 0; mtp < _config.MtpLayerCount; mtp++)
        {
            string prefix = $"mtp.{mtp}";
            AddBlock(prefix, LayerPlan.For(_config, _config.LayerCount + mtp));
            AddLinear($"{prefix}.e_proj.weight", _config.HiddenSize, _config.HiddenSize);
            AddLinear($"{prefix}.h_proj.weight", _config.HiddenSize, _config.HiddenSize);
            AddNorm($"{prefix}.enorm.weight", _config.HiddenSize);
            AddNorm($"{prefix}.hnorm.weight", _config.HiddenSize);
            AddHead($"{prefix}.");
        }
    }

    private void AddHead(string prefix)
    {
        AddNorm($"{prefix}norm.weight", _config.HiddenSize);
        AddHyperConnection($"{prefix}hc_head", _config.HcMult, 1);
    }

    private void AddBlock(string prefix, LayerPlan plan)
    {
        int n = _config.HcMult;
        AddNorm($"{prefix}.attn_norm.weight", _config.HiddenSize);
        AddNorm($"{prefix}.ffn_norm.weight", _config.HiddenSize);
        AddHyperConnection($"{prefix}.hc_attn", 2 * n + n * n, 3);
        AddHyperConnection($"{prefix}.hc_ffn", 2 * n + n * n, 3);
        AddAttention($"{prefix}.attn", plan);
        AddExperts($"{prefix}.ffn", plan);
    }

    private void AddAttention(string prefix, LayerPlan plan)
    {
        AddLinear($"{prefix}.wq_a.weight", _config.QueryRank, _config.HiddenSize);
        AddNorm($"{prefix}.q_norm.weight", _config.QueryRank);
        AddLinear($"{prefix}.wq_b.weight", _config.HeadCount * _config.HeadDim, _config.QueryRank);
        AddLinear($"{prefix}.wkv.weight", _config.HeadDim, _config.HiddenSize);
        AddNorm($"{prefix}.kv_norm.weight", _config.HeadDim);
        AddLinear($"{prefix}.wo_a.weight", _config.OutputGroups * _config.OutputRank, _config.HeadCount / _config.OutputGroups * _config.HeadDim);
        AddLinear($"{prefix}.wo_b.weight", _config.HiddenSize, _config.OutputGroups * _config.OutputRank);
        AddF32($"{prefix}.attn_sink", [_config.HeadCount], 1);
        if (plan.Attention != AttentionKind.Window) AddCompressor($"{prefix}.compressor", plan, _config.HeadDim);
        if (plan.Attention != AttentionKind.Csa) return;
        AddLinear($"{prefix}.indexer.wq_b.weight", _config.IndexHeadCount * _config.IndexHeadDim, _config.QueryRank);
        AddLinear($"{prefix}.indexer.weights_proj.weight", _config.IndexHeadCount, _config.HiddenSize);
        AddCompressor($"{prefix}.indexer.compressor", plan, _config.IndexHeadDim);
    }

    private void AddCompressor(string prefix, LayerPlan plan, int headDim)
    {
        AddLinear($"{prefix}.wkv.weight", plan.WindowsPerEntry * headDim, _config.HiddenSize);
        AddLinear($"{prefix}.wgate.weight", plan.WindowsPerEntry * headDim, _config.HiddenSize);
        AddNorm($"{prefix}.norm.weight", headDim);
        AddF32($"{prefix}.ape", [plan.Ratio, plan.WindowsPerEntry * headDim], 0.5);
    }

    private void AddExperts(string prefix, LayerPlan plan)
    {
        AddLinear($"{prefix}.gate.weight", _config.ExpertCount, _config.HiddenSize);
        if (plan.Routing == RoutingKind.Hash) AddExpertTable($"{prefix}.gate.tid2eid");
        else AddF32($"{prefix}.gate.bias", [_config.ExpertCount], 0.1);
        for (int e = 0; e < _config.ExpertCount; e++) AddExpert($"{prefix}.experts.{e}", _config.ExpertHiddenSize);
        AddExpert($"{prefix}.shared_experts", _config.SharedExpertCount * _config.ExpertHiddenSize);
    }

    private void AddExpert(string prefix, int width)
    {
        AddLinear($"{prefix}.w1.weight", width, _config.HiddenSize);
        AddLinear($"{prefix}.w2.weight", _config.HiddenSize, width);
        AddLinear($"{prefix}.w3.weight", width, _config.HiddenSize);
    }

    /// <summary>For every token, different experts.</summary>
    private void AddExpertTable(string name)
    {
        int[] experts = [.. Enumerable.Range(0, _config.ExpertCount)];
        float[] table = new float[_config.VocabularySize * _config.ExpertsPerToken];
        for (int token = 0; token < _config.VocabularySize; token++)
        {
            _random.Shuffle(experts);
            for (int i = 0; i < _config.ExpertsPerToken; i++) table[token * _config.ExpertsPerToken + i] = experts[i];
        }

        _weights.Add(name, new WeightArray([_config.VocabularySize, _config.ExpertsPerToken], table, "I64"));
    }

    private void AddHyperConnection(string prefix, int rows, int scales)
    {
        int columns = _config.HcMult * _config.HiddenSize;
        AddF32($"{prefix}_fn", [rows, columns], 1 / Math.Sqrt(columns));
        AddF32($"{prefix}_base", [rows], 0.5);
        AddF32($"{prefix}_scale", [scales], 0.5);
    }

    // Twice the variance that keeps a unit input's scale, so that differences between tokens stay large beside roundings.
    private void AddLinear(string name, int output, int input) => AddBf16(name, [output, input], Math.Sqrt(2.0 / input));

    private void AddNorm(string name, int width) => Add(name, [width], "BF16", () => (float)ReferenceRounding.Bf16(1 + 0.2 * Normal()));

    private void AddBf16(string name, int[] shape, double deviation) =>
        Add(name, shape, "BF16", () => (float)ReferenceRounding.Bf16(deviation * Normal()));

    private void AddF32(string name, int[] shape, double deviation) => Add(name, shape, "F32", () => (float)(deviation * Normal()));

    private void Add(string name, int[] shape, string dtype, Func<float> next)
    {
        float[] values = new float[shape.Aggregate(1, (product, size) => product * size)];
        for (int i = 0; i < values.Length; i++) values[i] = next();
        _weights.Add(name, new WeightArray(shape, values, dtype));
    }

    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
}
