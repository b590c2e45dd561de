using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Grammars;

/// <summary>Finds the tokens with which a text can go on by walking the vocabulary's trie and a grammar side by side.</summary>
internal sealed class TrieWalk(TokenTrie tokens, GrammarStates states)
{
    private readonly GrammarState[] _path = new GrammarState[tokens.Tokenizer.LongestToken + 1];

    /// <summary>Allows the tokens behind a node of the trie that a state goes on with; returns the largest cost behind one of them, or 0.</summary>
    /// <param name="node">where the walk begins; a token that ends there is not looked at</param> <param name="state">the grammar's there</param>
    /// <param name="costMax">a token is allowed where what then has to follow costs no more than this</param>
    /// <param name="mask">tokens are added to it</param>
    /// <param name="complete">if given, takes the nodes at which the text is complete, in place of going on behind them</param>
    public int Allow(int node, GrammarState state, int costMax, TokenMask mask, List<int>? complete = null)
    {
        int end = tokens.End(node), largest = 0;
        _path[tokens.Depth(node)] = state;
        for (int at = node + 1; at < end;)
        {
            int depth = tokens.Depth(at);
            GrammarState? next = states.Step(_path[depth - 1], tokens.Byte(at));
            bool listed = next is not null && complete is not null && next.IsAccepting;
            if (listed)
                complete!.Add(at);                    // listed is only true with a list
            if (next is null || listed)
            {
                at = tokens.End(at);
                continue;
            }

            _path[depth] = next;
            if (tokens.Token(at) is not TokenTrie.None and int token && next.Cost <= costMax)
            {
                mask[token] = true;
                largest = Math.Max(largest, next.Cost);
            }

            at++;
        }

        return largest;
    }
}
