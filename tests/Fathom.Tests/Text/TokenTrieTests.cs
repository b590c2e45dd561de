using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Text;

public class TokenTrieTests
{
    public static TheoryData<string> Names => new("V4", "Nano");

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_token_is_found_by_its_bytes(string name)
    {
        Tokenizer tokenizer = name == "V4" ? Tokenizers.V4 : Tokenizers.Nano;
        var trie = new TokenTrie(tokenizer);
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            if (tokenizer.IsAdded(id))
                continue;
            int node = TokenTrie.Root;
            foreach (byte next in tokenizer.TokenBytes(id))
            {
                node = trie.Child(node, next);
                Assert.NotEqual(TokenTrie.None, node);
            }

            Assert.True(tokenizer.TokenBytes(trie.Token(node)).SequenceEqual(tokenizer.TokenBytes(id)), $"token {id}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_walk_through_the_nodes_meets_every_token_once(string name)
    {
        Tokenizer tokenizer = name == "V4" ? Tokenizers.V4 : Tokenizers.Nano;
        var trie = new TokenTrie(tokenizer);
        var path = new byte[tokenizer.LongestToken + 1];
        int found = 0;
        for (int node = TokenTrie.Root + 1; node < trie.End(TokenTrie.Root); node++)
        {
            path[trie.Depth(node) - 1] = trie.Byte(node);
            Assert.InRange(trie.End(node), node + 1, trie.End(TokenTrie.Root));
            if (trie.Token(node) is TokenTrie.None)
                continue;
            found++;
            Assert.True(tokenizer.TokenBytes(trie.Token(node)).SequenceEqual(path.AsSpan(0, trie.Depth(node))), $"node {node}");
        }

        Assert.Equal(Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.IsAdded(id))
            .Select(id => Convert.ToHexString(tokenizer.TokenBytes(id))).Distinct().Count(), found);
    }

    [Fact]
    public void What_no_token_begins_with_has_no_node()
    {
        var trie = new TokenTrie(Tokenizers.Nano);
        int node = trie.Child(TokenTrie.Root, 0xFF);
        Assert.Equal(TokenTrie.None, trie.Child(node, 0xFF));
    }
}
