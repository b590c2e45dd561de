namespace Fathom.Cache;

/// <summary>What a store has done since it was opened.</summary>
public sealed class StoreStatistics
{
    /// <summary>Bytes written to the disk.</summary>
    public long BytesWritten { get; internal set; }

    /// <summary>Look-ups that found something.</summary>
    public int Hits { get; internal set; }

    /// <summary>Look-ups that found nothing.</summary>
    public int Misses { get; internal set; }

    /// <summary>Tokens that were found.</summary>
    public long TokensHit { get; internal set; }

    /// <summary>Files that were not what was written.</summary>
    public int Damaged { get; internal set; }
}
