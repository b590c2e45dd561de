namespace Fathom.Model;

/// <summary>What a layer attends to beside its window.</summary>
public enum AttentionKind
{
    /// <summary>The sliding window alone.</summary>
    Window,

    /// <summary>Compressed sparse attention: overlapping windows, the top k chosen by the lightning indexer.</summary>
    Csa,

    /// <summary>Heavily compressed attention: every compressed entry.</summary>
    Hca,
}

/// <summary>How a layer chooses its experts.</summary>
public enum RoutingKind
{
    /// <summary>By a table from token id to experts.</summary>
    Hash,

    /// <summary>By score plus bias.</summary>
    Scored,
}

/// <summary>
/// One layer's structure as data, derived from the config, so that the model switches on names and never on a ratio or a layer number.
/// </summary>
public sealed record LayerPlan
{
    /// <summary>The ratio at which CSA begins to overlap its windows and to select (§2.3 of the report).</summary>
    internal const int CsaRatio = 4;

    /// <summary>Index of the layer; MTP blocks follow the main layers.</summary>
    public required int Layer { get; init; }

    /// <summary>What the layer attends to beside its window.</summary>
    public required AttentionKind Attention { get; init; }

    /// <summary>Tokens per compressed entry, m or m′; 0 without compression.</summary>
    public required int Ratio { get; init; }

    /// <summary>Whether an entry also reads the window before its own.</summary>
    public bool Overlaps => Attention == AttentionKind.Csa;

    /// <summary>Windows of tokens an entry reads: 2 with overlap, else 1.</summary>
    public int WindowsPerEntry => Overlaps ? 2 : 1;

    /// <summary>How the layer chooses experts.</summary>
    public required RoutingKind Routing { get; init; }

    /// <summary>Whether RoPE uses the compressed layers' table (θ and YaRN) rather than the plain one.</summary>
    public bool UsesCompressRope => Attention != AttentionKind.Window;

    /// <summary>The plan of main layer or MTP block <paramref name="layer"/>.</summary>
    public static LayerPlan For(ModelConfig config, int layer)
    {
        int ratio = config.CompressRatios[layer];
        return new LayerPlan
        {
            Layer = layer,
            Ratio = ratio,
            Attention = ratio switch { 0 => AttentionKind.Window, CsaRatio => AttentionKind.Csa, _ => AttentionKind.Hca },
            Routing = layer < config.HashLayerCount ? RoutingKind.Hash : RoutingKind.Scored,
        };
    }
}
