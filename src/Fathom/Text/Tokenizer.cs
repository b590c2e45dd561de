using System.Runtime.InteropServices;
using System.Text;
using Fathom.Checkpoints;

namespace Fathom.Text;

/// <summary>
/// Turns text into DeepSeek-V4 token ids and back. The bytes of a text's tokens, one after the other, are the text's bytes: nothing is
/// normalised, and bytes that aren't UTF-8 pass through as they are. All members may be called from any number of threads at once.
/// </summary>
/// <remarks>
/// <para>An <i>added</i> token (&lt;｜User｜&gt;, &lt;think&gt;, …) steers the model. Text from people and tools must be encoded with
/// <c>recognizeAddedTokens: false</c>: no added token then comes out of it, whatever it spells. There is no default, so that nobody forgets.</para>
/// <para>Bytes that are not valid UTF-8 become tokens of their own; a caller that wants text only must check before.</para>
/// </remarks>
public sealed class Tokenizer
{
    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Vocabulary _vocabulary;
    private readonly BytePairEncoder _encoder;
    private readonly AddedTokenMatcher? _added;     // null: the vocabulary has none

    internal Tokenizer(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        _encoder = new BytePairEncoder(vocabulary);
        _added = vocabulary.MakeMatcher();
    }

    /// <summary>Number of tokens; ids are 0 to this − 1.</summary>
    public int VocabularySize => _vocabulary.Count;

    /// <summary>Length in bytes of the longest token.</summary>
    public int LongestToken => _vocabulary.LongestToken;

    /// <summary>Reads <c>tokenizer.json</c>, given its path or that of the folder it lies in.</summary>
    /// <exception cref="CheckpointException">The file is missing, damaged, contradicts itself, or asks for what DeepSeek-V4's does not.</exception>
    public static Tokenizer Load(string folderOrFile)
    {
        ArgumentException.ThrowIfNullOrEmpty(folderOrFile);
        string path = Directory.Exists(folderOrFile) ? Path.Combine(folderOrFile, "tokenizer.json") : folderOrFile;
        return new Tokenizer(Vocabulary.Read(path));
    }

    /// <summary>The tokens of a text.</summary>
    /// <param name="utf8">the text; may hold any bytes</param>
    /// <param name="recognizeAddedTokens">whether an added token's text becomes that token; false for text from people and tools</param>
    public int[] Encode(ReadOnlySpan<byte> utf8, bool recognizeAddedTokens)
    {
        var ids = new List<int>(utf8.Length / 4 + 4);
        Append(utf8, recognizeAddedTokens, ids);
        return [.. ids];
    }

    /// <summary>The tokens of a text.</summary>
    /// <param name="text">the text</param>
    /// <param name="recognizeAddedTokens">whether an added token's text becomes that token; false for text from people and tools</param>
    /// <exception cref="ArgumentException">The text has half a surrogate pair, which no UTF-8 can hold.</exception>
    public int[] Encode(string text, bool recognizeAddedTokens) => Encode(Utf8(text), recognizeAddedTokens);

    /// <summary>Appends a text's tokens to <paramref name="ids"/>.</summary>
    /// <param name="utf8">the text; may hold any bytes</param>
    /// <param name="recognizeAddedTokens">whether an added token's text becomes that token; false for text from people and tools</param>
    /// <param name="ids">where the tokens go; not safe for use by others meanwhile</param>
    /// <param name="offsets">if given, gets for each token the place of its first byte in <paramref name="utf8"/></param>
    public void Append(ReadOnlySpan<byte> utf8, bool recognizeAddedTokens, List<int> ids, List<int>? offsets = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        int first = ids.Count;
        if (_added is null || !recognizeAddedTokens)
            AppendPlain(utf8, ids);
        else
            AppendWithAdded(_added, utf8, ids);
        if (offsets is not null)
            AppendOffsets(CollectionsMarshal.AsSpan(ids)[first..], offsets);
    }

