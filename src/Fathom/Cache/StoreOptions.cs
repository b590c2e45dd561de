namespace Fathom.Cache;

/// <summary>How a store is kept.</summary>
public sealed record StoreOptions
{
    /// <summary>Bytes that a namespace may take on the disk; what is pinned stays, and counts.</summary>
    public long BudgetBytes { get; init; } = 20_000_000_000;

    /// <summary>32 bytes to encipher with (AES-256-GCM), or empty: losing them loses the caches.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>Told in a sentence what went wrong and was survived: a damaged file, a full disk. Null for nobody.</summary>
    public Action<string>? Report { get; init; }

    /// <summary>The clock for ages.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
