using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Fathom.Checkpoints;
using Fathom.Formats;
using Fathom.Model;
using Fathom.Tensors;
using Fathom.Tests.Reference;

namespace Fathom.Tests.Engine;

/// <summary>One tensor as it goes into the file.</summary>
internal sealed record TinyTensor(DType DType, long[] Shape, byte[] Data);

/// <summary>
/// A model of a few kilobytes with a layer of each kind, as a folder: config.json as published, tensors by their official names. Both can be
/// changed before they are written.
/// </summary>
internal sealed class TinyCheckpoint
{
    private const int Seed = 9;

    // 2^−7 and 2^−2: the random codes then have about the size of trained weights.
    private const byte Fp8Scale = 120;
    private const byte Fp4Scale = 125;

    private TinyCheckpoint(ModelConfig shape)
    {
        Config = Json(shape);
        foreach ((string name, WeightArray weight) in ReferenceWeights.Random(shape, Seed))
        {
            Tensors[name] = Stored(weight);
        }
    }

    /// <summary>The shape of <see cref="Plain"/>.</summary>
    public static ModelConfig Shape { get; } = TinyModels.Flash with
    {
        HiddenSize = 8,
        VocabularySize = 16,
        LayerCount = 3,
        HeadCount = 2,
        HeadDim = 8,
        RopeDim = 4,
        QueryRank = 4,
        OutputRank = 4,
        SlidingWindow = 3,
        CompressRatios = [0, 4, 8, 0],
        IndexHeadCount = 1,
        IndexHeadDim = 4,
        IndexTopK = 2,
        ExpertCount = 2,
        ExpertsPerToken = 1,
        ExpertHiddenSize = 4,
        HcMult = 2,
        HcSinkhornIterations = 2,
        MaxPositions = 64,
    };

    public JsonObject Config { get; }

    public SortedDictionary<string, TinyTensor> Tensors { get; } = new(StringComparer.Ordinal);

    /// <summary>BF16 and F32.</summary>
    public static TinyCheckpoint Plain() => new(Shape);

    /// <summary>Another shape in BF16 and F32.</summary>
    public static TinyCheckpoint Of(ModelConfig shape) => new(shape);

    /// <summary>As released: FP8 projections, FP4 experts, each with scales.</summary>
    public static TinyCheckpoint Quantized()
    {
        ModelConfig shape = Shape with { HiddenSize = 32, ExpertHiddenSize = 32 };
        var checkpoint = new TinyCheckpoint(shape);
        var random = new Random(Seed);
        foreach (ExpectedWeight weight in ExpectedWeights.Of(shape).Where(weight => weight.IsQuantizable))
        {
            DType type = weight.ReleasedType;
            var codes = new byte[weight.StoredShape(type).Aggregate(1L, (product, size) => product * size)];
            random.NextBytes(codes);
            if (type == DType.Fp8E4M3)
            {
                codes = [.. codes.Select(code => (byte)((code & 0x7F) == 0x7F ? 0 : code))];
            }
            (int rows, int columns) = weight.ScaleShape(type);
            var scales = new byte[rows * columns];
            Array.Fill(scales, type == DType.Fp8E4M3 ? Fp8Scale : Fp4Scale);
            checkpoint.Tensors[weight.Name] = new TinyTensor(type, weight.StoredShape(type), codes);
            checkpoint.Tensors[weight.ScaleName] = new TinyTensor(DType.Ue8m0, [rows, columns], scales);
        }
        return checkpoint;
    }

    /// <summary>Replaces both files of a folder.</summary>
    public void Write(TempFolder folder)
    {
        folder.Write("config.json", Encoding.UTF8.GetBytes(Config.ToJsonString()));
        using CheckpointWriter writer = CheckpointWriter.Create(
            folder.Root, [.. Tensors.Select(tensor => new TensorToWrite(tensor.Key, tensor.Value.DType, tensor.Value.Shape))]);
        foreach ((string name, TinyTensor tensor) in Tensors)
        {
            writer.Write(name, tensor.Data);
        }
        writer.Complete();
    }

    /// <summary>Overwrites a tensor's bytes from <paramref name="offset"/> on.</summary>
    public void Patch(string name, int offset, params byte[] bytes) => bytes.CopyTo(Tensors[name].Data, offset);

    private static TinyTensor Stored(WeightArray weight)
    {
        long[] shape = [.. weight.Shape.Select(size => (long)size)];
        return weight.DType switch
        {
            "F32" => new TinyTensor(DType.F32, shape, MemoryMarshal.AsBytes<float>(weight.Values).ToArray()),
            "BF16" => new TinyTensor(DType.Bf16, shape, MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(weight.Values, Bf16.FromSingle)).ToArray()),
            _ => new TinyTensor(DType.I64, shape, MemoryMarshal.AsBytes<long>(Array.ConvertAll(weight.Values, id => (long)id)).ToArray()),
        };
    }

    private static JsonObject Json(ModelConfig shape) => new()
    {
        ["architectures"] = new JsonArray("DeepseekV4ForCausalLM"),
        ["model_type"] = "deepseek_v4",
        ["hidden_size"] = shape.HiddenSize,
        ["vocab_size"] = shape.VocabularySize,
        ["num_hidden_layers"] = shape.LayerCount,
        ["num_nextn_predict_layers"] = shape.MtpLayerCount,
        ["num_attention_heads"] = shape.HeadCount,
        ["head_dim"] = shape.HeadDim,
        ["qk_rope_head_dim"] = shape.RopeDim,
        ["q_lora_rank"] = shape.QueryRank,
        ["o_groups"] = shape.OutputGroups,
        ["o_lora_rank"] = shape.OutputRank,
        ["sliding_window"] = shape.SlidingWindow,
        ["compress_ratios"] = new JsonArray([.. shape.CompressRatios.Select(ratio => (JsonNode)ratio)]),
        ["index_n_heads"] = shape.IndexHeadCount,
        ["index_head_dim"] = shape.IndexHeadDim,
        ["index_topk"] = shape.IndexTopK,
        ["n_routed_experts"] = shape.ExpertCount,
        ["num_experts_per_tok"] = shape.ExpertsPerToken,
        ["n_shared_experts"] = shape.SharedExpertCount,
        ["moe_intermediate_size"] = shape.ExpertHiddenSize,
        ["num_hash_layers"] = shape.HashLayerCount,
        ["scoring_func"] = shape.Scoring.ToString().ToLowerInvariant(),
        ["norm_topk_prob"] = shape.NormalizeExpertWeights,
        ["routed_scaling_factor"] = shape.RoutedScalingFactor,
        ["swiglu_limit"] = shape.SwiGluLimit,
        ["hc_mult"] = shape.HcMult,
        ["hc_sinkhorn_iters"] = shape.HcSinkhornIterations,
        ["hc_eps"] = shape.HcEpsilon,
        ["rms_norm_eps"] = shape.RmsNormEpsilon,
        ["rope_theta"] = shape.RopeTheta,
        ["compress_rope_theta"] = shape.CompressRopeTheta,
        ["rope_scaling"] = new JsonObject
        {
            ["type"] = "yarn",
            ["factor"] = shape.YarnFactor,
            ["original_max_position_embeddings"] = shape.YarnOriginalContext,
            ["beta_fast"] = shape.YarnBetaFast,
            ["beta_slow"] = shape.YarnBetaSlow,
        },
        ["max_position_embeddings"] = shape.MaxPositions,
        ["bos_token_id"] = shape.BosToken,
        ["eos_token_id"] = shape.EosToken,
    };
}
