using System.Text.Json.Nodes;

namespace Fathom.Tests.Checkpoints;

/// <summary>Rewrites a released config in the other two spellings, independently of the reader.</summary>
internal static class ConfigSpellings
{
    public static JsonObject Released(string folder) => (JsonObject)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;

    public static JsonObject Inference(JsonObject released)
    {
        (string From, string To)[] renamed =
        [
            ("hidden_size", "dim"), ("num_hidden_layers", "n_layers"), ("num_attention_heads", "n_heads"), ("moe_intermediate_size", "moe_inter_dim"),
            ("num_experts_per_tok", "n_activated_experts"), ("num_hash_layers", "n_hash_layers"), ("scoring_func", "score_func"),
            ("routed_scaling_factor", "route_scale"), ("qk_rope_head_dim", "rope_head_dim"), ("sliding_window", "window_size"),
            ("rms_norm_eps", "norm_eps"), ("num_nextn_predict_layers", "n_mtp_layers"),
        ];
        string[] kept =
        [
            "vocab_size", "q_lora_rank", "o_lora_rank", "o_groups", "head_dim", "index_n_heads", "index_head_dim", "index_topk", "hc_mult",
            "hc_sinkhorn_iters", "hc_eps", "swiglu_limit", "compress_ratios", "compress_rope_theta", "rope_theta", "n_routed_experts", "n_shared_experts",
        ];
        var result = new JsonObject { ["dtype"] = "fp8", ["scale_fmt"] = "ue8m0", ["expert_dtype"] = "fp4" };
        foreach ((string from, string to) in renamed)
        {
            result[to] = released[from]!.DeepClone();
        }
        foreach (string key in kept)
        {
            result[key] = released[key]!.DeepClone();
        }
        JsonNode yarn = released["rope_scaling"]!;
        result["rope_factor"] = yarn["factor"]!.DeepClone();
        result["original_seq_len"] = yarn["original_max_position_embeddings"]!.DeepClone();
        result["beta_fast"] = yarn["beta_fast"]!.DeepClone();
        result["beta_slow"] = yarn["beta_slow"]!.DeepClone();
        return result;
    }

    public static JsonObject Transformers(JsonObject released)
    {
        var result = (JsonObject)released.DeepClone();
        int layers = (int)released["num_hidden_layers"]!;
        int hash = (int)released["num_hash_layers"]!;
        double partial = (double)(int)released["qk_rope_head_dim"]! / (int)released["head_dim"]!;
        string[] types = [.. released["compress_ratios"]!.AsArray().Take(layers).Select(ratio => (int)ratio! switch
        {
            0 => "sliding_attention",
            4 => "compressed_sparse_attention",
            _ => "heavily_compressed_attention",
        })];
        result["layer_types"] = new JsonArray([.. types.Select(type => (JsonNode)type)]);
        result["compress_rates"] = new JsonObject { ["compressed_sparse_attention"] = 4, ["heavily_compressed_attention"] = 128 };
        result["mlp_layer_types"] = new JsonArray([.. Enumerable.Range(0, layers).Select(layer => (JsonNode)(layer < hash ? "hash_moe" : "moe"))]);
        result["partial_rotary_factor"] = partial;
        var compress = (JsonObject)released["rope_scaling"]!.DeepClone();
        compress["rope_type"] = compress["type"]!.DeepClone();
        compress["rope_theta"] = released["compress_rope_theta"]!.DeepClone();
        compress["partial_rotary_factor"] = partial;
        compress["attention_factor"] = 1.0;
        var main = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = released["rope_theta"]!.DeepClone(), ["partial_rotary_factor"] = partial };
        result["rope_parameters"] = new JsonObject { ["main"] = main, ["compress"] = compress };
        foreach (string key in new[] { "compress_ratios", "num_hash_layers", "qk_rope_head_dim", "rope_scaling", "rope_theta" })
        {
            result.Remove(key);
        }
        return result;
    }
}
