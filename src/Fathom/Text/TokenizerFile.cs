using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Fathom.Checkpoints;

namespace Fathom.Text;

/// <summary>A string of the file, as a place in its bytes.</summary>
internal readonly record struct Slice(int Start, int Length);

/// <summary>An entry of added_tokens.</summary>
internal readonly record struct AddedToken(Slice Content, int Id, bool Special);

/// <summary>
/// The parts of a Hugging Face tokenizer.json that matter to byte-level BPE, as the file has them. What would change the result and isn't
/// done here (normalizers, other splitters, templates, dropout, …) is refused, not ignored.
/// </summary>
internal sealed class TokenizerFile
{
    private readonly string _path;
    private readonly byte[] _bytes;
    private readonly HashSet<string> _seen = [];

    private TokenizerFile(string path, byte[] bytes)
    {
        _path = path;
        _bytes = bytes;
    }

    /// <summary>Entries of model.vocab, in file order.</summary>
    public List<(Slice Spelling, int Id)> Vocabulary { get; } = [];

    /// <summary>Entries of model.merges; the place in the list is the rank.</summary>
    public List<(Slice Left, Slice Right)> Merges { get; } = [];

    public List<AddedToken> AddedTokens { get; } = [];

    public ReadOnlySpan<byte> this[Slice slice] => _bytes.AsSpan(slice.Start, slice.Length);

    public static TokenizerFile Read(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: not found. Expected a tokenizer.json; is this the folder of a model?", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }

        var file = new TokenizerFile(path, bytes);
        if (!Utf8.IsValid(bytes))
            throw file.Error($"is not valid UTF-8 at byte {FirstInvalid(bytes)}, and JSON must be. Was the file damaged in transfer?");
        file.Parse();
        return file;
    }

    public CheckpointException Error(string message) => new($"{_path}: {message}");

    /// <summary>A string of the file for a message: quoted, and cut if it is long.</summary>
    public string Quote(Slice slice)
    {
        string text = Encoding.UTF8.GetString(this[slice]);
        return TokenizerSections.Shorten($"\"{text}\"");
    }

