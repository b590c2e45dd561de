using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Grammars;

/// <summary>
/// A model's tokens as grammars ask for them. Made once for a model, since it looks at the whole vocabulary; immutable; safe from any thread.
/// </summary>
/// <remarks>Most of a JSON text lies in strings, where nearly all tokens are possible: which are, and which close the string, is found once here.</remarks>
public sealed class GrammarTokens
{
    /// <summary>The tokens of a model.</summary>
    /// <param name="tokens">of the model's tokenizer</param> <param name="endToken">the token that ends a reply</param>
    /// <param name="vocabularySize">logits of the model</param>
    /// <exception cref="RequestException">a byte is no token by itself, so that a grammar could not always go on</exception>
    public GrammarTokens(TokenTrie tokens, int endToken, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        for (int value = 0; value < 256; value++)
        {
            int node = tokens.Child(TokenTrie.Root, (byte)value);
            if (node == TokenTrie.None || tokens.Token(node) == TokenTrie.None || tokens.Token(node) >= vocabularySize)
            {
                throw new RequestException(
                    $"The model's vocabulary: expected a token for every single byte, found none for {value}. Replies of this model cannot be held to a grammar.");
            }
        }

        Trie = tokens;
        EndToken = endToken;
        VocabularySize = vocabularySize;
        var states = new GrammarStates(JsonFragments.StringRest());
        var ends = new List<int>();
        InsideString = new TokenMask(vocabularySize);
        InsideStringCost = new TrieWalk(tokens, states).Allow(TokenTrie.Root, states.Start, int.MaxValue, InsideString, ends);
        StringEnds = ends;
    }

    internal TokenTrie Trie { get; }

    internal int EndToken { get; }

    internal int VocabularySize { get; }

    /// <summary>Tokens that stay within a JSON string.</summary>
    internal TokenMask InsideString { get; }

    /// <summary>Symbols to the end of the string, its quote included, behind such a token at most.</summary>
    internal int InsideStringCost { get; }

    /// <summary>Nodes of the trie that end with a string's closing quote.</summary>
    internal IReadOnlyList<int> StringEnds { get; }
}
