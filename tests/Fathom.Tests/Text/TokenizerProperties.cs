using System.Text;
using CsCheck;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Text;

public class TokenizerProperties
{
    private static readonly string[] s_fragments =
    [
        "the", " of", "Hello", "\n", "\r\n", "  ", " ", "\t", "123", "7", "中文", "カナ", "・", "é", "e\u0301", "😀", "𝒳", "①", "²", "!", "->", "'s",
        "<think>", "</think>", "<｜User｜>", "<｜", "｜DSML｜", "<｜/table>｜", "\u200d", "\u0001", "\u3000", "안녕", "𠀀",
    ];

    /// <summary>Text-like bytes, now and then cut by bytes that are no UTF-8.</summary>
    internal static readonly Gen<byte[]> Bytes = Gen.OneOf<byte[]>(
        Gen.Byte.Array[0, 60],
        Gen.OneOf<byte[]>(
            Gen.OneOf(s_fragments).Select(Encoding.UTF8.GetBytes),
            Gen.OneOf(s_fragments).Select(Encoding.UTF8.GetBytes),
            Gen.Byte.Array[1, 3],
            Gen.Char['a', 'f'].Array[40, 120].Select(text => Encoding.UTF8.GetBytes(text))).Array[0, 20].Select(parts => parts.SelectMany(part => part).ToArray()));

    private static readonly Gen<Tokenizer> s_tokenizer = Gen.OneOf(Tokenizers.V4, Tokenizers.Nano);

    [Fact]
    public void Decoding_what_was_encoded_gives_the_same_bytes_and_offsets_cover_them() =>
        Gen.Select(s_tokenizer, Bytes, Gen.Bool).Sample((tokenizer, text, recognize) =>
        {
            List<int> ids = [];
            List<int> offsets = [];
            tokenizer.Append(text, recognize, ids, offsets);

            Assert.Equal(text, tokenizer.DecodeBytes(ids.ToArray()));
            Assert.Equal(ids.Count, offsets.Count);
            int at = 0;
            for (int i = 0; i < ids.Count; i++)
            {
                ReadOnlySpan<byte> token = tokenizer.TokenBytes(ids[i]);
                Assert.Equal(at, offsets[i]);
                Assert.Equal(token, text.AsSpan(at, token.Length));
                Assert.True(recognize || !tokenizer.IsAdded(ids[i]), $"token {ids[i]} from plain text");
                at += token.Length;
            }

            Assert.Equal(text.Length, at);
        });

    [Fact]
    public void A_text_and_its_string_have_the_same_tokens() =>
        Gen.Select(s_tokenizer, Gen.OneOf(s_fragments).Array[0, 20], Gen.Bool).Sample((tokenizer, parts, recognize) =>
        {
            string text = string.Concat(parts);
            Assert.Equal(tokenizer.Encode(Encoding.UTF8.GetBytes(text), recognize), tokenizer.Encode(text, recognize));
        });

    [Fact]
    public void Merges_as_the_textbook_does() =>
        Gen.Select(s_tokenizer, Gen.OneOf<byte[]>(Gen.Char['a', 'e'].Array[1, 90].Select(text => Encoding.UTF8.GetBytes(text)),
            Gen.OneOf(" "u8.ToArray(), "="u8.ToArray(), "na"u8.ToArray(), "ing"u8.ToArray()).Array[1, 40].Select(parts => parts.SelectMany(p => p).ToArray())))
        .Sample((tokenizer, piece) =>
        {
            var ids = new List<int>();
            VocabularyOf(tokenizer).Encoder.Encode(piece, ids);
            Assert.Equal(NaiveMerge(VocabularyOf(tokenizer).Vocabulary, piece), ids);
        });

    private static readonly Vocabulary s_v4 = Vocabulary.Read(TestFiles.Path("tests/data/tokenizer/tokenizer.json"));
    private static readonly Vocabulary s_nano = Vocabulary.Read(TestFiles.Path("models/seed/tokenizer.json"));
    private static readonly BytePairEncoder s_v4Encoder = new(s_v4);
    private static readonly BytePairEncoder s_nanoEncoder = new(s_nano);

    private static (Vocabulary Vocabulary, BytePairEncoder Encoder) VocabularyOf(Tokenizer tokenizer) =>
        tokenizer == Tokenizers.V4 ? (s_v4, s_v4Encoder) : (s_nano, s_nanoEncoder);

    private static List<int> NaiveMerge(Vocabulary vocabulary, byte[] piece)
    {
        List<int> tokens = [.. piece.Select(vocabulary.TokenOfByte)];
        while (true)
        {
            var best = Enumerable.Range(0, tokens.Count - 1)
                .Select(i => (Merge: vocabulary.Merges.Find(tokens[i], tokens[i + 1]), At: i))
                .Where(candidate => candidate.Merge.Exists)
                .OrderBy(candidate => candidate.Merge.Rank).ThenBy(candidate => candidate.At)
                .FirstOrDefault((Merge: Merge.None, At: -1));
            if (best.At < 0)
                return tokens;
            tokens[best.At] = best.Merge.Token;
            tokens.RemoveAt(best.At + 1);
        }
    }
}