    private static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        int at = 0;
        while (Rune.DecodeFromUtf8(bytes[at..], out _, out int width) == OperationStatus.Done)
            at += width;
        return at;
    }

    private void Parse()
    {
        var reader = new Utf8JsonReader(_bytes);
        try
        {
            reader.Read();
            Expect(ref reader, JsonTokenType.StartObject, "the file");
            while (NextProperty(ref reader, "", out string name))
                ReadSection(ref reader, name);
            reader.Read();      // nothing but blanks may follow: the reader itself says so
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"{_path}: is not well-formed JSON: {e.Message} Was the download complete?", e);
        }
        catch (InvalidOperationException e)
        {
            // The reader's way of refusing \ud800 and its like when a string is unescaped.
            throw new CheckpointException($"{_path}: the string at byte {reader.TokenStartIndex} is not valid Unicode: {e.Message}", e);
        }

        foreach (string section in (ReadOnlySpan<string>)["added_tokens", "pre_tokenizer", "model", "model.type", "model.vocab", "model.merges"])
        {
            if (!_seen.Contains(section))
                throw Error($"has no \"{section}\". Expected a byte-level BPE tokenizer.json in Hugging Face's form.");
        }
    }

    private void ReadSection(ref Utf8JsonReader reader, string name)
    {
        switch (name)
        {
            case "version":
                reader.Skip();
                break;
            case "added_tokens":
                Expect(ref reader, JsonTokenType.StartArray, name);
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    ReadAddedToken(ref reader);
                break;
            case "model":
                Expect(ref reader, JsonTokenType.StartObject, name);
                while (NextProperty(ref reader, "model.", out string property))
                    ReadModelProperty(ref reader, property);
                break;
            default:
                using (var section = JsonDocument.ParseValue(ref reader))
                {
                    if (TokenizerSections.Refuse(name, section.RootElement) is { } reason)
                        throw Error(reason);
                }

                break;
        }
    }

    private void ReadModelProperty(ref Utf8JsonReader reader, string name)
    {
        switch (name)
        {
            case "model.vocab":
                ReadVocabulary(ref reader);
                break;
            case "model.merges":
                ReadMerges(ref reader);
                break;
            default:
                using (var value = JsonDocument.ParseValue(ref reader))
                {
                    if (TokenizerSections.Refuse(name, value.RootElement) is { } reason)
                        throw Error(reason);
                }

                break;
        }
    }

    private void ReadVocabulary(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, "model.vocab");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            Slice spelling = Text(ref reader);
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id))
                throw Error($"model.vocab: expected an id for {Quote(spelling)} at byte {reader.TokenStartIndex}, found {Found(ref reader)}.");
            Vocabulary.Add((spelling, id));
        }
    }

    private void ReadMerges(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartArray, "model.merges");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.String)
                Merges.Add(SplitMerge(Text(ref reader)));
            else
                Merges.Add(ReadMergePair(ref reader));
        }
    }

    /// <summary>The older form, "left right": the alphabet has no blank, so there is one blank exactly.</summary>
    private (Slice Left, Slice Right) SplitMerge(Slice text)
    {
        int blank = this[text].IndexOf((byte)' ');
        if (blank < 0 || this[text][(blank + 1)..].Contains((byte)' '))
            throw Error($"model.merges[{Merges.Count}]: expected two tokens with one blank between them, found {Quote(text)}.");
        return (new Slice(text.Start, blank), new Slice(text.Start + blank + 1, text.Length - blank - 1));
    }

    /// <summary>The newer form, ["left", "right"].</summary>
    private (Slice Left, Slice Right) ReadMergePair(ref Utf8JsonReader reader)
    {
        string where = $"model.merges[{Merges.Count}]";
        Expect(ref reader, JsonTokenType.StartArray, where);
        reader.Read();
        Expect(ref reader, JsonTokenType.String, where);
        Slice left = Text(ref reader);
        reader.Read();
        Expect(ref reader, JsonTokenType.String, where);
        Slice right = Text(ref reader);
        reader.Read();
        Expect(ref reader, JsonTokenType.EndArray, where);
        return (left, right);
    }

    private void ReadAddedToken(ref Utf8JsonReader reader)
    {
        string where = $"added_tokens[{AddedTokens.Count}]";
        Expect(ref reader, JsonTokenType.StartObject, where);
        Slice? content = null;
        int? id = null;
        bool? special = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;     // a property name is never null
            reader.Read();
            switch (name)
            {
                case "id" when reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int value):
                    id = value;
                    break;
                case "content" when reader.TokenType == JsonTokenType.String:
                    content = Text(ref reader);
                    break;
                case "special" when reader.TokenType is JsonTokenType.True or JsonTokenType.False:
                    special = reader.GetBoolean();
                    break;
                case "normalized" when reader.TokenType is JsonTokenType.True or JsonTokenType.False:
                    break;                          // asks whether the normalizer runs first, and there is none
                case "single_word" or "lstrip" or "rstrip" when reader.TokenType == JsonTokenType.False:
                    break;
                default:
                    throw Error($"{where}.{name}: {Found(ref reader)} is not supported; expected a token that is matched as it stands "
                        + "(id, content, special, and single_word, lstrip, rstrip false).");
            }
        }

        if (content is null || id is null || special is null)
            throw Error($"{where}: expected \"id\", \"content\" and \"special\", found only some of them.");
        AddedTokens.Add(new AddedToken(content.Value, id.Value, special.Value));
    }

    /// <summary>Goes to the next property's value; false at the end of the object. Each property may stand once.</summary>
    private bool NextProperty(ref Utf8JsonReader reader, string prefix, out string name)
    {
        reader.Read();
        name = "";
        if (reader.TokenType != JsonTokenType.PropertyName)
            return false;
        name = prefix + reader.GetString();
        if (!_seen.Add(name))
            throw Error($"\"{name}\" stands twice.");
        reader.Read();
        return true;
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType type, string where)
    {
        if (reader.TokenType != type)
            throw Error($"{where}: expected {type} at byte {reader.TokenStartIndex}, found {Found(ref reader)}.");
    }

    private static string Found(ref Utf8JsonReader reader) =>
        reader.TokenType is JsonTokenType.Number ? Encoding.UTF8.GetString(reader.ValueSpan) : reader.TokenType.ToString();

    /// <summary>The reader's current string. One with escapes is written back unescaped, over its own place: it only gets shorter.</summary>
    private Slice Text(ref Utf8JsonReader reader)
    {
        int start = (int)reader.TokenStartIndex + 1;        // after the quotation mark
        int length = reader.ValueSpan.Length;
        if (!reader.ValueIsEscaped)
            return new Slice(start, length);
        var unescaped = new byte[length];
        int written = reader.CopyString(unescaped);
        unescaped.AsSpan(0, written).CopyTo(_bytes.AsSpan(start));
        return new Slice(start, written);
    }
}
