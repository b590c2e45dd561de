namespace Fathom.Engine;

/// <summary>The door for token ids: nothing behind it checks them again.</summary>
internal static class PromptCheck
{
    /// <exception cref="RequestException">there are none, too many, or one is no token of the model</exception>
    public static void Require(ReadOnlySpan<int> tokens, int room, int vocabularySize)
    {
        if (tokens.IsEmpty)
        {
            throw new RequestException("The prompt is empty: expected at least one token. Begin with the begin-of-text token.");
        }
        if (tokens.Length > room)
        {
            throw new RequestException(
                $"The prompt does not fit: the context has room for {room} more tokens, found {tokens.Length}. Raise --context, up to the model's positions, or shorten the prompt.");
        }
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)vocabularySize)
            {
                throw new RequestException(
                    $"Token {i} of the prompt: expected an id from 0 to {vocabularySize - 1}, found {tokens[i]}. Does the tokenizer belong to the model?");
            }
        }
    }
}
