namespace Fathom.Train.Data;

/// <summary>
/// Learns a byte-level BPE vocabulary with DeepSeek-V4's pre-tokenizer: BOS, EOS, PAD, the 256 bytes, all groups of two and three digits,
/// learnt merges, then V4's control tokens. Deterministic: the same texts in any order give the same vocabulary. Not safe for several threads.
/// </summary>
public sealed class BpeTrainer
{
    private readonly PieceCounts _pieces = new();

    /// <summary>Counts a text's pieces.</summary>
    /// <param name="utf8">the text; pieces never cross from one text to the next</param>
    public void Add(ReadOnlySpan<byte> utf8) => _pieces.Add(utf8);

    /// <summary>Learns merges until the vocabulary is full.</summary>
    /// <param name="vocabularySize">tokens in all, at least those that need no learning</param>
    /// <exception cref="ArgumentException">The texts have too few different pairs, or the size leaves no room for the given tokens.</exception>
    public LearntVocabulary Train(int vocabularySize)
    {
        var vocabulary = new LearntVocabulary();
        int learnt = vocabularySize - vocabulary.Tokens.Count - LearntVocabulary.ControlTokens.Count;
        if (learnt < 0)
        {
            throw new ArgumentException($"A vocabulary of {vocabularySize} tokens is too small: {vocabularySize - learnt} are given "
                + "(control tokens, bytes and groups of digits). Ask for more tokens.", nameof(vocabularySize));
        }

        int target = vocabulary.Tokens.Count + learnt;
        var pairs = new PairIndex(_pieces.Sorted(), LearntVocabulary.FirstByte);
        while (vocabulary.Tokens.Count < target)
        {
            if (!pairs.TryTakeBest(out TokenPair best))
            {
                throw new ArgumentException($"The texts have only {vocabulary.Tokens.Count - (target - learnt)} pairs that occur twice, "
                    + $"expected {learnt}. Give more text or a smaller vocabulary.", nameof(vocabularySize));
            }

            int merged = vocabulary.AddMerge(best.Left, best.Right);
            pairs.Merge(best, merged);
        }

        return vocabulary;
    }
}

/// <summary>Two neighbouring tokens.</summary>
internal readonly record struct TokenPair(int Left, int Right);
