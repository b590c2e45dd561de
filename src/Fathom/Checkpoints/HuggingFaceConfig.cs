using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Checkpoints;

/// <summary>
/// config.json as published, and as transformers rewrites it. The two share most keys; where they differ, either is read, and if a file has
/// both they must agree.
/// </summary>
internal static class HuggingFaceConfig
{
    private const string Csa = "compressed_sparse_attention";
    private const string Hca = "heavily_compressed_attention";
    private const string Window = "sliding_attention";

    public static ModelConfig Read(ConfigKeys keys)
    {
        CheckFixed(keys);
        int layers = keys.Int("num_hidden_layers");
        int mtp = keys.Int("num_nextn_predict_layers");
        int headDim = keys.Int("head_dim");
        int maxPositions = keys.Int("max_position_embeddings");
        RopeConfig rope = RopeConfig.Read(keys, headDim, maxPositions);
        return new ModelConfig
        {
            HiddenSize = keys.Int("hidden_size"),
            VocabularySize = keys.Int("vocab_size"),
            LayerCount = layers,
            MtpLayerCount = mtp,
            HeadCount = keys.Int("num_attention_heads"),
            HeadDim = headDim,
            RopeDim = rope.Dim,
            QueryRank = keys.Int("q_lora_rank"),
            OutputGroups = keys.Int("o_groups"),
            OutputRank = keys.Int("o_lora_rank"),
            SlidingWindow = keys.Int("sliding_window"),
            CompressRatios = Ratios(keys, layers, mtp),
            IndexHeadCount = keys.Int("index_n_heads"),
            IndexHeadDim = keys.Int("index_head_dim"),
            IndexTopK = keys.Int("index_topk"),
            ExpertCount = keys.Int("n_routed_experts"),
            ExpertsPerToken = keys.Int("num_experts_per_tok"),
            SharedExpertCount = keys.Int("n_shared_experts"),
            ExpertHiddenSize = keys.Int("moe_intermediate_size"),
            HashLayerCount = HashLayers(keys, layers),
            Scoring = Scoring(keys, "scoring_func"),
            NormalizeExpertWeights = keys.Bool("norm_topk_prob"),
            RoutedScalingFactor = keys.Float("routed_scaling_factor"),
            SwiGluLimit = keys.Float("swiglu_limit"),
            HcMult = keys.Int("hc_mult"),
            HcSinkhornIterations = keys.Int("hc_sinkhorn_iters"),
            HcEpsilon = keys.Float("hc_eps"),
            RmsNormEpsilon = keys.Float("rms_norm_eps"),
            RopeTheta = rope.Theta,
            CompressRopeTheta = rope.CompressTheta,
            YarnFactor = rope.Factor,
            YarnOriginalContext = rope.OriginalContext,
            YarnBetaFast = rope.BetaFast,
            YarnBetaSlow = rope.BetaSlow,
            MaxPositions = maxPositions,
            BosToken = keys.Token("bos_token_id"),
            EosToken = keys.Token("eos_token_id"),
        };
    }

    /// <summary>A scoring function by its name, which all spellings share.</summary>
    public static ScoringFunction Scoring(ConfigKeys keys, string key) => keys.String(key) switch
    {
        "sqrtsoftplus" => ScoringFunction.SqrtSoftplus,
        "sigmoid" => ScoringFunction.Sigmoid,
        "softmax" => ScoringFunction.Softmax,
        string other => throw keys.Wrong(key, "sqrtsoftplus, sigmoid or softmax", $"\"{other}\""),
    };

    // What every model of the family has in common and the engine therefore has no switch for.
    private static void CheckFixed(ConfigKeys keys)
    {
        const string Next = "No DeepSeek-V4 model has another value; is this file edited?";
        keys.Must("num_key_value_heads", "1", Next);
        keys.Must("attention_bias", "false", Next);
        keys.Must("mlp_bias", "false", Next);
        keys.Must("tie_word_embeddings", "false", Next);
        keys.Must("hidden_act", "silu", Next);
        keys.Must("topk_method", "noaux_tc", Next);
        CheckQuantization(keys);
        keys.Accept("torch_dtype", "dtype", "transformers_version", "use_cache", "initializer_range", "attention_dropout", "pad_token_id",
            "output_router_logits", "router_aux_loss_coef", "router_jitter_noise", "auto_map", "_name_or_path", "return_dict",
            "output_hidden_states", "output_attentions", "is_encoder_decoder", "chunk_size_feed_forward", "id2label", "label2id",
            "problem_type", "expert_dtype");
    }

