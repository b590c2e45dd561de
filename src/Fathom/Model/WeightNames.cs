using System.Globalization;

namespace Fathom.Model;

/// <summary>The two ways in which checkpoints name their tensors.</summary>
public enum WeightSpelling
{
    /// <summary>DeepSeek's: embed.weight, layers.0.attn.wq_a.weight.</summary>
    Official,

    /// <summary>Hugging Face transformers': model.embed_tokens.weight; experts may be stacked; MTP blocks are dropped.</summary>
    Transformers,
}

/// <summary>Where a weight can lie in a checkpoint.</summary>
/// <param name="Name">the tensor</param> <param name="ScaleName">its scales, if it is quantised</param>
/// <param name="Expert">plane of a stack of experts, or −1 where the tensor is this weight alone</param>
/// <param name="FirstRow">row within the plane where the weight begins</param>
public readonly record struct WeightPlace(string Name, string ScaleName, int Expert = -1, int FirstRow = 0);

/// <summary>The one list of what every tensor is called; the loader, inspection, the converter and the trainer share it.</summary>
public static class WeightNames
{
    private const string WeightSuffix = ".weight";
    private const string ScaleSuffix = ".scale";
    private const string ExpertMark = "*";

    /// <summary>The spelling of a checkpoint, by its embedding; null if it has none under either name.</summary>
    /// <param name="contains">whether the checkpoint has a tensor</param>
    public static WeightSpelling? Detect(Func<string, bool> contains)
    {
        ArgumentNullException.ThrowIfNull(contains);
        return contains(InLayer(WeightPart.Embedding)) ? WeightSpelling.Official
            : contains("model." + Transformers(WeightPart.Embedding)) ? WeightSpelling.Transformers
            : null;
    }

    /// <summary>The official name of a weight; MTP blocks are mtp.0 … for layers from <paramref name="layerCount"/> on.</summary>
    public static string Name(WeightKey key, int layerCount)
    {
        string name = InLayer(key.Part).Replace(ExpertMark, Number(key.Expert), StringComparison.Ordinal);
        return key.Layer < 0 ? name
            : key.Layer < layerCount ? $"layers.{Number(key.Layer)}.{name}"
            : $"mtp.{Number(key.Layer - layerCount)}.{name}";
    }

    /// <summary>The official name of a part of a layer as a whole; * stands for every expert's number.</summary>
    public static string StackName(WeightPart part, int layer, int layerCount) =>
        Name(new WeightKey(part, layer), layerCount).Replace(Number(-1), ExpertMark, StringComparison.Ordinal);

    /// <summary>Every place where a checkpoint of a spelling may hold the weight, the usual one first; none where the spelling drops it.</summary>
    /// <param name="weight">the weight</param> <param name="spelling">the checkpoint's spelling</param>
    /// <param name="layerCount">main layers of the model</param>
    public static IReadOnlyList<WeightPlace> Places(ExpectedWeight weight, WeightSpelling spelling, int layerCount)
    {
        ArgumentNullException.ThrowIfNull(weight);
        WeightKey key = weight.Key;
        if (spelling == WeightSpelling.Official)
        {
            return [new WeightPlace(weight.Name, weight.ScaleName)];
        }
        if (key.Layer >= layerCount)
        {
            return [];
        }
        string prefix = key.Layer >= 0 ? $"model.layers.{Number(key.Layer)}." : key.Part == WeightPart.Head ? "" : "model.";
        string expert = $"{prefix}mlp.experts.{Number(key.Expert)}.";
        return key.Part switch
        {
            WeightPart.ExpertGate => [Stack(prefix + "mlp.experts.gate_up_proj", key.Expert, 0), Transformed(expert + "gate_proj.weight")],
            WeightPart.ExpertUp => [Stack(prefix + "mlp.experts.gate_up_proj", key.Expert, weight.Rows), Transformed(expert + "up_proj.weight")],
            WeightPart.ExpertDown => [Stack(prefix + "mlp.experts.down_proj", key.Expert, 0), Transformed(expert + "down_proj.weight")],
            WeightPart.IndexHeadWeights => [
                Transformed(prefix + "self_attn.compressor.indexer.scorer.weights_proj.weight"),
                Transformed(prefix + "self_attn.compressor.indexer.weights_proj.weight")],
            _ => [Transformed(prefix + Transformers(key.Part))],
        };
    }

    /// <summary>The official name of a part within its layer; * stands for an expert's number.</summary>
    public static string InLayer(WeightPart part) => Names(part).Official;

    /// <summary>The official name of a weight's scales.</summary>
    internal static string OfficialScale(string name) =>
        name.EndsWith(WeightSuffix, StringComparison.Ordinal)
            ? string.Concat(name.AsSpan(0, name.Length - WeightSuffix.Length), ScaleSuffix)
            : name + ScaleSuffix;

    private static WeightPlace Transformed(string name) => new(name, name + "_scale_inv");

    private static WeightPlace Stack(string name, int expert, int firstRow) => new(name, name + "_scale_inv", expert, firstRow);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Transformers(WeightPart part) => Names(part).Transformers;

