using Fathom.Tensors;

namespace Fathom.Model;

/// <summary>Element formats of a sequence's cache.</summary>
public enum CacheFormat
{
    /// <summary>Everything in fp32, nothing rounded.</summary>
    F32,

    /// <summary>Rows in bfloat16, rounded once.</summary>
    Bf16,

    /// <summary>The released format: FP8 with a bfloat16 rotary part, FP4 index keys, and the rounding points the model was trained with.</summary>
    Mixed,
}

/// <summary>Where one layer's memory lies: rings within a sequence's state, rows within each block.</summary>
/// <param name="Window">offset of the window ring in the state</param>
/// <param name="Compressor">offset of the compressor's two rings in the state</param>
/// <param name="IndexCompressor">offset of the indexer's two rings in the state</param>
/// <param name="CompressedRows">offset of the compressed rows in a block</param>
/// <param name="IndexRows">offset of the index rows in a block</param>
/// <param name="RowsPerBlock">compressed rows in a block</param>
public sealed record LayerLayout(
    long Window, long Compressor, long IndexCompressor, long CompressedRows, long IndexRows, int RowsPerBlock);

/// <summary>A run of bytes in a state or a block.</summary>
internal readonly record struct ByteRange(long Offset, long Bytes);

/// <summary>
/// The byte layout of a sequence's memory, the same in memory and on disk. The state is small and belongs to one sequence: window
/// rings, open compressor windows, the streams of the last token. Blocks hold the rows of 2,048 tokens in all layers and are shared.
/// </summary>
public sealed class CacheLayout
{
    /// <summary>Tokens in a block.</summary>
    public const int BlockTokens = 2048;

    private const int Alignment = 64;

    /// <summary>The layout of a model's cache in a format.</summary>
    public CacheLayout(ModelConfig config, CacheFormat format)
    {
        Config = config;
        Format = format;
        KeyFormat = new RowFormat(Kind(format, RowKind.Fp8WithBf16Rotary), config.HeadDim, config.RopeDim);
        IndexFormat = new RowFormat(Kind(format, RowKind.Fp4), config.IndexHeadDim, config.RopeDim);
        var plans = new LayerPlan[config.LayerCount + config.MtpLayerCount];
        var layers = new LayerLayout[plans.Length];
        long state = 0, block = 0;
        for (int i = 0; i < plans.Length; i++)
        {
            LayerPlan plan = plans[i] = LayerPlan.For(config, i);
            int rows = plan.Ratio == 0 ? 0 : (BlockTokens + plan.Ratio - 1) / plan.Ratio;
            bool indexed = plan.Attention == AttentionKind.Csa;
            layers[i] = new LayerLayout(
                Take(ref state, (long)config.SlidingWindow * KeyFormat.Bytes),
                Take(ref state, RingBytes(plan, config.HeadDim)),
                Take(ref state, indexed ? RingBytes(plan, config.IndexHeadDim) : 0),
                Take(ref block, (long)rows * KeyFormat.Bytes),
                Take(ref block, indexed ? (long)rows * IndexFormat.Bytes : 0),
                rows);
        }
        LastStreams = Take(ref state, (long)config.HcMult * config.HiddenSize * sizeof(float));
        Plans = plans;
        Layers = layers;
        StateBytes = state;
        BlockBytes = block;
    }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>Element formats.</summary>
    public CacheFormat Format { get; }

    /// <summary>Of window rings and compressed rows.</summary>
    public RowFormat KeyFormat { get; }

    /// <summary>Of index rows.</summary>
    public RowFormat IndexFormat { get; }

    /// <summary>Main layers, then MTP.</summary>
    public IReadOnlyList<LayerPlan> Plans { get; }

    /// <summary>In the same order.</summary>
    public IReadOnlyList<LayerLayout> Layers { get; }

    /// <summary>Offset in the state of the last token's streams, F32, (n_hc, d): what MTP starts from.</summary>
    public long LastStreams { get; }

    /// <summary>Bytes of a sequence's state.</summary>
    public long StateBytes { get; }

    /// <summary>Bytes of a block.</summary>
    public long BlockBytes { get; }

    /// <summary>The first block that tokens from position <paramref name="length"/> on may write to.</summary>
    public int FirstBlockWritten(int length)
    {
        int first = length / BlockTokens;
        for (int i = 0; i < Layers.Count; i++)
        {
            if (Plans[i].Ratio > 0)
            {
                // A ratio that doesn't divide 2,048 lets a block end in rows of later tokens.
                first = Math.Min(first, length / Plans[i].Ratio / Layers[i].RowsPerBlock);
            }
        }
        return first;
    }

    /// <summary>Whether blocks end where entries do, so that a full block is never written again and may be shared beyond this process.</summary>
    public bool HasWholeBlocks => Plans.All(plan => plan.Ratio == 0 || BlockTokens % plan.Ratio == 0);

    /// <summary>
    /// The parts of the state that the token at <paramref name="position"/> and those behind it can read: all but the rings of compressors
    /// whose windows don't overlap and have just been closed.
    /// </summary>
    internal IEnumerable<ByteRange> StateRanges(int position)
    {
        for (int i = 0; i < Layers.Count; i++)
        {
            LayerPlan plan = Plans[i];
            yield return new ByteRange(Layers[i].Window, (long)Config.SlidingWindow * KeyFormat.Bytes);
            if (plan.Ratio > 0 && (plan.WindowsPerEntry > 1 || position % plan.Ratio != 0))
            {
                yield return new ByteRange(Layers[i].Compressor, RingBytes(plan, Config.HeadDim));
                if (plan.Attention == AttentionKind.Csa)
                {
                    yield return new ByteRange(Layers[i].IndexCompressor, RingBytes(plan, Config.IndexHeadDim));
                }
            }
        }
        yield return new ByteRange(LastStreams, (long)Config.HcMult * Config.HiddenSize * sizeof(float));
    }

    /// <summary>The parts of a block that its first <paramref name="tokens"/> tokens have written.</summary>
    internal IEnumerable<ByteRange> BlockRanges(int tokens)
    {
        for (int i = 0; i < Layers.Count; i++)
        {
            long rows = Plans[i].Ratio == 0 ? 0 : tokens / Plans[i].Ratio;
            if (rows > 0)
            {
                yield return new ByteRange(Layers[i].CompressedRows, rows * KeyFormat.Bytes);
                if (Plans[i].Attention == AttentionKind.Csa)
                {
                    yield return new ByteRange(Layers[i].IndexRows, rows * IndexFormat.Bytes);
                }
            }
        }
    }

    private static RowKind Kind(CacheFormat format, RowKind released) => format switch
    {
        CacheFormat.F32 => RowKind.F32,
        CacheFormat.Bf16 => RowKind.Bf16,
        _ => released,
    };

    // Values and gates of the tokens that an entry can reach back to.
    private static long RingBytes(LayerPlan plan, int dim)
    {
        int windows = plan.WindowsPerEntry;
        return 2L * windows * plan.Ratio * windows * dim * sizeof(float);
    }

    private static long Take(ref long end, long bytes)
    {
        long offset = end;
        end += (bytes + Alignment - 1) / Alignment * Alignment;
        return offset;
    }
}
