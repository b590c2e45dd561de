using System.Runtime.InteropServices;

namespace Fathom.Train.Data;

/// <summary>
/// The counts of neighbouring tokens over all pieces, kept up to date while pairs merge. A merge touches only the pieces that hold the pair,
/// so a vocabulary costs little more than one pass over the different pieces.
/// </summary>
internal sealed class PairIndex
{
    private readonly List<int>[] _pieces;
    private readonly long[] _weights;
    private readonly Dictionary<TokenPair, long> _counts = [];
    private readonly Dictionary<TokenPair, List<int>> _places = [];     // pieces that held the pair once; some no longer do

    // Old entries stay in the queue: a count that has changed since shows when its entry comes up.
    private readonly PriorityQueue<TokenPair, (long MinusCount, int Left, int Right)> _queue = new();
    private readonly HashSet<TokenPair> _touched = [];

    /// <param name="pieces">different pieces, a character per byte, with how often they occur</param> <param name="firstByte">id of the byte 0</param>
    public PairIndex(IReadOnlyList<(string Piece, long Count)> pieces, int firstByte)
    {
        _pieces = new List<int>[pieces.Count];
        _weights = new long[pieces.Count];
        for (int i = 0; i < pieces.Count; i++)
        {
            _pieces[i] = [.. pieces[i].Piece.Select(c => firstByte + c)];
            _weights[i] = pieces[i].Count;
            Count(i, _weights[i]);
        }

        Enqueue();
    }

    /// <summary>The most frequent pair; of equals the one with the lowest ids. False if no pair occurs twice.</summary>
    public bool TryTakeBest(out TokenPair best)
    {
        while (_queue.TryDequeue(out best, out (long MinusCount, int Left, int Right) priority))
        {
            long count = _counts.GetValueOrDefault(best);
            if (count == -priority.MinusCount)
                return count > 1;
            if (count > 1)
                _queue.Enqueue(best, (-count, best.Left, best.Right));
        }

        return false;
    }

    /// <summary>Replaces the pair by <paramref name="merged"/> wherever it stands, leftmost first.</summary>
    public void Merge(TokenPair pair, int merged)
    {
        if (!_places.Remove(pair, out List<int>? places))
            return;
        int last = -1;
        places.Sort();
        foreach (int place in places)
        {
            if (place == last)
                continue;
            last = place;
            Count(place, -_weights[place]);
            Replace(_pieces[place], pair, merged);
            Count(place, _weights[place], merged);
        }

        _counts.Remove(pair);
        Enqueue();
    }

    /// <summary>Adds a piece's pairs <paramref name="weight"/> times; those with <paramref name="fresh"/> learn where they stand.</summary>
    private void Count(int place, long weight, int fresh = -1)
    {
        ReadOnlySpan<int> tokens = CollectionsMarshal.AsSpan(_pieces[place]);
        for (int i = 1; i < tokens.Length; i++)
        {
            var pair = new TokenPair(tokens[i - 1], tokens[i]);
            CollectionsMarshal.GetValueRefOrAddDefault(_counts, pair, out _) += weight;
            if (weight < 0 || (fresh >= 0 && pair.Left != fresh && pair.Right != fresh))
                continue;
            ref List<int>? places = ref CollectionsMarshal.GetValueRefOrAddDefault(_places, pair, out _);
            places ??= [];
            if (places.Count == 0 || places[^1] != place)
                places.Add(place);
            _touched.Add(pair);
        }
    }

    private void Enqueue()
    {
        foreach (TokenPair pair in _touched)
            _queue.Enqueue(pair, (-_counts[pair], pair.Left, pair.Right));
        _touched.Clear();
    }

    private static void Replace(List<int> tokens, TokenPair pair, int merged)
    {
        int write = 0;
        for (int read = 0; read < tokens.Count; read++)
        {
            bool here = tokens[read] == pair.Left && read + 1 < tokens.Count && tokens[read + 1] == pair.Right;
            tokens[write++] = here ? merged : tokens[read];
            if (here)
                read++;
        }

        tokens.RemoveRange(write, tokens.Count - write);
    }
}
