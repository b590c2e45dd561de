using System.Runtime.InteropServices;
using Fathom.Text;

namespace Fathom.Train.Data;

/// <summary>How often each piece of the V4 pre-tokenizer occurs in a text. Pieces are keyed by their bytes, one character per byte.</summary>
internal sealed class PieceCounts
{
    private readonly Dictionary<string, long> _counts = [];

    /// <summary>Different pieces.</summary>
    public int Count => _counts.Count;

    /// <summary>Pieces in the order of their bytes, so that what follows does not depend on the order of texts.</summary>
    public IReadOnlyList<(string Piece, long Count)> Sorted()
    {
        var sorted = new List<(string, long)>(_counts.Count);
        foreach ((string piece, long count) in _counts)
            sorted.Add((piece, count));
        sorted.Sort((a, b) => string.CompareOrdinal(a.Item1, b.Item1));
        return sorted;
    }

    /// <summary>Counts the pieces of a text. Digits are left out: their merges are given, not learnt.</summary>
    public void Add(ReadOnlySpan<byte> utf8)
    {
        Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> lookup = _counts.GetAlternateLookup<ReadOnlySpan<char>>();
        Span<char> room = stackalloc char[256];
        var pieces = new PreTokenizer(utf8);
        while (pieces.MoveNext())
        {
            ReadOnlySpan<byte> piece = utf8[pieces.Start..pieces.End];
            if (char.IsAsciiDigit((char)piece[0]))
                continue;
            Span<char> key = piece.Length <= room.Length ? room[..piece.Length] : new char[piece.Length];
            for (int i = 0; i < piece.Length; i++)
                key[i] = (char)piece[i];
            CollectionsMarshal.GetValueRefOrAddDefault(lookup, key, out _)++;
        }
    }
}
