using System.Numerics;

namespace Fathom.Text;

/// <summary>What two neighbouring tokens become, and how early: lower ranks merge first.</summary>
internal readonly record struct Merge(int Rank, int Token)
{
    /// <summary>The pair does not merge; its rank is above every real one.</summary>
    public static readonly Merge None = new(int.MaxValue, -1);

    public bool Exists => Token >= 0;
}

/// <summary>The merges of a vocabulary by the pair of token ids; filled once and then only read.</summary>
internal sealed class MergeTable
{
    // Open addressing, half full at most; a key of 0 is an empty slot, so keys hold left + 1.
    private readonly ulong[] _keys;
    private readonly Merge[] _merges;
    private readonly int _shift;

    /// <param name="capacity">most merges that will be added</param>
    public MergeTable(int capacity)
    {
        int slots = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(capacity, 4)) * 2;
        _keys = new ulong[slots];
        _merges = new Merge[slots];
        _shift = 64 - BitOperations.Log2((uint)slots);
    }

    /// <summary>Adds a merge; false if the pair already has one.</summary>
    public bool TryAdd(int left, int right, Merge merge)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        while (_keys[slot] != 0)
        {
            if (_keys[slot] == key)
                return false;
            slot = (slot + 1) & (_keys.Length - 1);
        }

        _keys[slot] = key;
        _merges[slot] = merge;
        return true;
    }

    public Merge Find(int left, int right)
    {
        ulong key = Key(left, right);
        ulong[] keys = _keys;
        int slot = Slot(key);
        while (true)
        {
            ulong found = keys[slot];
            if (found == key)
                return _merges[slot];
            if (found == 0)
                return Merge.None;
            slot = (slot + 1) & (keys.Length - 1);
        }
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)(left + 1) << 32) | (uint)right;

    private int Slot(ulong key)
    {
        unchecked
        {
            // Fold before the product: its high bits alone would lose the left id's influence on few slots.
            key ^= key >> 29;
            return (int)((key * 0x9E37_79B9_7F4A_7C15) >> _shift);
        }
    }
}
