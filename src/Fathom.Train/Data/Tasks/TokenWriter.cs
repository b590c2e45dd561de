using System.Text;
using Fathom.Text;

namespace Fathom.Train.Data.Tasks;

/// <summary>A stretch of tokens.</summary>
/// <param name="Start">first token</param> <param name="Count">tokens</param>
public readonly record struct TokenSpan(int Start, int Count);

/// <summary>Collects tokens and the stretches of them that matter.</summary>
internal sealed class TokenWriter(Tokenizer tokenizer)
{
    private readonly List<int> _offsets = [];

    public List<int> Tokens { get; } = [];

    /// <summary>Appends a text; returns the tokens that <paramref name="marked"/>, a part of it, touches.</summary>
    /// <param name="text">encoded by itself: it must begin where a piece of the pre-tokenizer does</param>
    /// <param name="marked">the part's place in the text</param>
    public TokenSpan Append(string text, Range marked)
    {
        (int at, int length) = marked.GetOffsetAndLength(text.Length);
        int from = Encoding.UTF8.GetByteCount(text.AsSpan(0, at));
        int to = from + Encoding.UTF8.GetByteCount(text.AsSpan(at, length));
        int start = Tokens.Count;
        _offsets.Clear();
        tokenizer.Append(text, recognizeAddedTokens: false, Tokens, _offsets);
        return Touched(start, from, to);
    }

    public void Append(string text) => Append(text, ..0);

    /// <summary>The tokens of the last text that the bytes touch.</summary>
    public TokenSpan Touched(int start, int from, int to)
    {
        int first = _offsets.BinarySearch(from);
        int end = _offsets.BinarySearch(to);
        first = first >= 0 ? first : ~first - 1;
        end = end >= 0 ? end : ~end;
        return new TokenSpan(start + first, to > from ? end - first : 0);
    }
}