    // Experts and the indexer's head weights have several transformers names, so Places spells them out.
    private static (string Official, string Transformers) Names(WeightPart part) => part switch
    {
        WeightPart.Embedding => ("embed.weight", "embed_tokens.weight"),
        WeightPart.Head => ("head.weight", "lm_head.weight"),
        WeightPart.FinalNorm => ("norm.weight", "norm.weight"),
        WeightPart.HcHeadFn => ("hc_head_fn", "hc_head.hc_fn"),
        WeightPart.HcHeadBase => ("hc_head_base", "hc_head.hc_base"),
        WeightPart.HcHeadScale => ("hc_head_scale", "hc_head.hc_scale"),
        WeightPart.AttentionNorm => ("attn_norm.weight", "input_layernorm.weight"),
        WeightPart.ExpertsNorm => ("ffn_norm.weight", "post_attention_layernorm.weight"),
        WeightPart.HcAttentionFn => ("hc_attn_fn", "attn_hc.fn"),
        WeightPart.HcAttentionBase => ("hc_attn_base", "attn_hc.base"),
        WeightPart.HcAttentionScale => ("hc_attn_scale", "attn_hc.scale"),
        WeightPart.HcExpertsFn => ("hc_ffn_fn", "ffn_hc.fn"),
        WeightPart.HcExpertsBase => ("hc_ffn_base", "ffn_hc.base"),
        WeightPart.HcExpertsScale => ("hc_ffn_scale", "ffn_hc.scale"),
        WeightPart.Sink => ("attn.attn_sink", "self_attn.sinks"),
        WeightPart.QueryDown => ("attn.wq_a.weight", "self_attn.q_a_proj.weight"),
        WeightPart.QueryNorm => ("attn.q_norm.weight", "self_attn.q_a_norm.weight"),
        WeightPart.QueryUp => ("attn.wq_b.weight", "self_attn.q_b_proj.weight"),
        WeightPart.KeyValue => ("attn.wkv.weight", "self_attn.kv_proj.weight"),
        WeightPart.KeyValueNorm => ("attn.kv_norm.weight", "self_attn.kv_norm.weight"),
        WeightPart.OutputDown => ("attn.wo_a.weight", "self_attn.o_a_proj.weight"),
        WeightPart.OutputUp => ("attn.wo_b.weight", "self_attn.o_b_proj.weight"),
        WeightPart.CompressorKv => ("attn.compressor.wkv.weight", "self_attn.compressor.kv_proj.weight"),
        WeightPart.CompressorGate => ("attn.compressor.wgate.weight", "self_attn.compressor.gate_proj.weight"),
        WeightPart.CompressorPositionBias => ("attn.compressor.ape", "self_attn.compressor.position_bias"),
        WeightPart.CompressorNorm => ("attn.compressor.norm.weight", "self_attn.compressor.kv_norm.weight"),
        WeightPart.IndexQuery => ("attn.indexer.wq_b.weight", "self_attn.compressor.indexer.q_b_proj.weight"),
        WeightPart.IndexHeadWeights => ("attn.indexer.weights_proj.weight", ""),
        WeightPart.IndexCompressorKv => ("attn.indexer.compressor.wkv.weight", "self_attn.compressor.indexer.kv_proj.weight"),
        WeightPart.IndexCompressorGate => ("attn.indexer.compressor.wgate.weight", "self_attn.compressor.indexer.gate_proj.weight"),
        WeightPart.IndexCompressorPositionBias => ("attn.indexer.compressor.ape", "self_attn.compressor.indexer.position_bias"),
        WeightPart.IndexCompressorNorm => ("attn.indexer.compressor.norm.weight", "self_attn.compressor.indexer.kv_norm.weight"),
        WeightPart.Router => ("ffn.gate.weight", "mlp.gate.weight"),
        WeightPart.RouterBias => ("ffn.gate.bias", "mlp.gate.e_score_correction_bias"),
        WeightPart.ExpertsByToken => ("ffn.gate.tid2eid", "mlp.gate.tid2eid"),
        WeightPart.ExpertGate => ("ffn.experts.*.w1.weight", ""),
        WeightPart.ExpertUp => ("ffn.experts.*.w3.weight", ""),
        WeightPart.ExpertDown => ("ffn.experts.*.w2.weight", ""),
        WeightPart.SharedGate => ("ffn.shared_experts.w1.weight", "mlp.shared_experts.gate_proj.weight"),
        WeightPart.SharedUp => ("ffn.shared_experts.w3.weight", "mlp.shared_experts.up_proj.weight"),
        WeightPart.SharedDown => ("ffn.shared_experts.w2.weight", "mlp.shared_experts.down_proj.weight"),
        WeightPart.MtpEmbedding => ("e_proj.weight", ""),
        WeightPart.MtpHidden => ("h_proj.weight", ""),
        WeightPart.MtpEmbeddingNorm => ("enorm.weight", ""),
        WeightPart.MtpHiddenNorm => ("hnorm.weight", ""),
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "not a weight"),
    };
}
