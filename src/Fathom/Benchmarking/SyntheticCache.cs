using System.Runtime.InteropServices;
using Fathom.Devices;
using Fathom.Model;
using Fathom.Tensors;

namespace Fathom.Benchmarking;

/// <summary>
/// A sequence that has a past without having read it: windows, compressed rows, index keys and the compressors' rings hold seeded random
/// rows of mean square 1, as behind a norm. What attention and indexer cost depends on how many rows there are, not on what they say.
/// </summary>
public static class SyntheticCache
{
    private const ulong Seed = 50;
    private const int RowsAtOnce = 512;

    /// <summary>A sequence of <paramref name="length"/> tokens; the caller disposes it.</summary>
    /// <param name="transformer">whose sequence</param> <param name="device">where</param> <param name="length">tokens, at least 1</param>
    public static SequenceCache Create(Transformer transformer, Device device, int length)
    {
        ArgumentNullException.ThrowIfNull(transformer);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ModelConfig config = transformer.Config;
        SequenceCache cache = transformer.NewSequence();
        cache.Reserve(length);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            FillLayer(device, cache, layer, length);
        }
        var tokens = new int[length];
        for (int i = 0; i < length; i++)
        {
            tokens[i] = RandomBits.Below(config.VocabularySize, Seed, (ulong)i);
        }
        cache.Append(tokens);
        return cache;
    }

    private static void FillLayer(Device device, SequenceCache cache, int layer, int length)
    {
        CacheLayout layout = cache.Layout;
        LayerPlan plan = layout.Plans[layer];
        ulong seed = Seed + ((ulong)layer << 32);
        int window = Math.Min(length, layout.Config.SlidingWindow);
        Store(device, window, layout.KeyFormat.Dim, seed + 1, (rows, first) => device.StoreRing(rows, length - window + first, layout.KeyFormat, cache.WindowRing(layer)));
        if (plan.Attention == AttentionKind.Window)
        {
            return;
        }
        int entries = length / plan.Ratio;
        Store(device, entries, layout.KeyFormat.Dim, seed + 2, (rows, first) => device.StoreRows(rows, first, cache.CompressedRows(layer)));
        FillRings(device, cache.CompressorRings(layer), seed + 3);
        if (plan.Attention == AttentionKind.Csa)
        {
            Store(device, entries, layout.IndexFormat.Dim, seed + 4, (rows, first) => device.StoreRows(rows, first, cache.IndexRows(layer)));
            FillRings(device, cache.IndexRings(layer), seed + 5);
        }
    }

    private static void FillRings(Device device, (Tensor Values, Tensor Gates) rings, ulong seed)
    {
        foreach (Tensor ring in (ReadOnlySpan<Tensor>)[rings.Values, rings.Gates])
        {
            var values = new float[ring.Count];
            RandomBits.FillUnit(values, seed);
            device.Upload(MemoryMarshal.AsBytes<float>(values), ring);
        }
    }

    private static void Store(Device device, int count, int dim, ulong seed, Action<Tensor, int> store)
    {
        using Storage storage = device.Allocate((long)RowsAtOnce * dim * sizeof(float), MemoryPurpose.Activations);
        var values = new float[RowsAtOnce * dim];
        for (int first = 0; first < count; first += RowsAtOnce)
        {
            int rows = Math.Min(RowsAtOnce, count - first);
            RandomBits.FillUnit(values.AsSpan(0, rows * dim), seed + ((ulong)first << 8));
            var tensor = new Tensor(storage, 0, DType.F32, 1, rows, dim);
            device.Upload(MemoryMarshal.AsBytes(values.AsSpan(0, rows * dim)), tensor);
            store(tensor, first);
        }
    }
}
