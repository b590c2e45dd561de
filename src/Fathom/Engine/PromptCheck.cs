using Fathom.Model;

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
            if (tokens[i] < 0 || tokens[i] >= vocabularySize)
            {
                throw new RequestException(
                    $"Token {i} of the prompt: expected an id from 0 to {vocabularySize - 1}, found {tokens[i]}. Does the tokenizer belong to the model?");
            }
        }
    }

    /// <summary>Refuses a text whose cache would not fit into memory, before any of it is read.</summary>
    /// <param name="tokens">to be read</param> <param name="length">tokens that the sequence has already</param>
    /// <param name="layout">of the sequence</param> <param name="available">bytes of memory</param>
    /// <exception cref="RequestException">it does not fit; the message says how much would</exception>
    public static void RequireMemory(int tokens, int length, CacheLayout layout, long available)
    {
        long have = Blocks(length), needed = (Blocks((long)length + tokens) - have) * layout.BlockBytes;
        if (needed > available)
        {
            long fits = Math.Max(0, ((have + (available / layout.BlockBytes)) * CacheLayout.BlockTokens) - length);
            throw new RequestException(FormattableString.Invariant(
                $"The prompt does not fit into memory: the cache of {tokens:N0} tokens needs {needed / 1e9:F1} GB, {available / 1e9:F1} GB are free, which is enough for {fits:N0} tokens. Shorten the prompt, or free memory."));
        }
    }

    private static long Blocks(long tokens) => (tokens + CacheLayout.BlockTokens - 1) / CacheLayout.BlockTokens;
}
