namespace Fathom.Checkpoints;

/// <summary>The rotary keys of a Hugging Face config: rope_scaling beside two θ, or transformers' rope_parameters for "main" and "compress".</summary>
internal sealed record RopeConfig
{
    // Without scaling the remaining numbers of YaRN have no effect; these are the ones of the released models.
    private const float UnusedBetaFast = 32;
    private const float UnusedBetaSlow = 1;

    public required int Dim { get; init; }
    public required float Theta { get; init; }
    public required float CompressTheta { get; init; }
    public float Factor { get; init; } = 1;
    public required int OriginalContext { get; init; }
    public float BetaFast { get; init; } = UnusedBetaFast;
    public float BetaSlow { get; init; } = UnusedBetaSlow;

    public static RopeConfig Read(ConfigKeys keys, int headDim, int maxPositions)
    {
        if (keys.HasObject("rope_parameters"))
        {
            ConfigKeys sets = keys.Object("rope_parameters");
            if (keys.Has("rope_scaling"))
            {
                throw keys.Wrong("rope_scaling", "rope_scaling or rope_parameters", "both", "Remove the one that is out of date.");
            }
            keys.Accept("rope_scaling");
            return sets.HasObject("main") ? ReadSets(keys, sets, headDim, maxPositions) : ReadScaling(keys, sets, headDim, maxPositions);
        }
        keys.Accept("rope_parameters", "rope_scaling");
        return ReadScaling(keys, keys.Has("rope_scaling") ? keys.Object("rope_scaling") : null, headDim, maxPositions);
    }

    private static RopeConfig ReadSets(ConfigKeys keys, ConfigKeys sets, int headDim, int maxPositions)
    {
        ConfigKeys main = sets.Object("main");
        ConfigKeys compress = sets.Object("compress");
        if (IsYarn(main))
        {
            throw main.Wrong("rope_type", "default: layers without compression aren't scaled", "yarn");
        }
        float theta = main.Float("rope_theta");
        float compressTheta = compress.Float("rope_theta");
        Agree(keys, "rope_theta", theta, "rope_parameters.main.rope_theta");
        Agree(keys, "compress_rope_theta", compressTheta, "rope_parameters.compress.rope_theta");
        int dim = RotaryDim(keys.Has("partial_rotary_factor") || keys.Has("qk_rope_head_dim") ? keys : main, headDim);
        foreach (ConfigKeys set in new[] { main, compress })
        {
            if (set.Has("partial_rotary_factor"))
            {
                set.Agree("partial_rotary_factor", RotaryDim(set, headDim), "the model's rotary width", dim);
            }
        }
        RopeConfig plain = new() { Dim = dim, Theta = theta, CompressTheta = compressTheta, OriginalContext = maxPositions };
        return IsYarn(compress) ? plain.Scaled(compress) : plain;
    }

    private static RopeConfig ReadScaling(ConfigKeys keys, ConfigKeys? scaling, int headDim, int maxPositions)
    {
        RopeConfig plain = new()
        {
            Dim = RotaryDim(keys, headDim),
            Theta = keys.Float("rope_theta"),
            CompressTheta = keys.Float("compress_rope_theta"),
            OriginalContext = maxPositions,
        };
        return scaling is not null && IsYarn(scaling) ? plain.Scaled(scaling) : plain;
    }

    private RopeConfig Scaled(ConfigKeys yarn)
    {
        // The released model never scales sine and cosine; a factor derived from the usual formula, 1.277, ruins it.
        if (yarn.Has("attention_factor") && yarn.Double("attention_factor") != 1)
        {
            throw yarn.Wrong("attention_factor", "1 or no such key", "another value", "DeepSeek-V4 doesn't scale its rotary table; set it to 1.0.");
        }
        yarn.Accept("attention_factor");
        return this with
        {
            Factor = yarn.Float("factor"),
            OriginalContext = yarn.Int("original_max_position_embeddings"),
            BetaFast = yarn.Float("beta_fast"),
            BetaSlow = yarn.Float("beta_slow"),
        };
    }

    private static bool IsYarn(ConfigKeys scaling)
    {
        string key = scaling.Has("rope_type") ? "rope_type" : "type";
        string type = scaling.String(key);
        if (scaling.Has("rope_type") && scaling.Has("type"))
        {
            scaling.Agree("type", scaling.String("type"), "rope_type", type);
        }
        return type switch
        {
            "yarn" => true,
            "default" => false,
            _ => throw scaling.Wrong(key, "yarn or default", $"\"{type}\""),
        };
    }

    // transformers writes the width as a fraction of the head, whose product in double may miss the whole number by an ulp.
    private static int RotaryDim(ConfigKeys keys, int headDim)
    {
        const double Ulps = 1e-3;
        if (!keys.Has("partial_rotary_factor"))
        {
            return keys.Int("qk_rope_head_dim");
        }
        double exact = headDim * keys.Double("partial_rotary_factor");
        double dim = Math.Round(exact);
        if (!(Math.Abs(exact - dim) <= Ulps) || dim is < 0 or > int.MaxValue)
        {
            throw keys.Wrong("partial_rotary_factor",
                $"a fraction that makes a whole number of the head's {headDim} dimensions", FormattableString.Invariant($"{exact}"));
        }
        if (keys.Has("qk_rope_head_dim"))
        {
            keys.Agree("qk_rope_head_dim", keys.Int("qk_rope_head_dim"), "partial_rotary_factor", (int)dim);
        }
        return (int)dim;
    }

    private static void Agree(ConfigKeys keys, string key, float value, string otherKey)
    {
        if (keys.Has(key))
        {
            keys.Agree(key, keys.Float(key), otherKey, value);
        }
    }
}
