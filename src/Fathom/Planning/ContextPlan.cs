using Fathom.Model;

namespace Fathom.Planning;

/// <summary>What a model costs at one context length, to set against a machine and against DeepSeek-V3.2.</summary>
public sealed record ContextPlan
{
    /// <summary>Steps of the sum that stands for a prefill's growing context; the cost is piecewise linear, so the sum is close.</summary>
    private const int PrefillSamples = 256;

    /// <summary>Tokens of context.</summary>
    public required long Context { get; init; }

    /// <summary>Bytes of cache that each token adds, on average.</summary>
    public required double KvBytesPerToken { get; init; }

    /// <summary>Bytes of cache of a sequence whatever its length.</summary>
    public required long KvBytesFixed { get; init; }

    /// <summary>Bytes of cache of one sequence of this context.</summary>
    public required long KvBytes { get; init; }

    /// <summary>Bytes of cache that the next token reads.</summary>
    public required long KvBytesRead { get; init; }

    /// <summary>Operations of the next token.</summary>
    public required FlopCount Flops { get; init; }

    /// <summary>Operations (raw) of reading the whole context once.</summary>
    public required double PrefillFlops { get; init; }

    /// <summary>Bytes of the checkpoint.</summary>
    public required long WeightsBytes { get; init; }

    /// <summary>Bytes of weights that one token alone in its batch reads.</summary>
    public required long WeightsBytesPerToken { get; init; }

    /// <summary>This cache over that of DeepSeek-V3.2 at the same context.</summary>
    public double KvVsV32 => KvBytes / ((double)V32Baseline.KvBytesPerToken * Context);

    /// <summary>These weighted operations over those of DeepSeek-V3.2 at the same context.</summary>
    public double FlopsVsV32 => Flops.Weighted / V32Baseline.Flops(Context).Weighted;

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
        return new ContextPlan
        {
            Context = context,
            KvBytesPerToken = CostModel.KvBytesPerToken(config),
            KvBytesFixed = CostModel.KvBytesFixed(config),
            KvBytes = CostModel.KvBytes(config, context),
            KvBytesRead = CostModel.KvBytesRead(config, context),
            Flops = CostModel.Flops(config, inventory, context),
            PrefillFlops = SumOver(context, n => CostModel.Flops(config, inventory, n)),
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
            PrefillFlops = SumOver(context, V32Baseline.Flops),
            WeightsBytes = V32Baseline.Parameters,
            WeightsBytesPerToken = V32Baseline.ActiveParameters,
        };
    }

    private static double SumOver(long context, Func<long, FlopCount> flopsAt)
    {
        double sum = 0;
        for (int i = 0; i < PrefillSamples; i++)
            sum += flopsAt((long)((i + 0.5) * context / PrefillSamples)).Raw;
        return sum * context / PrefillSamples;
    }
}
