using System.Text;
using CsCheck;
using Fathom.Engine;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Engine;

public class QuotationTests
{
    private const int End = 1;

    private static readonly Tokenizer s_tokenizer = Tokenizer.Load(TestFiles.Path("models", "seed"));
    private static readonly TokenTrie s_tokens = new(s_tokenizer);

    private const string Source = "The term begins on 5 March 1802, and Brainor of Stail pays 250 pounds.\n\n2. Brainel keeps it.";

    [Theory]
    [InlineData("5 March 1802")]
    [InlineData("Brainor")]
    [InlineData("Brainel keeps it.")]
    [InlineData("250 pounds")]
    [InlineData(" Brainor")]           // with the blank that its first token has in the source
    [InlineData(Source)]
    public void Any_words_of_the_source_can_be_quoted_in_the_tokens_they_have_by_themselves(string quoted)
    {
        Quotation quotation = Of(Source);
        foreach (int token in s_tokenizer.Encode(quoted, recognizeAddedTokens: false))
        {
            Assert.True(quotation.Mask[token], $"{token} in '{quoted}'");
            quotation.Push(token);
        }

        Assert.True(quotation.Mask[End]);
    }

    [Theory]
    [InlineData("Brainol")]
    [InlineData("5 March 1803")]
    [InlineData("\n2. Brainel")]        // begins with a line's end
    [InlineData("rainor")]             // begins inside a word
    [InlineData("pounds. 2")]          // the source has line ends there
    public void Anything_else_cannot(string other)
    {
        Quotation quotation = Of(Source);
        foreach (int token in s_tokenizer.Encode(other, recognizeAddedTokens: false))
        {
            if (!quotation.Mask[token])
            {
                Assert.Throws<RequestException>(() => quotation.Push(token));
                return;
            }

            quotation.Push(token);
        }

        Assert.Fail($"'{other}' was allowed.");
    }

    [Theory]
    [InlineData("Brain", false)]       // goes on in the word
    [InlineData("5 ", false)]          // a blank last
    [InlineData("5", true)]
    [InlineData("1802,", true)]
    public void Ends_with_whole_words_only(string quoted, bool mayEnd)
    {
        Quotation quotation = Of(Source);
        Assert.False(quotation.Mask[End]);
        foreach (byte b in Encoding.UTF8.GetBytes(quoted))
            quotation.Push(SingleByte(b));
        Assert.Equal(mayEnd, quotation.Mask[End]);
    }

    [Fact]
    public void Nothing_follows_the_end_of_the_source_but_the_end()
    {
        Quotation quotation = Of("one two");
        foreach (byte b in "two"u8)
            quotation.Push(SingleByte(b));
        Assert.Equal([End], Allowed(quotation));
        quotation.Restart();
        Assert.Contains(SingleByte((byte)'o'), Allowed(quotation));
        Assert.DoesNotContain(End, Allowed(quotation));
    }

    [Fact]
    public void A_character_is_never_cut_at_the_ends()
    {
        Quotation quotation = Of("é東京");
        Assert.DoesNotContain(SingleByte(0xA9), Allowed(quotation));       // the second byte of é
        quotation.Push(SingleByte(0xC3));
        Assert.Equal([SingleByte(0xA9)], Allowed(quotation));
        quotation.Push(SingleByte(0xA9));
        Assert.Contains(End, Allowed(quotation));
    }

    [Fact]
    public void A_source_without_words_is_refused()
    {
        Assert.Throws<RequestException>(() => Of(""));
        Assert.Throws<RequestException>(() => Of(" \n"));
    }

    /// <summary>The mask against the definition: a token may follow where what it makes is part of the source from a word's beginning on, or from the blank before it.</summary>
    [Fact]
    public void The_mask_allows_exactly_what_keeps_a_substring() =>
        Gen.Select(Gen.Char["ab 1."].Array[1, 30], Gen.Int[0, 10_000].Array[0, 6]).Where(made => made.Item1.Any(c => c != ' ')).Sample((letters, choices) =>
        {
            var source = new string(letters);
            Quotation quotation = Of(source);
            string quoted = "";
            foreach (int choice in choices)
            {
                int[] allowed = Allowed(quotation);
                Assert.Equal(Expected(source, quoted), allowed);
                int[] going = [.. allowed.Where(token => token != End)];
                if (going.Length == 0)
                    return;
                int token = going[choice % going.Length];
                quotation.Push(token);
                quoted += s_tokenizer.Decode([token]);
            }
        }, iter: 300);

    private static int[] Expected(string source, string quoted)
    {
        int[] starts = [.. Enumerable.Range(0, source.Length).Where(at => Boundary(source, at) && (source[at] != ' ' || (at + 1 < source.Length && source[at + 1] != ' '))
            && string.CompareOrdinal(source, at, quoted, 0, quoted.Length) == 0)];
        bool mayEnd = quoted.Length > 0 && quoted[^1] != ' ' && starts.Any(at => Boundary(source, at + quoted.Length));
        return [.. Enumerable.Range(0, s_tokenizer.VocabularySize).Where(id => id == End ? mayEnd
            : !s_tokenizer.IsAdded(id) && s_tokenizer.TokenBytes(id).IndexOfAnyExceptInRange((byte)1, (byte)127) < 0
                && starts.Any(at => source.AsSpan(at + quoted.Length).StartsWith(s_tokenizer.Decode([id]), StringComparison.Ordinal)))];
    }

    private static bool Boundary(string source, int at) =>
        at == 0 || at == source.Length || !(char.IsAsciiLetterOrDigit(source[at - 1]) && char.IsAsciiLetterOrDigit(source[at]));

    private static int[] Allowed(Quotation quotation) =>
        [.. Enumerable.Range(0, quotation.Mask.VocabularySize).Where(id => quotation.Mask[id])];

    private static int SingleByte(byte value) =>
        Enumerable.Range(0, s_tokenizer.VocabularySize).First(id => !s_tokenizer.IsAdded(id) && s_tokenizer.TokenBytes(id).SequenceEqual([value]));

    private static Quotation Of(string source) => new(Encoding.UTF8.GetBytes(source), s_tokens, End, s_tokenizer.VocabularySize);
}
