using System.Numerics;
using System.Runtime.InteropServices;

namespace Fathom.Text;

/// <summary>All tokens' bytes, back to back, by id.</summary>
internal readonly struct TokenBytes(byte[] bytes, int[] starts)
{
    /// <summary>Number of tokens.</summary>
    public int Count => starts.Length - 1;

    public ReadOnlySpan<byte> this[int id] => bytes.AsSpan(starts[id], starts[id + 1] - starts[id]);
}

/// <summary>Finds a token's id by its bytes: a hash table that is filled once and then only read.</summary>
internal sealed class TokenTable
{
    /// <summary>What <see cref="Find(ReadOnlySpan{byte})"/> gives for bytes that are no token.</summary>
    public const int None = -1;

    private readonly TokenBytes _tokens;

    // Open addressing, half full at most. A slot holds the hash's high half above id + 1 (0: empty),
    // so that most mismatches are seen without a look at the token's bytes, which would be a cache miss.
    private readonly ulong[] _slots;

    /// <param name="tokens">where ids get their bytes</param> <param name="capacity">most tokens that will be added</param>
    public TokenTable(TokenBytes tokens, int capacity)
    {
        _tokens = tokens;
        _slots = new ulong[BitOperations.RoundUpToPowerOf2((uint)Math.Max(capacity, 4)) * 2];
    }

    /// <summary>Length in bytes of the longest token.</summary>
    public int LongestToken { get; private set; }

    /// <summary>Adds a token, or returns the id of the one that already has the same bytes.</summary>
    public int AddOrFind(int id)
    {
        ReadOnlySpan<byte> bytes = _tokens[id];
        int present = Find(bytes, out int slot, out ulong tag);
        if (present != None)
            return present;
        _slots[slot] = tag | (uint)(id + 1);
        LongestToken = Math.Max(LongestToken, bytes.Length);
        return id;
    }

    public int Find(ReadOnlySpan<byte> bytes) => bytes.Length > LongestToken ? None : Find(bytes, out _, out _);

    private int Find(ReadOnlySpan<byte> bytes, out int slot, out ulong tag)
    {
        ulong hash = Hash(bytes);
        tag = hash & 0xFFFF_FFFF_0000_0000;
        int mask = _slots.Length - 1;
        slot = (int)(hash & (uint)mask);
        while (true)
        {
            ulong entry = _slots[slot];
            if (entry == 0)
                return None;
            if ((entry & 0xFFFF_FFFF_0000_0000) == tag)
            {
                int id = (int)(entry & 0xFFFF_FFFF) - 1;
                if (_tokens[id].SequenceEqual(bytes))
                    return id;
            }

            slot = (slot + 1) & mask;
        }
    }

    private static ulong Hash(ReadOnlySpan<byte> bytes)
    {
        unchecked
        {
            // Odd multiplier: 2^64 / golden ratio. The fold after each step brings high bits, where a product mixes best, down.
            const ulong multiplier = 0x9E37_79B9_7F4A_7C15;
            ulong hash = (ulong)bytes.Length * multiplier;
            while (bytes.Length >= sizeof(ulong))
            {
                hash = (hash ^ MemoryMarshal.Read<ulong>(bytes)) * multiplier;
                hash ^= hash >> 32;
                bytes = bytes[sizeof(ulong)..];
            }

            ulong tail = 0;
            for (int i = 0; i < bytes.Length; i++)
                tail |= (ulong)bytes[i] << (8 * i);
            hash = (hash ^ tail) * multiplier;
            hash ^= hash >> 29;
            hash *= multiplier;
            return hash ^ (hash >> 32);
        }
    }
}
