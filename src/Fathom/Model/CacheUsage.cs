namespace Fathom.Model;

/// <summary>Bytes of the sequences of one owner, blocks that several share counted once. Used by the engine's thread only.</summary>
internal sealed class CacheUsage
{
    public long Bytes { get; private set; }

    public void Add(long bytes) => Bytes += bytes;

    public void Remove(long bytes) => Bytes -= bytes;
}
