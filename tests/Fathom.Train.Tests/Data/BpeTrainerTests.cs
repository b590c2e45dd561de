using Fathom.Tests;
using System.Globalization;
using System.Text;
using CsCheck;
using Fathom.Prompts;
using Fathom.Text;
using Fathom.Train.Data;
using Xunit;

namespace Fathom.Train.Tests.Data;

public class BpeTrainerTests
{
    private const int Given = 3 + 256 + 100 + 1000 + 15;
    private const int DigitMerges = 1100;

    [Fact]
    public void Learns_what_counting_everything_anew_learns() =>
        Gen.Select(Gen.String[Gen.Char["abcd ,.é"], 40, 400], Gen.Int[1, 25]).Sample((text, learnt) =>
        {
            IReadOnlyList<(int, int)>? expected = Naive(text, learnt);
            if (expected is null)
            {
                Assert.Throws<ArgumentException>(() => Train([text], Given + learnt));
                return;
            }

            Assert.Equal(expected, Train([text], Given + learnt).Merges.Skip(DigitMerges));
        }, iter: 200);

    [Fact]
    public void The_engine_s_encoder_applies_the_merges_as_learnt()
    {
        LearntVocabulary vocabulary = Train([LearntTokenizer.ProseText], Given + 400);
        Tokenizer tokenizer = LearntTokenizer.Load(vocabulary);
        byte[] text = Encoding.UTF8.GetBytes(LearntTokenizer.ProseText[..20_000] + " 7 42 365 1984 90210 naïve “quoted” 日本語 😀");
        var expected = new List<int>();
        var pieces = new PreTokenizer(text);
        while (pieces.MoveNext())
            expected.AddRange(Apply(vocabulary, text.AsSpan()[pieces.Start..pieces.End]));
        Assert.Equal(expected, tokenizer.Encode(text, recognizeAddedTokens: false));
        Assert.Equal(text, tokenizer.DecodeBytes(tokenizer.Encode(text, recognizeAddedTokens: false)));
    }

    [Fact]
    public void All_groups_of_two_and_three_digits_are_one_token()
    {
        for (int width = 1; width <= 3; width++)
        {
            for (int value = 0; value < Math.Pow(10, width); value++)
            {
                string digits = value.ToString("D" + width, CultureInfo.InvariantCulture);
                int id = Assert.Single(LearntTokenizer.Value.Encode(digits, recognizeAddedTokens: false));
                Assert.Equal(digits, LearntTokenizer.Value.Decode([id]));
            }
        }

        Assert.Equal(2, LearntTokenizer.Value.Encode("123456", recognizeAddedTokens: false).Length);
    }

    [Fact]
    public void The_order_of_texts_does_not_matter()
    {
        string[] texts = LearntTokenizer.ProseText[..40_000].Split("\n\n");
        using var first = new TempFolder();
        using var second = new TempFolder();
        TokenizerWriter.Write(Train(texts, Given + 300), first.Root);
        TokenizerWriter.Write(Train([.. texts.Reverse()], Given + 300), second.Root);
        foreach (string name in (string[])["tokenizer.json", "tokenizer_config.json"])
            Assert.Equal(File.ReadAllBytes(first.Path(name)), File.ReadAllBytes(second.Path(name)));
    }

    [Fact]
    public void Control_tokens_have_the_places_that_the_shape_asks_for()
    {
        Tokenizer tokenizer = LearntTokenizer.Value;
        Assert.Equal(2048, tokenizer.VocabularySize);
        Assert.Equal([0, 1, 2], new[] { ProtocolTokens.BeginOfSentence, ProtocolTokens.EndOfSentence, "<｜▁pad▁｜>" }.Select(LearntTokenizer.Id));
        foreach (string token in LearntVocabulary.ControlTokens)
        {
            int id = Assert.Single(tokenizer.Encode(token, recognizeAddedTokens: true));
            Assert.True(tokenizer.IsAdded(id) && id >= 2048 - LearntVocabulary.ControlTokens.Count, token);
        }
    }

    [Fact]
    public void Too_little_text_is_refused() => Assert.Contains("occur twice", Assert.Throws<ArgumentException>(() => Train(["ab"], 4096)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_vocabulary_without_room_is_refused() => Assert.Throws<ArgumentException>(() => Train(["ab"], 1000));

    private static LearntVocabulary Train(IEnumerable<string> texts, int size)
    {
        var trainer = new BpeTrainer();
        foreach (string text in texts)
            trainer.Add(Encoding.UTF8.GetBytes(text));
        return trainer.Train(size);
    }

    /// <summary>Counts all pairs of all pieces for every merge. Null if the pairs run out.</summary>
    private static List<(int, int)>? Naive(string text, int count)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        var words = new List<List<int>>();
        var pieces = new PreTokenizer(bytes);
        while (pieces.MoveNext())
            words.Add([.. bytes[pieces.Start..pieces.End].Select(b => 3 + b)]);
        var tokens = new Dictionary<int, string>();
        for (int value = 0; value < 256; value++)
            tokens[3 + value] = ((char)value).ToString();
        int next = Given - 15;
        var merges = new List<(int, int)>();
        while (next < Given - 15 + count)
        {
            var best = words.SelectMany(w => w.Zip(w.Skip(1))).GroupBy(p => p)
                .Select(g => (Count: g.Count(), Pair: g.Key)).OrderBy(g => (-g.Count, g.Pair.First, g.Pair.Second)).FirstOrDefault();
            if (best.Count < 2)
                return null;
            (int left, int right) = best.Pair;
            string joined = tokens[left] + tokens[right];
            int id = tokens.FirstOrDefault(t => t.Value == joined).Key;
            if (id == 0)
                tokens[id = next++] = joined;
            merges.Add((left, right));
            words.ForEach(w => Join(w, left, right, id));
        }

        return merges;
    }

    private static void Join(List<int> word, int left, int right, int merged)
    {
        for (int i = 0; i + 1 < word.Count; i++)
        {
            if (word[i] != left || word[i + 1] != right)
                continue;
            word[i] = merged;
            word.RemoveAt(i + 1);
        }
    }

    private static List<int> Apply(LearntVocabulary vocabulary, ReadOnlySpan<byte> piece)
    {
        List<int> word = [.. piece.ToArray().Select(b => 3 + b)];
        foreach ((int left, int right) in vocabulary.Merges)
        {
            byte[] joined = [.. vocabulary.Tokens[left], .. vocabulary.Tokens[right]];
            if (word.Count > 1 && word.Contains(left) && word.Contains(right))
                Join(word, left, right, vocabulary.Tokens.Index().Last(t => t.Item.AsSpan().SequenceEqual(joined)).Index);
        }

        return word;
    }
}
