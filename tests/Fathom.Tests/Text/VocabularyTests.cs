using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Fathom.Checkpoints;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Text;

public sealed class VocabularyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fathom-text-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Reads_merges_written_as_pairs_too()
    {
        JsonObject file = Nano();
        JsonArray merges = [];
        foreach (JsonNode? merge in file["model"]!["merges"]!.AsArray())
            merges.Add(new JsonArray([.. merge!.GetValue<string>().Split(' ').Select(half => JsonValue.Create(half))]));
        file["model"]!["merges"] = merges;
        byte[] text = File.ReadAllBytes(TestFiles.Path("models/fathom-nano/heldout.txt"))[..20_000];

        Assert.Equal(Tokenizers.Nano.Encode(text, true), Load(file).Encode(text, true));
    }

    [Fact]
    public void The_order_of_sections_and_escapes_in_strings_do_not_matter()
    {
        JsonObject file = Nano();
        var reversed = new JsonObject();
        foreach (string name in file.Select(section => section.Key).Reverse().ToArray())
            reversed[name] = file[name]!?.DeepClone();
        reversed["model"] = Reversed(file["model"]!.AsObject());
        // The default encoder writes everything beyond ASCII, and some of ASCII, as \u escapes.
        string json = reversed.ToJsonString(new JsonSerializerOptions { Encoder = null });
        const string text = "In the beginning <think> \"was\" the Word; \\ é 中 😀 <｜User｜>";

        Assert.Contains("\\uFF5C", json, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(Tokenizers.Nano.Encode(text, true), Load(json).Encode(text, true));
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        Assert.Contains($"{Path.Combine(_folder, "tokenizer.json")}: not found.", ErrorOf(_folder), StringComparison.Ordinal);
        Assert.Contains("nowhere/tokenizer.json: not found.", ErrorOf("nowhere/tokenizer.json"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("added_tokens", "has no \"added_tokens\"")]
    [InlineData("pre_tokenizer", "has no \"pre_tokenizer\"")]
    [InlineData("model", "has no \"model\"")]
    [InlineData("model.type", "has no \"model.type\"")]
    [InlineData("model.vocab", "has no \"model.vocab\"")]
    [InlineData("model.merges", "has no \"model.merges\"")]
    public void A_missing_section_is_named(string section, string message)
    {
        JsonObject file = Nano();
        if (section.StartsWith("model.", StringComparison.Ordinal))
            file["model"]!.AsObject().Remove(section["model.".Length..]);
        else
            file.Remove(section);

        AssertRefused(file, message);
    }

    [Theory]
    [InlineData("normalizer", """{"type":"NFC"}""", "normalizer: expected none, found {type: \"NFC\"}")]
    [InlineData("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"}]}""", "normalizer: expected none")]
    [InlineData("truncation", """{"max_length":5}""", "truncation: expected null, found {max_length: 5}")]
    [InlineData("post_processor", """{"type":"TemplateProcessing"}""", "post_processor: expected null or ByteLevel")]
    [InlineData("decoder", "7", "decoder: expected null or ByteLevel, found 7")]
    [InlineData("pre_tokenizer", "null", "pre_tokenizer: expected DeepSeek-V4's sequence of 4 steps (three Splits and ByteLevel), found null")]
    [InlineData("pre_tokenizer", """{"type":"Whitespace"}""", "found {type: \"Whitespace\"}")]
    [InlineData("added_tokens", "{}", "added_tokens: expected StartArray at byte")]
    [InlineData("added_tokens", "[5]", "added_tokens[0]: expected StartObject")]
    [InlineData("model", "[]", "model: expected StartObject")]
    [InlineData("surprise", "1", "\"surprise\" is not a known section")]
    public void A_section_that_asks_for_something_else_is_named_with_what_it_says(string section, string value, string message)
    {
        JsonObject file = Nano();
        file[section] = JsonNode.Parse(value);

        AssertRefused(file, message);
    }

    [Theory]
    [InlineData("type", "\"WordPiece\"", "model.type: expected \"BPE\", found \"WordPiece\"")]
    [InlineData("dropout", "0.1", "model.dropout: expected null, found 0.1")]
    [InlineData("unk_token", "\"<unk>\"", "model.unk_token: expected null")]
    [InlineData("ignore_merges", "true", "model.ignore_merges: expected false, found true")]
    [InlineData("byte_fallback", "true", "model.byte_fallback: expected false, found true")]
    [InlineData("end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix: expected null or \"\", found \"</w>\"")]
    [InlineData("vocab", "[]", "model.vocab: expected StartObject")]
    [InlineData("vocab", "{}", "\"<｜User｜>\" has the id 1020; expected one from 0 to 6, because that many")]
    [InlineData("vocab", """{"a":"x"}""", "model.vocab: expected an id for \"a\" at byte")]
    [InlineData("vocab", """{"a":1.5}""", "found 1.5")]
    [InlineData("vocab", """{"a":-1}""", "\"a\" has the id -1; expected one from 0 to 7")]
    [InlineData("vocab", """{"a":99999999999}""", "found 99999999999")]
    [InlineData("merges", """["ab"]""", "model.merges[0]: expected two tokens with one blank between them, found \"ab\"")]
    [InlineData("merges", """["a b c"]""", "model.merges[0]: expected two tokens with one blank")]
    [InlineData("merges", """["a b", ["a"]]""", "model.merges[1]: expected String")]
    [InlineData("merges", """[["a","b","c"]]""", "model.merges[0]: expected EndArray")]
    [InlineData("merges", """["h e", "h e"]""", "model.merges[1] joins \"h\" and \"e\", but the same pair stands earlier")]
    [InlineData("merges", """["h zz"]""", "but \"zz\" is not an ordinary token")]
    [InlineData("merges", """["h |"]""", "but their union is not an ordinary token")]
    [InlineData("merges", """[" e"]""", "model.merges[0] joins \"\" and \"e\", but \"\" is not an ordinary token")]
    [InlineData("merges", """["h 中"]""", "but \"中\" is not an ordinary token")]
    public void A_wrong_model_is_refused_with_the_place(string property, string value, string message)
    {
        JsonObject file = Nano();
        file["model"]![property] = JsonNode.Parse(value);

        AssertRefused(file, message);
    }

    [Fact]
    public void A_splitter_that_differs_in_one_expression_is_shown()
    {
        JsonObject file = Nano();
        file["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = @"\p{N}";

        AssertRefused(file, """pre_tokenizer, step 1: expected {behavior: "Isolated", invert: false, pattern: {Regex: "\p{N}{1,3}"}""");
        AssertRefused(file, """found {behavior: "Isolated", invert: false, pattern: {Regex: "\p{N}"}""");
    }

    [Fact]
    public void Ids_that_clash_or_leave_holes_are_refused()
    {
        JsonObject vocabulary = Nano();
        vocabulary["model"]!["vocab"]!["QQQQ"] = 4;
        AssertRefused(vocabulary, "model.vocab gives the id 4 to both");

        JsonObject hole = Nano();
        JsonObject tokens = hole["model"]!["vocab"]!.AsObject();
        tokens.Remove(tokens.First(token => token.Value!.GetValue<int>() == 700).Key);
        tokens["QQQQ"] = 1_024;
        AssertRefused(hole, "no token has the id 700, though ids go up to 1024");

        JsonObject twice = Nano();
        twice["added_tokens"]!.AsArray().Add(Added("<x>", 1_020));
        AssertRefused(twice, "the id 1020 belongs to both \"<｜User｜>\" and the added token \"<x>\"");

        JsonObject sameText = Nano();
        sameText["added_tokens"]!.AsArray().Add(Added("<think>", 1_024));
        AssertRefused(sameText, "\"<think>\" stands twice, with the ids 1022 and 1024");

        JsonObject clash = Nano();
        clash["added_tokens"]!.AsArray().Add(Added("a", 1_024));
        AssertRefused(clash, "the added token \"a\" has the id 1024, but model.vocab gives it");

        JsonObject empty = Nano();
        empty["added_tokens"]!.AsArray().Add(Added("", 1_024));
        AssertRefused(empty, "the token with the id 1024 is empty");
    }

    [Fact]
    public void A_token_outside_the_alphabet_must_be_an_added_one()
    {
        JsonObject file = Nano();
        JsonArray added = file["added_tokens"]!.AsArray();
        added.RemoveAt(0);

        AssertRefused(file, "model.vocab: \"<｜begin▁of▁sentence｜>\" (id 0) has a character at byte 1 that is not in the byte-level alphabet");
    }

    [Fact]
    public void A_vocabulary_without_all_bytes_is_refused()
    {
        JsonObject file = Nano();
        JsonObject vocabulary = file["model"]!["vocab"]!.AsObject();
        int id = vocabulary["Q"]!.GetValue<int>();
        vocabulary.Remove("Q");
        vocabulary["QQQQ"] = id;

        AssertRefused(file, "model.vocab has no token for the byte 0x51");
    }

    [Theory]
    [InlineData("single_word", "true")]
    [InlineData("lstrip", "true")]
    [InlineData("rstrip", "true")]
    [InlineData("special", "\"yes\"")]
    [InlineData("id", "\"7\"")]
    [InlineData("content", "null")]
    [InlineData("weight", "{}")]
    public void An_added_token_that_asks_for_more_is_refused(string property, string value)
    {
        JsonObject file = Nano();
        file["added_tokens"]![3]![property] = JsonNode.Parse(value);

        AssertRefused(file, $"added_tokens[3].{property}: ");
    }

    [Fact]
    public void An_incomplete_added_token_is_refused()
    {
        JsonObject file = Nano();
        file["added_tokens"]![3]!.AsObject().Remove("id");

        AssertRefused(file, "added_tokens[3]: expected \"id\", \"content\" and \"special\"");
    }

    [Fact]
    public void A_section_that_stands_twice_is_refused() =>
        AssertRefused("""{"version":"1.0","model":{"type":"BPE"},"model":{"type":"BPE"}}""", "\"model\" stands twice");

    [Fact]
    public void A_file_cut_anywhere_is_refused_and_never_crashes()
    {
        byte[] whole = File.ReadAllBytes(TestFiles.Path("models/seed/tokenizer.json"));
        string path = Path.Combine(_folder, "tokenizer.json");
        int end = Array.FindLastIndex(whole, value => value == '}');
        for (int length = 0; length <= end; length += length < 3_000 ? 7 : 331)
        {
            File.WriteAllBytes(path, whole[..length]);
            string message = ErrorOf(path);
            Assert.True(message.Contains("is not well-formed JSON", StringComparison.Ordinal) || message.Contains("is not valid UTF-8", StringComparison.Ordinal),
                $"cut at {length}: {message}");
        }
    }

    [Fact]
    public void A_file_with_damaged_bytes_loads_or_is_refused_and_never_crashes()
    {
        byte[] whole = File.ReadAllBytes(TestFiles.Path("models/seed/tokenizer.json"));
        Gen<byte> value = Gen.OneOf<byte>(Gen.Byte, Gen.OneOf([.. "{}[]\",:0 u\\"u8]));
        Gen.Select(Gen.Int[0, whole.Length - 1], value).Array[1, 3].Sample(
            damages =>
            {
                byte[] damaged = [.. whole];
                foreach ((int at, byte written) in damages)
                    damaged[at] = written;
                string path = Path.Combine(_folder, Path.GetRandomFileName());
                File.WriteAllBytes(path, damaged);
                try
                {
                    byte[] text = [.. "the Word <think>"u8, 0xFF];
                    var tokenizer = Tokenizer.Load(path);
                    Assert.Equal(text, tokenizer.DecodeBytes(tokenizer.Encode(text, true)));
                }
                catch (CheckpointException e)
                {
                    Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
                }
            }, iter: 500);
    }

    [Fact]
    public void Bytes_that_are_no_UTF8_and_escapes_that_are_no_character_are_refused()
    {
        string path = Path.Combine(_folder, "tokenizer.json");
        File.WriteAllBytes(path, [.. "{\"version\":\""u8, 0xFF, .. "\"}"u8]);
        Assert.Contains("is not valid UTF-8 at byte 12, and", ErrorOf(path), StringComparison.Ordinal);

        File.WriteAllText(path, """{"model":{"vocab":{"\ud800":0}}}""");
        Assert.Contains("is not valid Unicode", ErrorOf(path), StringComparison.Ordinal);
    }

    [Fact]
    public void Other_JSON_is_refused()
    {
        foreach (string json in (string[])["", "null", "[]", "7", "{}", "{} {}", "{\"model\":", new string('[', 5_000)])
            Assert.StartsWith(_folder, ErrorOfJson(json), StringComparison.Ordinal);
    }

    private static JsonObject Nano() => JsonNode.Parse(File.ReadAllBytes(TestFiles.Path("models/seed/tokenizer.json")))!.AsObject();

    private static JsonObject Added(string content, int id) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = true,
    };

    private static JsonObject Reversed(JsonObject source)
    {
        var reversed = new JsonObject();
        foreach (string name in source.Select(property => property.Key).Reverse().ToArray())
            reversed[name] = source[name]?.DeepClone();
        return reversed;
    }

    private static string ErrorOf(string path) => Assert.Throws<CheckpointException>(() => Tokenizer.Load(path)).Message;

    private Tokenizer Load(JsonObject file) => Load(file.ToJsonString());

    private Tokenizer Load(string json)
    {
        File.WriteAllText(Path.Combine(_folder, "tokenizer.json"), json, new UTF8Encoding(false));
        return Tokenizer.Load(_folder);
    }

    private string ErrorOfJson(string json) => Assert.Throws<CheckpointException>(() => Load(json)).Message;

    private void AssertRefused(JsonObject file, string message) => AssertRefused(file.ToJsonString(), message);

    private void AssertRefused(string json, string message) => Assert.Contains(message, ErrorOfJson(json), StringComparison.Ordinal);
}
