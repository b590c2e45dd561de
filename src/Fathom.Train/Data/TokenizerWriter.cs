using System.Text.Encodings.Web;
using System.Text.Json;
using Fathom.Prompts;

namespace Fathom.Train.Data;

/// <summary>Writes tokenizer.json and tokenizer_config.json as DeepSeek-V4's are written.</summary>
public static class TokenizerWriter
{
    private const string Numbers = @"\p{N}{1,3}";
    private const string ChineseAndJapanese = "[一-龥぀-ゟ゠-ヿ]+";
    private const string Words = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
        + "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

    private static readonly JsonWriterOptions s_options = new() { Indented = true, IndentSize = 1, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" };

    /// <summary>Writes both files into a folder that exists; older ones are replaced.</summary>
    /// <param name="vocabulary">what was learnt</param> <param name="folder">where the files go</param> <param name="contextMax">model_max_length</param>
    public static void Write(LearntVocabulary vocabulary, string folder, int contextMax = 1_048_576)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        WriteFile(Path.Combine(folder, "tokenizer.json"), json => WriteTokenizer(json, vocabulary));
        WriteFile(Path.Combine(folder, "tokenizer_config.json"), json => WriteConfig(json, contextMax));
    }

    private static void WriteFile(string path, Action<Utf8JsonWriter> write)
    {
        string partial = path + ".partial";
        using (FileStream file = File.Create(partial))
        using (var json = new Utf8JsonWriter(file, s_options))
            write(json);
        File.Move(partial, path, overwrite: true);
    }

    private static void WriteTokenizer(Utf8JsonWriter json, LearntVocabulary vocabulary)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        string[] first = [ProtocolTokens.BeginOfSentence, ProtocolTokens.EndOfSentence, LearntVocabulary.Pad];
        for (int id = 0; id < first.Length; id++)
            WriteAdded(json, id, first[id], special: true);
        for (int i = 0; i < LearntVocabulary.ControlTokens.Count; i++)
            WriteAdded(json, vocabulary.Tokens.Count + i, LearntVocabulary.ControlTokens[i], special: false);
        json.WriteEndArray();
        json.WriteStartObject("normalizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("normalizers");
        json.WriteEndArray();
        json.WriteEndObject();
        WritePreTokenizer(json);
        WriteByteLevel(json, "post_processor", trimOffsets: false);
        WriteByteLevel(json, "decoder", trimOffsets: true);
        WriteModel(json, vocabulary, first);
        json.WriteEndObject();
    }

    private static void WriteAdded(Utf8JsonWriter json, int id, string content, bool special)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("content", content);
        json.WriteBoolean("single_word", false);
        json.WriteBoolean("lstrip", false);
        json.WriteBoolean("rstrip", false);
        json.WriteBoolean("normalized", !special);
        json.WriteBoolean("special", special);
        json.WriteEndObject();
    }

    private static void WritePreTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        foreach (string expression in (string[])[Numbers, ChineseAndJapanese, Words])
        {
            json.WriteStartObject();
            json.WriteString("type", "Split");
            json.WriteStartObject("pattern");
            json.WriteString("Regex", expression);
            json.WriteEndObject();
            json.WriteString("behavior", "Isolated");
            json.WriteBoolean("invert", false);
            json.WriteEndObject();
        }

        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", false);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string name, bool trimOffsets)
    {
        json.WriteStartObject(name);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", true);
        json.WriteBoolean("trim_offsets", trimOffsets);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, LearntVocabulary vocabulary, string[] first)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (string absent in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"])
            json.WriteNull(absent);
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
            json.WriteNumber(id < first.Length ? first[id] : ByteSpelling.Of(vocabulary.Tokens[id]), id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach ((int left, int right) in vocabulary.Merges)
            json.WriteStringValue($"{ByteSpelling.Of(vocabulary.Tokens[left])} {ByteSpelling.Of(vocabulary.Tokens[right])}");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteConfig(Utf8JsonWriter json, int contextMax)
    {
        json.WriteStartObject();
        json.WriteBoolean("add_bos_token", false);
        json.WriteBoolean("add_eos_token", false);
        WriteNamed(json, "bos_token", ProtocolTokens.BeginOfSentence);
        json.WriteBoolean("clean_up_tokenization_spaces", false);
        WriteNamed(json, "eos_token", ProtocolTokens.EndOfSentence);
        json.WriteBoolean("legacy", true);
        json.WriteNumber("model_max_length", contextMax);
        WriteNamed(json, "pad_token", LearntVocabulary.Pad);
        json.WriteStartObject("sp_model_kwargs");
        json.WriteEndObject();
        json.WriteNull("unk_token");
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        json.WriteEndObject();
    }

    private static void WriteNamed(Utf8JsonWriter json, string name, string content)
    {
        json.WriteStartObject(name);
        json.WriteString("__type", "AddedToken");
        json.WriteString("content", content);
        json.WriteBoolean("lstrip", false);
        json.WriteBoolean("normalized", true);
        json.WriteBoolean("rstrip", false);
        json.WriteBoolean("single_word", false);
        json.WriteEndObject();
    }
}

/// <summary>The byte-level alphabet of tokenizer.json, from bytes to characters.</summary>
internal static class ByteSpelling
{
    private static readonly char[] s_characters = MakeTable();

    /// <summary>One character per byte.</summary>
    public static string Of(ReadOnlySpan<byte> bytes)
    {
        Span<char> spelling = bytes.Length <= 256 ? stackalloc char[bytes.Length] : new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
            spelling[i] = s_characters[bytes[i]];
        return new string(spelling);
    }

    private static char[] MakeTable()
    {
        var table = new char[256];
        char standIn = (char)0x100;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            table[value] = printable ? (char)value : standIn++;
        }

        return table;
    }
}
