using System.Buffers;

namespace Fathom.Text;

/// <summary>
/// Byte-pair encoding of one piece: starting from single bytes, the neighbouring pair with the lowest rank merges, the leftmost first,
/// until no pair has a rank. Safe for any number of threads at once.
/// </summary>
internal sealed class BytePairEncoder
{
    // Below this many bytes a scan for the lowest rank beats a heap, for all that it is quadratic.
    private const int ShortPiece = 40;

    private readonly Vocabulary _vocabulary;

    // Whether a token's own bytes encode to that token alone: learnt at first use, never changed after. Two threads may both learn it;
    // they write the same byte, so neither order nor visibility matters.
    private readonly WholeToken[] _whole;

    public BytePairEncoder(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        _whole = new WholeToken[vocabulary.Count];
    }

    private enum WholeToken : byte
    {
        Unknown,
        Yes,
        No,
    }

    /// <summary>Appends the tokens of <paramref name="piece"/>, which isn't empty.</summary>
    public void Encode(ReadOnlySpan<byte> piece, List<int> ids)
    {
        // Most pieces of real text are one token, which a single look-up shows; merges would take one look-up per byte and more.
        int token = piece.Length == 1 ? _vocabulary.TokenOfByte(piece[0]) : _vocabulary.Mergeable.Find(piece);
        if (token == TokenTable.None)
        {
            Merge(piece, ids);
            return;
        }

        WholeToken whole = _whole[token];
        if (whole == WholeToken.Yes)
        {
            ids.Add(token);
            return;
        }

        int before = ids.Count;
        Merge(piece, ids);
        if (whole == WholeToken.Unknown)
            _whole[token] = ids.Count == before + 1 && ids[before] == token ? WholeToken.Yes : WholeToken.No;
    }

    private void Merge(ReadOnlySpan<byte> piece, List<int> ids)
    {
        if (piece.Length <= ShortPiece)
            MergeByScan(piece, ids);
        else
            MergeByHeap(piece, ids);
    }

    private void MergeByScan(ReadOnlySpan<byte> piece, List<int> ids)
    {
        Span<int> tokens = stackalloc int[piece.Length];
        Span<Merge> merges = stackalloc Merge[piece.Length];        // merges[i]: what tokens i and i + 1 become
        int count = piece.Length;
        for (int i = 0; i < count; i++)
            tokens[i] = _vocabulary.TokenOfByte(piece[i]);
        for (int i = 0; i + 1 < count; i++)
            merges[i] = _vocabulary.Merges.Find(tokens[i], tokens[i + 1]);

        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < count; i++)
            {
                if (merges[i].Rank < merges[best].Rank)
                    best = i;
            }

            if (!merges[best].Exists)
                break;
            tokens[best] = merges[best].Token;
            tokens[(best + 2)..count].CopyTo(tokens[(best + 1)..]);
            merges[(best + 1)..(count - 1)].CopyTo(merges[best..]);
            count--;
            if (best > 0)
                merges[best - 1] = _vocabulary.Merges.Find(tokens[best - 1], tokens[best]);
            if (best + 1 < count)
                merges[best] = _vocabulary.Merges.Find(tokens[best], tokens[best + 1]);
        }

        ids.AddRange(tokens[..count]);
    }

    private void MergeByHeap(ReadOnlySpan<byte> piece, List<int> ids)
    {
        Link[] links = ArrayPool<Link>.Shared.Rent(piece.Length);
        try
        {
            MergeByHeap(piece, links.AsSpan(0, piece.Length), ids);
        }
        finally
        {
            ArrayPool<Link>.Shared.Return(links);
        }
    }

    /// <summary>O(n log n): a heap of candidate merges by rank, then place; a candidate whose pair has changed since is dropped when met.</summary>
    private void MergeByHeap(ReadOnlySpan<byte> piece, Span<Link> links, List<int> ids)
    {
        for (int i = 0; i < links.Length; i++)
            links[i] = new Link(i - 1, i + 1 < links.Length ? i + 1 : Link.End, _vocabulary.TokenOfByte(piece[i]));

        var candidates = new PriorityQueue<int, long>(links.Length);
        for (int i = 0; i < links.Length; i++)
            Propose(links, i, candidates);

        while (candidates.TryDequeue(out int at, out long priority))
        {
            ref Link left = ref links[at];
            if (!left.Merge.Exists || Priority(left.Merge.Rank, at) != priority)
                continue;

            int gone = left.Next;
            left.Token = left.Merge.Token;
            left.Next = links[gone].Next;
            if (left.Next != Link.End)
                links[left.Next].Previous = at;
            links[gone].Merge = Text.Merge.None;
            Propose(links, at, candidates);
            if (left.Previous != Link.End)
                Propose(links, left.Previous, candidates);
        }

        for (int at = 0; at != Link.End; at = links[at].Next)
            ids.Add(links[at].Token);
    }

    /// <summary>Looks up what the token at <paramref name="at"/> and its right neighbour become, and makes it a candidate.</summary>
    private void Propose(Span<Link> links, int at, PriorityQueue<int, long> candidates)
    {
        ref Link link = ref links[at];
        link.Merge = link.Next == Link.End ? Text.Merge.None : _vocabulary.Merges.Find(link.Token, links[link.Next].Token);
        if (link.Merge.Exists)
            candidates.Enqueue(at, Priority(link.Merge.Rank, at));
    }

    private static long Priority(int rank, int at) => ((long)rank << 32) | (uint)at;

    /// <summary>A token in a doubly linked list whose places are the piece's bytes.</summary>
    private struct Link(int previous, int next, int token)
    {
        public const int End = -1;

        public int Previous = previous;
        public int Next = next;
        public int Token = token;
        public Merge Merge = Merge.None;
    }
}
