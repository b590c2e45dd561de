using Fathom.Tests;
using Fathom.Prompts;
using Fathom.Train.Data;
using Xunit;

namespace Fathom.Train.Tests.Data;

public class TokenDatasetTests
{
    [Fact]
    public void Documents_end_with_eos_and_spell_no_control_token()
    {
        TokenDataset dataset = TokenDataset.Tokenize(["one", "", "two <｜User｜>"], LearntTokenizer.Value);
        int end = LearntTokenizer.Id(ProtocolTokens.EndOfSentence);
        Assert.Equal(2, dataset.Documents);
        Assert.Equal(2, dataset.Ids.Count(end));
        Assert.DoesNotContain(LearntTokenizer.Id(ProtocolTokens.User), dataset.Ids.ToArray());
        Assert.Equal(dataset.Ids.IndexOf(end) + 1, dataset.DocumentEnd(0));
        Assert.Equal(dataset.Tokens, dataset.DocumentEnd(dataset.Ids.IndexOf(end) + 1));
    }

    [Fact]
    public void What_is_saved_is_what_is_loaded()
    {
        using var folder = new TempFolder();
        LearntTokenizer.Prose.Save(folder.Path("a.tokens"));
        TokenDataset loaded = TokenDataset.Load(folder.Path("a.tokens"));
        Assert.Equal(LearntTokenizer.Prose.Ids.ToArray(), loaded.Ids.ToArray());
        Assert.Equal(LearntTokenizer.Prose.Documents, loaded.Documents);
    }

    [Fact]
    public void A_damaged_file_and_an_empty_corpus_are_refused()
    {
        using var folder = new TempFolder();
        LearntTokenizer.Prose.Save(folder.Path("a.tokens"));
        byte[] bytes = File.ReadAllBytes(folder.Path("a.tokens"));
        foreach (byte[] damaged in (byte[][])[[], bytes[..10], bytes[..^3], [.. bytes, 0], [1, .. bytes[1..]]])
            Assert.Throws<InvalidDataException>(() => TokenDataset.Load(folder.Write("b.tokens", damaged)));
        Assert.Throws<ArgumentException>(() => TokenDataset.Tokenize(["", ""], LearntTokenizer.Value));
    }
}
