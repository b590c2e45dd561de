using Fathom.Engine;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Serving;

/// <summary>Makes a reply call a tool, or keeps it from calling any: the opening markup is forced at the beginning of the answer, or the token that all markup needs is forbidden.</summary>
internal sealed class CallRule : TokenRule
{
    private readonly int[] _opening = [];
    private int _written;

    /// <param name="opening">markup to begin with; null to forbid calls</param> <param name="tokenizer">of the model</param> <param name="vocabularySize">logits of the model</param>
    public CallRule(string? opening, Tokenizer tokenizer, int vocabularySize)
    {
        if (opening is not null)
        {
            _opening = tokenizer.Encode(opening, recognizeAddedTokens: true);
        }
        else if (tokenizer.TryGetId(ProtocolTokens.Dsml, out int markup))
        {
            Mask = new TokenMask(vocabularySize);
            Mask.Fill(true);
            Mask[markup] = false;
        }
    }

    public override TokenMask? Mask { get; }

    public override ReadOnlySpan<int> Forced => _opening.AsSpan(_written);

    public override void Push(int token)
    {
        if (_written < _opening.Length)
        {
            _written++;
        }
    }
}
