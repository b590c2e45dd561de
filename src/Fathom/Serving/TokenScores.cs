using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Serving;

/// <summary>The likeliest tokens in a place.</summary>
internal static class TokenScores
{
    /// <summary>A drawn token beside the likeliest ones.</summary>
    /// <param name="logits">(vocabulary), those that it was drawn from</param>
    /// <param name="token">what was drawn</param>
    /// <param name="top">how many of the likeliest</param>
    /// <param name="tokenizer">of the model</param>
    public static TokenScore Of(ReadOnlySpan<float> logits, int token, int top, Tokenizer tokenizer)
    {
        var drawn = new Token(token, (float)LogProbabilities.Of(logits, token));
        return Of(drawn, tokenizer) with { Top = [.. LogProbabilities.Likeliest(logits, top).Select(likely => Of(likely, tokenizer))] };
    }

    // A model may have more logits than its tokenizer has tokens.
    private static TokenScore Of(Token token, Tokenizer tokenizer) =>
        new(token.Id < tokenizer.VocabularySize ? tokenizer.TokenBytes(token.Id).ToArray() : [], token.LogProbability, []);
}
