using Fathom.Devices;

namespace Fathom.Planning;

/// <summary>
/// DeepSeek-V3.2, the model that V4's savings are measured against: latent attention with a sparse indexer, every token kept in every layer.
/// </summary>
public static class V32Baseline
{
    private const int Layers = 61;
    private const int Heads = 128;
    private const int LatentDim = 512;
    private const int RopeDim = 64;
    private const int IndexHeads = 64;
    private const int IndexDim = 128;
    private const int IndexTopK = 2048;

    /// <summary>512 FP8 values, their 4 F32 scales and 64 BF16 rotary values.</summary>
    private const int RowBytes = LatentDim + 4 * 4 + 2 * RopeDim;

    /// <summary>128 FP8 values and one F32 scale.</summary>
    private const int IndexRowBytes = IndexDim + 4;

    /// <summary>Published: parameters of the model.</summary>
    public const long Parameters = 671_000_000_000;

    /// <summary>Published: parameters that one token uses.</summary>
    public const long ActiveParameters = 37_000_000_000;

    /// <summary>Bytes of cache per token.</summary>
    public const int KvBytesPerToken = Layers * (RowBytes + IndexRowBytes);

    /// <summary>Bytes of cache that the last token of a context reads: all index keys, if it has to choose, and the chosen rows.</summary>
    public static long KvBytesRead(long context) => Layers * ((KeysScored(context) * IndexRowBytes) + (Math.Min(context, IndexTopK) * RowBytes));

    /// <summary>Operations of the last token of a context; attention works on the latent rows.</summary>
    public static FlopCount Flops(long context) => new()
    {
        Fp8 = 2 * ActiveParameters,
        Index = 2L * Layers * IndexHeads * IndexDim * KeysScored(context),
        Attention = 2L * Layers * Heads * (LatentDim + RopeDim + LatentDim) * Math.Min(context, IndexTopK),
    };

    /// <summary>The same in units of FP8.</summary>
    public static double FlopsWeighted(long context) => CostModel.Weighted(Flops(context), CostModel.Fp8IndexPrice);

    // The rule that V4's count follows: where no more are visible than are chosen, none is scored.
    private static long KeysScored(long context) => context > IndexTopK ? context : 0;
}
