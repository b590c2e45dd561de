using System.Text;

namespace Fathom.Text;

/// <summary>
/// Turns a stream of tokens into text, whole characters only: a character whose bytes are spread over tokens appears with its last one.
/// What <see cref="Push"/> and <see cref="Flush"/> return, joined, is what <see cref="Tokenizer.Decode"/> gives for all the tokens at once.
/// One stream, one detokenizer; not for use by several threads at once.
/// </summary>
public sealed class Detokenizer
{
    private readonly Tokenizer _tokenizer;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();     // keeps the bytes of a character not yet whole
    private readonly char[] _characters;

    /// <summary>Begins an empty stream.</summary>
    public Detokenizer(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _characters = new char[Encoding.UTF8.GetMaxCharCount(tokenizer.LongestToken)];
    }

    /// <summary>Adds a token; returns the characters that are whole now, often none. Bytes that are no character give U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary; the stream is as before.</exception>
    public string Push(int id) => Text(_tokenizer.TokenBytes(id), flush: false);

    /// <summary>Ends the stream: U+FFFD if a character is incomplete, else nothing. The next <see cref="Push"/> begins a new stream.</summary>
    public string Flush() => Text([], flush: true);

    private string Text(ReadOnlySpan<byte> bytes, bool flush)
    {
        int length = _decoder.GetChars(bytes, _characters, flush);
        return length == 0 ? "" : new string(_characters, 0, length);
    }
}
