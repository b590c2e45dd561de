using System.Text;
using CsCheck;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Text;

public class DetokenizerTests
{
    [Fact]
    public void A_character_appears_with_its_last_byte()
    {
        var detokenizer = new Detokenizer(Tokenizers.V4);
        int[] ids = [.. "a😀"u8.ToArray().Select(b => Tokenizers.V4.Encode([b], false)[0])];

        Assert.Equal(["a", "", "", "", "😀"], ids.Select(detokenizer.Push));
        Assert.Equal("", detokenizer.Flush());
    }

    [Fact]
    public void A_dangling_tail_becomes_one_replacement_character_and_a_new_stream_begins()
    {
        var detokenizer = new Detokenizer(Tokenizers.V4);
        int[] ids = [.. "中"u8.ToArray().Select(b => Tokenizers.V4.Encode([b], false)[0])];

        Assert.Equal("", detokenizer.Push(ids[0]));
        Assert.Equal("", detokenizer.Push(ids[1]));
        Assert.Equal("\uFFFD", detokenizer.Flush());
        Assert.Equal("", detokenizer.Flush());
        Assert.Equal("中", string.Concat(ids.Select(detokenizer.Push)));
    }

    [Fact]
    public void A_byte_that_fits_nowhere_does_not_hold_the_text_up()
    {
        var detokenizer = new Detokenizer(Tokenizers.V4);
        int[] ids = [.. ((byte[])[0xE4, (byte)'a']).Select(b => Tokenizers.V4.Encode([b], false)[0])];

        Assert.Equal(["", "\uFFFDa"], ids.Select(detokenizer.Push));
    }

    [Fact]
    public void A_wrong_id_leaves_the_stream_as_it_was()
    {
        var detokenizer = new Detokenizer(Tokenizers.V4);
        int[] ids = [.. "é"u8.ToArray().Select(b => Tokenizers.V4.Encode([b], false)[0])];

        detokenizer.Push(ids[0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => detokenizer.Push(-1));
        Assert.Equal("é", detokenizer.Push(ids[1]));
    }

    [Fact]
    public void Token_by_token_gives_the_same_text_as_all_at_once() =>
        Gen.Select(Gen.OneOf(Tokenizers.V4, Tokenizers.Nano), Gen.OneOf<(byte[] Text, bool Whole)>(
            TokenizerProperties.Bytes.Select(text => (Text: text, Whole: true)), TokenizerProperties.Bytes.Select(text => (Text: text, Whole: false))))
        .Sample((tokenizer, input) =>
        {
            // As encoded, or the same bytes one token each: the most splits that characters can have.
            int[] ids = input.Whole ? tokenizer.Encode(input.Text, true) : [.. input.Text.Select(b => tokenizer.Encode([b], false)[0])];
            AssertStreamsLikeBatch(tokenizer, ids);
        });

    [Fact]
    public void Any_ids_stream_to_the_text_they_decode_to() =>
        Gen.Int[0, Tokenizers.V4.VocabularySize - 1].Array[0, 40].Sample(ids => AssertStreamsLikeBatch(Tokenizers.V4, ids));

    private static void AssertStreamsLikeBatch(Tokenizer tokenizer, int[] ids)
    {
        var detokenizer = new Detokenizer(tokenizer);
        var text = new StringBuilder();
        foreach (int id in ids)
        {
            string part = detokenizer.Push(id);
            Assert.False(part.Length > 0 && char.IsHighSurrogate(part[^1]), "half a character was let out");
            text.Append(part);
        }

        Assert.Equal(tokenizer.Decode(ids), text.Append(detokenizer.Flush()).ToString());
    }
}
