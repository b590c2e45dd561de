using System.Buffers;

namespace Fathom.Text;

/// <summary>Finds the tokens that are matched in raw text before it is split: the leftmost, and of those that start there the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private const int Root = 0;
    private const int None = 0;      // the root is nobody's child or sibling

    // A trie: node → first child → siblings. Text fails at its first or second byte nearly always, so no failure links.
    private readonly List<Node> _nodes = [new Node(0, TokenTable.None)];
    private readonly SearchValues<byte> _firstBytes;

    /// <param name="tokens">all tokens of the vocabulary</param> <param name="added">ids of those to find</param>
    public AddedTokenMatcher(TokenBytes tokens, IReadOnlyList<int> added)
    {
        var firstBytes = new byte[added.Count];
        for (int i = 0; i < added.Count; i++)
        {
            ReadOnlySpan<byte> bytes = tokens[added[i]];
            firstBytes[i] = bytes[0];
            int node = Root;
            foreach (byte value in bytes)
                node = ChildOrNew(node, value);
            _nodes[node] = _nodes[node] with { Token = added[i] };
        }

        _firstBytes = SearchValues.Create(firstBytes);
    }

    /// <summary>The first added token in <paramref name="text"/>: its place and id; false if there is none.</summary>
    public bool TryFind(ReadOnlySpan<byte> text, out int start, out int token)
    {
        start = 0;
        while (true)
        {
            int skip = text[start..].IndexOfAny(_firstBytes);
            if (skip < 0)
                break;
            start += skip;
            token = LongestAt(text[start..]);
            if (token != TokenTable.None)
                return true;
            start++;
        }

        token = TokenTable.None;
        return false;
    }

    private int LongestAt(ReadOnlySpan<byte> text)
    {
        int token = TokenTable.None;
        int node = Root;
        foreach (byte value in text)
        {
            node = Child(node, value);
            if (node == None)
                break;
            if (_nodes[node].Token != TokenTable.None)
                token = _nodes[node].Token;
        }

        return token;
    }

    private int Child(int node, byte value)
    {
        int child = _nodes[node].FirstChild;
        while (child != None && _nodes[child].Value != value)
            child = _nodes[child].NextSibling;
        return child;
    }

    private int ChildOrNew(int node, byte value)
    {
        int child = Child(node, value);
        if (child != None)
            return child;
        _nodes.Add(new Node(value, TokenTable.None) { NextSibling = _nodes[node].FirstChild });
        _nodes[node] = _nodes[node] with { FirstChild = _nodes.Count - 1 };
        return _nodes.Count - 1;
    }

    private readonly record struct Node(byte Value, int Token)
    {
        public int FirstChild { get; init; }

        public int NextSibling { get; init; }
    }
}
