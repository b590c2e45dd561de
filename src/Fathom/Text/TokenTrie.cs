namespace Fathom.Text;

/// <summary>
/// The tokens of a vocabulary by their bytes, so that those with which a text can go on are found by reading it once. Added tokens are left
/// out: no text holds them. Made once for a tokenizer; immutable; safe from any thread.
/// </summary>
/// <remarks>
/// Nodes stand in the order of a walk that visits a node before those behind it, so that whoever looks at all tokens runs through arrays: the
/// next node is one byte deeper or, if what lies behind a node does not matter, the node at its <see cref="End"/>.
/// </remarks>
public sealed class TokenTrie
{
    internal const int Root = 0;
    internal const int None = -1;

    private readonly int[] _first = new int[256];     // the nodes of depth 1 by their byte
    private readonly byte[] _bytes;
    private readonly int[] _depths;
    private readonly int[] _ids;
    private readonly int[] _ends;

    /// <summary>All tokens of a tokenizer.</summary>
    public TokenTrie(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Tokenizer = tokenizer;
        var bytes = new List<byte> { 0 };
        var depths = new List<int> { 0 };
        var ids = new List<int> { None };
        var ends = new List<int> { 0 };
        var path = new int[tokenizer.LongestToken + 1];     // the last token's nodes by depth
        int depth = 0;
        foreach (int id in InOrder(tokenizer))
        {
            ReadOnlySpan<byte> token = tokenizer.TokenBytes(id);
            int shared = 0;
            while (shared < Math.Min(depth, token.Length) && bytes[path[shared + 1]] == token[shared])
                shared++;
            for (; depth > shared; depth--)
                ends[path[depth]] = bytes.Count;
            for (; depth < token.Length; depth++)
            {
                path[depth + 1] = bytes.Count;
                bytes.Add(token[depth]);
                depths.Add(depth + 1);
                ids.Add(None);
                ends.Add(0);
            }

            // Of two tokens with the same bytes the lower id, which comes first.
            if (ids[path[depth]] == None)
                ids[path[depth]] = id;
        }

        for (; depth >= 0; depth--)
            ends[path[depth]] = bytes.Count;
        (_bytes, _depths, _ids, _ends) = ([.. bytes], [.. depths], [.. ids], [.. ends]);
        Array.Fill(_first, None);
        for (int node = Root + 1; node < _bytes.Length; node = _ends[node])
            _first[_bytes[node]] = node;
    }

    internal Tokenizer Tokenizer { get; }

    /// <summary>The node behind another by one byte, or none.</summary>
    internal int Child(int node, byte next)
    {
        if (node == Root)
            return _first[next];
        for (int child = node + 1; child < _ends[node] && _bytes[child] <= next; child = _ends[child])
        {
            if (_bytes[child] == next)
                return child;
        }

        return None;
    }

    /// <summary>The token that ends at a node, or none.</summary>
    internal int Token(int node) => _ids[node];

    /// <summary>Bytes from the root to a node.</summary>
    internal int Depth(int node) => _depths[node];

    /// <summary>The last of them.</summary>
    internal byte Byte(int node) => _bytes[node];

    /// <summary>The first node that does not lie behind a node.</summary>
    internal int End(int node) => _ends[node];

    internal ReadOnlySpan<byte> Bytes(int token) => Tokenizer.TokenBytes(token);

    private static int[] InOrder(Tokenizer tokenizer)
    {
        int[] ids = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.IsAdded(id) && tokenizer.TokenBytes(id).Length > 0)];
        Array.Sort(ids, (a, b) => tokenizer.TokenBytes(a).SequenceCompareTo(tokenizer.TokenBytes(b)) is not 0 and int order ? order : a.CompareTo(b));
        return ids;
    }
}
