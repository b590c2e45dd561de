namespace Fathom.Serving;

/// <summary>How much is read before a prompt is read to its end, since prompts are read beside one another. Stateless.</summary>
internal static class ReadingShare
{
    /// <summary>Tokens of all prompts that are read until a new one is done: holders get equal shares, and so do the prompts of one.</summary>
    /// <param name="own">tokens of the new prompt</param>
    /// <param name="holder">whose it is</param>
    /// <param name="left">what other prompts have left, each with its holder</param>
    public static long TokensUntilRead(int own, string holder, IEnumerable<(string Holder, int Tokens)> left)
    {
        var ofOthers = new Dictionary<string, long>(StringComparer.Ordinal);
        long ofHolder = own;
        foreach ((string other, int tokens) in left)
        {
            if (other == holder)
            {
                ofHolder += Math.Min(own, tokens);
            }
            else
            {
                ofOthers[other] = ofOthers.GetValueOrDefault(other) + tokens;
            }
        }
        return ofHolder + ofOthers.Values.Sum(tokens => Math.Min(ofHolder, tokens));
    }
}
