using System.Runtime.InteropServices;
using Fathom.Tensors;

namespace Fathom.Train.Autograd;

/// <summary>
/// Memory of one step's activations and gradients: given out in order and taken back all at once, so that steps of the same shape leave
/// nothing to the garbage collector. Every piece begins on a cache line.
/// </summary>
internal sealed class Arena
{
    private const int LineFloats = 16;
    private const int SlabFloats = 1 << 22;

    private readonly List<Memory<float>> _slabs = [];
    private int _slab;
    private int _used;

    /// <summary>Bytes held.</summary>
    public long Bytes { get; private set; }

    /// <summary>A piece of memory, its content undefined, valid until <see cref="Reset"/>.</summary>
    public Memory<float> Take(int count)
    {
        int rounded = (count + LineFloats - 1) / LineFloats * LineFloats;
        while (_slab < _slabs.Count && _used + rounded > _slabs[_slab].Length)
        {
            _slab++;
            _used = 0;
        }
        if (_slab == _slabs.Count)
        {
            _slabs.Add(Slab(Math.Max(rounded, SlabFloats)));
            Bytes += sizeof(float) * (long)_slabs[^1].Length;
        }
        Memory<float> piece = _slabs[_slab].Slice(_used, count);
        _used += rounded;
        return piece;
    }

    /// <summary>Takes everything back.</summary>
    public void Reset() => (_slab, _used) = (0, 0);

    /// <summary>Zeroed memory of its own that begins on a cache line and never moves.</summary>
    public static Memory<float> Aligned(int count) => FromLine(GC.AllocateArray<float>(count + LineFloats, pinned: true), count);

    // Not yet touched, so that large pages can take its place.
    private static Memory<float> Slab(int count)
    {
        float[] array = GC.AllocateUninitializedArray<float>(count + LineFloats, pinned: true);
        MemoryAdvice.LargePagesWithin(Marshal.UnsafeAddrOfPinnedArrayElement(array, 0), sizeof(float) * (long)array.Length);
        return FromLine(array, count);
    }

    private static Memory<float> FromLine(float[] array, int count)
    {
        int misplaced = (int)(Marshal.UnsafeAddrOfPinnedArrayElement(array, 0) / sizeof(float) % LineFloats);
        return array.AsMemory((LineFloats - misplaced) % LineFloats, count);
    }
}
