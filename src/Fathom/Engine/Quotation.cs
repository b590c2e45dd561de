using Fathom.Text;

namespace Fathom.Engine;

/// <summary>
/// Holds an answer to the words of a source: <see cref="Mask"/> allows the tokens that keep the answer a substring of it, byte for byte,
/// however the tokens cut it. A quotation begins and ends with a whole word or sign and may end at any of them. Push every token that was
/// drawn. One thread at a time; allocates nothing after construction.
/// </summary>
/// <remarks>
/// The state is the set of places where the source goes on behind what was quoted so far. At first these are all words' beginnings; a few
/// tokens later there are one or two.
/// </remarks>
public sealed class Quotation : TokenRule
{
    private readonly byte[] _source;
    private readonly TokenTrie _tokens;
    private readonly int _endToken;
    private readonly int[] _starts;
    private readonly int[] _places;
    private int _placeCount;
    private int _quoted;

    /// <summary>An empty quotation.</summary>
    /// <param name="source">UTF-8</param> <param name="tokens">of the model's tokenizer</param>
    /// <param name="endToken">the token that ends the answer</param> <param name="vocabularySize">logits of the model</param>
    /// <exception cref="RequestException">the source has no word to quote</exception>
    public Quotation(ReadOnlySpan<byte> source, TokenTrie tokens, int endToken, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        _source = source.ToArray();
        _tokens = tokens;
        _endToken = endToken;
        var starts = new List<int>();
        for (int at = 0; at < _source.Length; at++)
        {
            if (IsBoundary(at) && !IsBlank(_source[at]))
                starts.Add(at);
        }

        if (starts.Count == 0)
            throw new RequestException("The source has no word to quote: expected some text, found none but blanks.");
        _starts = [.. starts];
        _places = new int[_starts.Length];
        Mask = new TokenMask(vocabularySize);
        Restart();
    }

    /// <summary>What may come next; the same object always.</summary>
    public override TokenMask Mask { get; }

    /// <summary>Forgets what was quoted.</summary>
    public void Restart()
    {
        _starts.CopyTo(_places, 0);
        _placeCount = _starts.Length;
        _quoted = 0;
        Allow();
    }

    /// <summary>Quotes one token more; the end token changes nothing.</summary>
    /// <exception cref="RequestException">the mask did not allow the token; the quotation is as before</exception>
    public override void Push(int token)
    {
        if (token < 0 || token >= Mask.VocabularySize || !Mask[token])
            throw new RequestException($"Token {token}: expected one with which the quotation goes on, found one with which it doesn't. Draw it with the quotation's mask.");
        if (token == _endToken)
            return;
        ReadOnlySpan<byte> bytes = _tokens.Bytes(token);
        int kept = 0;
        for (int i = 0; i < _placeCount; i++)
        {
            if (_source.AsSpan(_places[i]).StartsWith(bytes))
                _places[kept++] = _places[i] + bytes.Length;
        }

        _placeCount = kept;
        _quoted += bytes.Length;
        Allow();
    }

    private void Allow()
    {
        Mask.Fill(false);
        for (int i = 0; i < _placeCount; i++)
        {
            int node = TokenTrie.Root;
            for (int at = _places[i]; at < _source.Length; at++)
            {
                node = _tokens.Child(node, _source[at]);
                if (node == TokenTrie.None)
                    break;
                if (_tokens.Token(node) is not TokenTrie.None and int token)
                    Mask[token] = true;
            }

            if (_quoted > 0 && IsBoundary(_places[i]) && !IsBlank(_source[_places[i] - 1]))
                Mask[_endToken] = true;
        }
    }

    // Between two ASCII letters or digits, and within a character, nothing begins or ends. Scripts beyond ASCII may write words without
    // blanks, so there every character does.
    private bool IsBoundary(int at) =>
        at == 0 || at == _source.Length || ((_source[at] & 0xC0) != 0x80 && !(char.IsAsciiLetterOrDigit((char)_source[at - 1]) && char.IsAsciiLetterOrDigit((char)_source[at])));

    private static bool IsBlank(byte value) => value is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
}
