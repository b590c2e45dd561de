namespace Fathom.Text;

/// <summary>
/// The tokens of a vocabulary by their bytes, so that those with which a text can go on are found by reading it once. Added tokens are left
/// out: no text holds them. Made once for a tokenizer; immutable; safe from any thread.
/// </summary>
public sealed class TokenTrie
{
    internal const int Root = 0;
    internal const int None = -1;

    private readonly Tokenizer _tokenizer;
    private readonly Dictionary<long, int> _children = [];
    private readonly List<int> _ids = [None];

    /// <summary>All tokens of a tokenizer.</summary>
    public TokenTrie(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            if (!tokenizer.IsAdded(id))
                Add(id, tokenizer.TokenBytes(id));
        }
    }

    /// <summary>The node behind another by one byte, or none.</summary>
    internal int Child(int node, byte next) => _children.TryGetValue(Key(node, next), out int child) ? child : None;

    /// <summary>The token that ends at a node, or none.</summary>
    internal int Token(int node) => _ids[node];

    internal ReadOnlySpan<byte> Bytes(int token) => _tokenizer.TokenBytes(token);

    private void Add(int id, ReadOnlySpan<byte> bytes)
    {
        int node = Root;
        foreach (byte next in bytes)
        {
            if (!_children.TryGetValue(Key(node, next), out int child))
            {
                child = _ids.Count;
                _children.Add(Key(node, next), child);
                _ids.Add(None);
            }

            node = child;
        }

        if (node != Root && _ids[node] == None)
            _ids[node] = id;
    }

    private static long Key(int node, byte next) => ((long)node << 8) | next;
}
