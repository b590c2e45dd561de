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

    /// <summary>Bytes of cache that the next token reads: all index keys and the chosen rows.</summary>
    public static long KvBytesRead(long context) => Layers * (context * IndexRowBytes + Math.Min(context, IndexTopK) * RowBytes);

    /// <summary>Operations of the next token after <paramref name="context"/> tokens; attention works on the latent rows.</summary>
    public static FlopCount Flops(long context) => new(
        Linear: 2.0 * ActiveParameters,
        Index: 2.0 * Layers * IndexHeads * IndexDim * context,
        Attention: 2.0 * Layers * Heads * (LatentDim + RopeDim + LatentDim) * Math.Min(context, IndexTopK),
        IndexWeight: 1);
}