    private static void CheckQuantization(ConfigKeys keys)
    {
        const string Next = "The engine reads the number formats of the released checkpoints; convert the model to one of them.";
        if (!keys.Has("quantization_config"))
        {
            keys.Accept("quantization_config");
            return;
        }
        ConfigKeys formats = keys.Object("quantization_config");
        formats.Must("quant_method", "fp8", Next);
        formats.Must("fmt", "e4m3", Next);
        formats.Must("scale_fmt", "ue8m0", Next);
        formats.Accept("activation_scheme", "modules_to_not_convert", "dequantize");
        if (formats.Has("weight_block_size"))
        {
            IReadOnlyList<int> block = formats.Ints("weight_block_size");
            if (block is not [128, 128])
            {
                throw formats.Wrong("weight_block_size", "[128, 128]", $"[{string.Join(", ", block)}]", Next);
            }
        }
    }

    private static IReadOnlyList<int> Ratios(ConfigKeys keys, int layers, int mtp)
    {
        if (!keys.Has("layer_types"))
        {
            keys.Accept("compress_rates");
            return keys.Ints("compress_ratios");
        }
        IReadOnlyList<string> types = keys.Strings("layer_types");
        if (types.Count != layers)
        {
            throw keys.Wrong("layer_types", $"{layers} entries, one per layer", $"{types.Count}");
        }
        (int csa, int hca) = Rates(keys);
        var ratios = new List<int>(types.Select(type => type switch
        {
            Window => 0,
            Csa => csa,
            Hca => hca,
            _ => throw keys.Wrong("layer_types", $"{Window}, {Csa} or {Hca}", $"\"{type}\""),
        }));
        // transformers drops the MTP block, which attends to its window alone.
        ratios.AddRange(Enumerable.Repeat(0, Math.Clamp(mtp, 0, 1)));
        if (keys.Has("compress_ratios"))
        {
            string listed = string.Join(", ", keys.Ints("compress_ratios").Take(layers));
            keys.Agree("compress_ratios", listed, "layer_types", string.Join(", ", ratios.Take(layers)));
        }
        return ratios;
    }

    private static (int Csa, int Hca) Rates(ConfigKeys keys)
    {
        ConfigKeys rates = keys.Object("compress_rates");
        int csa = rates.Int(rates.Has("csa") ? "csa" : Csa);
        int hca = rates.Int(rates.Has("hca") ? "hca" : Hca);
        // The plan tells the kinds apart by ratio, so another pair would turn one kind into the other.
        if (csa != LayerPlan.CsaRatio || hca is LayerPlan.CsaRatio or < 1)
        {
            throw rates.Wrong(Csa, $"{LayerPlan.CsaRatio} here and any other ratio for {Hca}", $"{csa} and {hca}");
        }
        return (csa, hca);
    }

    private static int HashLayers(ConfigKeys keys, int layers)
    {
        if (!keys.Has("mlp_layer_types"))
        {
            return keys.Int("num_hash_layers");
        }
        IReadOnlyList<string> types = keys.Strings("mlp_layer_types");
        int hash = types.TakeWhile(type => type == "hash_moe").Count();
        if (types.Count != layers || types.Skip(hash).Any(type => type != "moe"))
        {
            throw keys.Wrong("mlp_layer_types", $"{layers} entries, first hash_moe, then moe", string.Join(", ", types.Take(8)));
        }
        if (keys.Has("num_hash_layers"))
        {
            keys.Agree("num_hash_layers", keys.Int("num_hash_layers"), "mlp_layer_types", hash);
        }
        return hash;
    }
}
