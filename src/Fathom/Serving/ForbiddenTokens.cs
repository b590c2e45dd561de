using Fathom.Engine;

namespace Fathom.Serving;

/// <summary>Keeps tokens out of a reply.</summary>
internal sealed class ForbiddenTokens : TokenRule
{
    /// <param name="tokens">that must not come</param> <param name="vocabularySize">logits of the model</param>
    public ForbiddenTokens(IReadOnlyList<int> tokens, int vocabularySize)
    {
        Mask = new TokenMask(vocabularySize);
        Mask.Fill(true);
        foreach (int token in tokens)
        {
            Mask[token] = false;
        }
    }

    public override TokenMask Mask { get; }

    public override void Push(int token)
    {
        // What is forbidden does not change.
    }
}
