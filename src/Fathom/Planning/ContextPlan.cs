using Fathom.Devices;
using Fathom.Model;

namespace Fathom.Planning;

/// <summary>What a model costs at one context length, to set against a machine and against DeepSeek-V3.2.</summary>
public sealed record ContextPlan
{
    /// <summary>Tokens of context, the last one included.</summary>
    public required long Context { get; init; }

    /// <summary>Bytes of cache that each token adds, on average.</summary>
    public required double KvBytesPerToken { get; init; }

    /// <summary>Bytes of cache of a sequence whatever its length.</summary>
    public required long KvBytesFixed { get; init; }

    /// <summary>Bytes of cache of one sequence of this context.</summary>
    public required long KvBytes { get; init; }

    /// <summary>Bytes of cache that the last token reads.</summary>
    public required long KvBytesRead { get; init; }

    /// <summary>Operations of the last token.</summary>
    public required FlopCount Flops { get; init; }

    /// <summary>The same in units of FP8: BF16 attention 2, FP8 1, FP4 index scores 0.5.</summary>
    public required double FlopsWeighted { get; init; }

    /// <summary>Operations (raw) of reading the whole context once.</summary>
    public required double PrefillFlops { get; init; }

    /// <summary>Bytes of the checkpoint.</summary>
    public required long WeightsBytes { get; init; }

    /// <summary>Bytes of weights that one token alone in its batch reads.</summary>
    public required long WeightsBytesPerToken { get; init; }

    /// <summary>This cache over that of DeepSeek-V3.2 at the same context.</summary>
    public double KvVsV32 => KvBytes / ((double)V32Baseline.KvBytesPerToken * Context);

    /// <summary>These weighted operations over those of DeepSeek-V3.2 at the same context.</summary>
    public double FlopsVsV32 => FlopsWeighted / V32Baseline.FlopsWeighted(Context);

    /// <summary>The plan of a V4 model in the released number formats.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The context is not between 1 and the model's longest.</exception>
    public static ContextPlan For(ModelConfig config, long context) => For(config, TensorInventory.For(config), context);

    /// <summary>The plan of a V4 model with its own tensors; its cache is in the released mixed format.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The context is not between 1 and the model's longest.</exception>
    public static ContextPlan For(ModelConfig config, TensorInventory inventory, long context)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(inventory);
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(context, config.MaxPositions);
        FlopCount flops = CostModel.Flops(config, inventory, context);
        return new ContextPlan
        {
            Context = context,
            KvBytesPerToken = CostModel.KvBytesPerToken(config),
            KvBytesFixed = CostModel.KvBytesFixed(config),
            KvBytes = CostModel.KvBytes(config, context),
            KvBytesRead = CostModel.KvBytesRead(config, context),
            Flops = flops,
            FlopsWeighted = CostModel.Weighted(flops, CostModel.Fp4IndexPrice),
            PrefillFlops = CostModel.SumOverPrompt(context, n => CostModel.Flops(config, inventory, n).Raw),
            WeightsBytes = inventory.Bytes,
            WeightsBytesPerToken = inventory.BytesReadPerToken,
        };
    }

    /// <summary>The plan of DeepSeek-V3.2 with FP8 weights of one byte each and an FP8 cache.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The context is below 1.</exception>
    public static ContextPlan ForV32(long context)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        return new ContextPlan
        {
            Context = context,
            KvBytesPerToken = V32Baseline.KvBytesPerToken,
            KvBytesFixed = 0,
            KvBytes = V32Baseline.KvBytesPerToken * context,
            KvBytesRead = V32Baseline.KvBytesRead(context),
            Flops = V32Baseline.Flops(context),
            FlopsWeighted = V32Baseline.FlopsWeighted(context),
            PrefillFlops = CostModel.SumOverPrompt(context, n => V32Baseline.Flops(n).Raw),
            WeightsBytes = V32Baseline.Parameters,
            WeightsBytesPerToken = V32Baseline.ActiveParameters,
        };
    }
}