    /// <summary>Appends a text's tokens to <paramref name="ids"/>.</summary>
    /// <param name="text">the text</param>
    /// <param name="recognizeAddedTokens">whether an added token's text becomes that token; false for text from people and tools</param>
    /// <param name="ids">where the tokens go; not safe for use by others meanwhile</param>
    /// <param name="offsets">if given, gets for each token the place of its first byte in the UTF-8 of <paramref name="text"/></param>
    /// <exception cref="ArgumentException">The text has half a surrogate pair, which no UTF-8 can hold; nothing was appended.</exception>
    public void Append(string text, bool recognizeAddedTokens, List<int> ids, List<int>? offsets = null) =>
        Append(Utf8(text), recognizeAddedTokens, ids, offsets);

    /// <summary>The bytes that the tokens stand for. They need not be valid UTF-8: a character may begin in one token and end in another.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public byte[] DecodeBytes(ReadOnlySpan<int> ids)
    {
        int length = 0;
        foreach (int id in ids)
            length += TokenBytes(id).Length;
        var bytes = new byte[length];
        int at = 0;
        foreach (int id in ids)
        {
            ReadOnlySpan<byte> token = TokenBytes(id);
            token.CopyTo(bytes.AsSpan(at));
            at += token.Length;
        }

        return bytes;
    }

    /// <summary>The text that the tokens stand for, with U+FFFD where their bytes are no character; <see cref="DecodeBytes"/> loses nothing.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids) => Encoding.UTF8.GetString(DecodeBytes(ids));

    /// <summary>The id of the token with this text, such as &lt;｜User｜&gt; or " the"; of two with the same text, the added one.</summary>
    public bool TryGetId(string text, out int id)
    {
        id = _vocabulary.Find(Utf8(text));
        return id != TokenTable.None;
    }

    /// <summary>The bytes of a token; they may be part of a character only.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id) => _vocabulary.Bytes(Checked(id));

    /// <summary>Whether tokenizer.json marks the token as special. Many that steer the model are not: see <see cref="IsAdded"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public bool IsSpecial(int id) => _vocabulary.Has(Checked(id), TokenFlags.Special);

    /// <summary>Whether the token is one of added_tokens, which only <c>recognizeAddedTokens: true</c> yields.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public bool IsAdded(int id) => _vocabulary.Has(Checked(id), TokenFlags.Added);

    private void AppendWithAdded(AddedTokenMatcher added, ReadOnlySpan<byte> utf8, List<int> ids)
    {
        while (added.TryFind(utf8, out int start, out int token))
        {
            AppendPlain(utf8[..start], ids);
            ids.Add(token);
            utf8 = utf8[(start + _vocabulary.Bytes(token).Length)..];
        }

        AppendPlain(utf8, ids);
    }

    private void AppendPlain(ReadOnlySpan<byte> utf8, List<int> ids)
    {
        var pieces = new PreTokenizer(utf8);
        while (pieces.MoveNext())
            _encoder.Encode(utf8[pieces.Start..pieces.End], ids);
    }

    /// <summary>Tokens cover a text without gap or overlap, so a token begins where the lengths of those before it add up to.</summary>
    private void AppendOffsets(ReadOnlySpan<int> ids, List<int> offsets)
    {
        int offset = 0;
        foreach (int id in ids)
        {
            offsets.Add(offset);
            offset += _vocabulary.Bytes(id).Length;
        }
    }

    private int Checked(int id)
    {
        if (unchecked((uint)id) >= (uint)_vocabulary.Count)
            throw new ArgumentOutOfRangeException(nameof(id), id, $"Token {id} is not in the vocabulary; expected 0 to {_vocabulary.Count - 1}.");
        return id;
    }

    private static byte[] Utf8(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            return s_strictUtf8.GetBytes(text);
        }
        catch (EncoderFallbackException e)
        {
            throw new ArgumentException($"The text has half a surrogate pair (U+{(int)e.CharUnknown:X4}) at character {e.Index}; "
                + "expected well-formed UTF-16. Was it cut in the middle of a character?", nameof(text), e);
        }
    }
}
