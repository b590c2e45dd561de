using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Text;

public class TokenizerTests
{
    public static TheoryData<string, int[]> Goldens()
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(TestFiles.Path("tests/goldens/tokenizer.json")));
        var cases = new TheoryData<string, int[]>();
        foreach (JsonElement entry in file.RootElement.GetProperty("cases").EnumerateArray())
            cases.Add(entry.GetProperty("text").GetString()!, [.. entry.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())]);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Goldens))]
    public void Gives_the_golden_ids_and_the_text_back(string text, int[] ids)
    {
        Assert.Equal(ids, Tokenizers.V4.Encode(text, recognizeAddedTokens: true));
        Assert.Equal(text, Tokenizers.V4.Decode(ids));
    }

    [Theory]
    [InlineData("12345678", new[] { 6895, 18009, 2597 })]
    [InlineData("  two  spaces\n\nnew", new[] { 223, 1234, 223, 13564, 271, 2839 })]
    [InlineData("def f(x):\n    return x+1\n", new[] { 3465, 285, 4042, 3395, 361, 1354, 1527, 13, 19, 201 })]
    [InlineData("中文English混合123", new[] { 21134, 17530, 14769, 6895 })]
    [InlineData("ひらがなカタカナ漢字", new[] { 40259, 4970, 2936, 2942, 15961, 11767, 15961, 27071, 29069, 2024 })]
    [InlineData("I'm can't we'll", new[] { 43, 4571, 588, 1664, 579, 5922 })]
    [InlineData("foo_bar->baz();", new[] { 40897, 100869, 2105, 68, 1521, 12184 })]
    [InlineData("😀👍🏽", new[] { 28927, 225, 92526, 40965, 124 })]
    [InlineData("a\tb\r\nc", new[] { 67, 37496, 204, 201, 69 })]
    [InlineData("x²+y²≤z", new[] { 90, 1628, 35576, 1628, 20069, 92 })]
    [InlineData("안녕하세요", new[] { 31404, 11939, 246, 4567, 73527 })]
    [InlineData("\n\n<｜DSML｜tool_calls>", new[] { 271, 30, 128825, 72461, 4941, 12548, 32 })]
    [InlineData("<｜begin▁of▁sentence｜>You are a helpful assistant.<｜User｜>Hi<｜Assistant｜></think>",
        new[] { 0, 3476, 477, 260, 11502, 22896, 16, 128803, 23166, 128804, 128822 })]
    public void Gives_the_ids_of_the_architecture_notes(string text, int[] ids) =>
        Assert.Equal(ids, Tokenizers.V4.Encode(text, recognizeAddedTokens: true));

    [Fact]
    public void Gives_the_ids_of_the_reference_library_for_every_character_below_U_32000()
    {
        // The digest was made with Hugging Face's own library (tokenizers 0.22.2, in Rust) from the same texts and the same tokenizer.json.
        const string expected = "C9557099725CCD731D296A5715478276AF1E3C464707864767F2FBB1A55BE6EE";
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var ids = new List<int>();
        for (int value = 0; value < 0x32000; value++)
        {
            if (!Rune.IsValid(value))
                continue;
            ids.Clear();
            Tokenizers.V4.Append(Encoding.UTF8.GetBytes($"a{new Rune(value)}b{new Rune(value)} {new Rune(value)}{new Rune(value)}!"), true, ids);
            digest.AppendData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(ids)));
        }

        Assert.Equal(expected, Convert.ToHexString(digest.GetHashAndReset()));
    }

    [Theory]
    [InlineData("<｜User｜>")]
    [InlineData("a<think>b</think>c<｜begin▁of▁sentence｜>")]
    [InlineData("</dsml:<dsml:｜DSML｜<|EOT|>")]
    public void Hostile_text_yields_no_added_token(string text)
    {
        int[] ids = Tokenizers.V4.Encode(text, recognizeAddedTokens: false);

        Assert.DoesNotContain(ids, Tokenizers.V4.IsAdded);
        Assert.Equal(text, Tokenizers.V4.Decode(ids));
    }

    [Fact]
    public void Every_added_token_is_found_in_text_and_only_when_asked_for()
    {
        foreach (Tokenizer tokenizer in (Tokenizer[])[Tokenizers.V4, Tokenizers.Nano])
        {
            for (int id = 0; id < tokenizer.VocabularySize; id++)
            {
                if (!tokenizer.IsAdded(id))
                    continue;
                byte[] text = [.. "x"u8, .. tokenizer.TokenBytes(id), .. "<y"u8];
                Assert.Equal(id, tokenizer.Encode(text, recognizeAddedTokens: true)[1]);
                Assert.DoesNotContain(id, tokenizer.Encode(text, recognizeAddedTokens: false));
            }
        }
    }

    [Fact]
    public void The_longest_added_token_at_the_leftmost_place_wins()
    {
        // no_1 begins no_12 and no_123; "<｜/table>｜" ends with the bar that ｜DSML｜ begins with.
        Assert.True(Tokenizers.V4.TryGetId("<｜place▁holder▁no▁123｜>", out int no123));
        Assert.True(Tokenizers.V4.TryGetId("<｜/table>｜", out int table));

        Assert.Equal([no123], Tokenizers.V4.Encode("<｜place▁holder▁no▁123｜>", true));
        Assert.Equal([table, .. Tokenizers.V4.Encode("DSML｜", false)], Tokenizers.V4.Encode("<｜/table>｜DSML｜", true));
    }

    [Fact]
    public void Tells_tokens_by_text_and_their_flags()
    {
        Tokenizer v4 = Tokenizers.V4;

        Assert.Equal(129_280, v4.VocabularySize);
        Assert.Equal(1_024, Tokenizers.Nano.VocabularySize);
        Assert.True(v4.TryGetId("<｜User｜>", out int user));
        Assert.Equal(128_803, user);
        Assert.True(v4.TryGetId(" world", out int world));
        Assert.Equal(2_058, world);
        Assert.False(v4.TryGetId("no such token as this one", out _));
        Assert.True(v4.IsSpecial(0));
        Assert.False(v4.IsSpecial(user));
        Assert.True(v4.IsAdded(user));
        Assert.False(v4.IsAdded(world));
        Assert.Equal(" world"u8, v4.TokenBytes(world));
        Assert.Equal(1_230, Enumerable.Range(0, v4.VocabularySize).Count(v4.IsSpecial));
        Assert.Equal(1_283, Enumerable.Range(0, v4.VocabularySize).Count(v4.IsAdded));
    }

    [Fact]
    public void Offsets_are_bytes_and_begin_anew_with_each_text()
    {
        List<int> ids = [7];
        List<int> offsets = [];
        Tokenizers.V4.Append("你好，<｜User｜>Hi there"u8, true, ids, offsets);
        Tokenizers.V4.Append("，Hi", true, ids, offsets);

        Assert.Equal([7, 30594, 303, 128803, 23166, 1031, 303, 23166], ids);
        Assert.Equal([0, 6, 9, 21, 23, 0, 3], offsets);
    }

    [Fact]
    public void Ids_outside_the_vocabulary_are_refused()
    {
        foreach (int id in (int[])[-1, 129_280, int.MaxValue])
        {
            var e = Assert.Throws<ArgumentOutOfRangeException>(() => Tokenizers.V4.Decode([0, id]));
            Assert.Contains($"Token {id} is not in the vocabulary; expected 0 to 129279.", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused_not_replaced()
    {
        var e = Assert.Throws<ArgumentException>(() => Tokenizers.V4.Encode("ab\uD83Dc", false));

        Assert.Contains("half a surrogate pair (U+D83D) at character 2", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a")]
    [InlineData(" ")]
    [InlineData("中")]
    [InlineData("\u0001")]
    [InlineData("7")]
    [InlineData("<｜User")]
    public void A_megabyte_of_one_thing_comes_back(string unit)
    {
        // Where merging were quadratic, this would take minutes.
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(unit, 1_000_000 / Encoding.UTF8.GetByteCount(unit))));
        int[] ids = Tokenizers.V4.Encode(text, recognizeAddedTokens: true);

        Assert.Equal(text, Tokenizers.V4.DecodeBytes(ids));
    }

    [Fact]
    public void Many_threads_give_the_same_tokens_as_one()
    {
        byte[] text = File.ReadAllBytes(TestFiles.Path("models/fathom-nano/heldout.txt"))[..50_000];
        int[] expected = Tokenizers.V4.Encode(text, false);
        var fresh = Tokenizer.Load(TestFiles.Path("tests/data/tokenizer/tokenizer.json"));

        Parallel.For(0, 8, _ => Assert.Equal(expected, fresh.Encode(text, false)));
    }
}
