using Fathom.Model;
using Fathom.Tests.Model;
using Xunit;

namespace Fathom.Parity;

/// <summary>Guesses at the next token, right or wrong, leave no trace in any bit.</summary>
public class SameBitsGuessTests(SameBitsEngines engines) : IClassFixture<SameBitsEngines>
{
    public static TheoryData<string> Names => SameBitsEngines.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Right_and_wrong_guesses_in_any_order(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        var random = new Random(5);
        using SequenceCache sequence = engine.Transformer.NewSequence();
        int right = 0, wrong = 0;
        for (int t = 0; t < tokens.Length - 1; t++)
        {
            if (engine.Transformer.CanDraft && t > 0)
            {
                SameBitsEngines.AssertSame(new Bits([], cold.Drafts), new Bits([], [engine.Guess(sequence, tokens[t])]), t, $"{name}, draft at {t}");
            }
            bool hit = random.Next(2) == 0;
            int guess = hit ? tokens[t + 1] : (tokens[t + 1] + 1 + random.Next(engine.Config.VocabularySize - 1)) % engine.Config.VocabularySize;
            List<int[]> logits = engine.FeedWithGuess(sequence, tokens[t], guess);
            Same(cold, logits[0], t, $"{name}, beside a guess at {t}");
            Assert.Equal((t + 1, guess), (sequence.Length, sequence.Tentative));
            if (hit)
            {
                Same(cold, logits[1], ++t, $"{name}, guessed at {t}");
                engine.Transformer.Confirm(sequence);
                Assert.Equal((t + 1, SequenceCache.None), (sequence.Length, sequence.Tentative));
            }
            (right, wrong) = hit ? (right + 1, wrong) : (right, wrong + 1);
        }
        Assert.True(right > 50 && wrong > 50);
        Assert.True(sequence.Tokens.SequenceEqual(tokens.AsSpan(0, sequence.Length)));
    }

    /// <summary>Both sides of a fork begin with rows that only a guess has written, some in the block they share.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void A_fork_behind_a_guess_goes_its_own_way(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        foreach (int length in new[] { 2, 3, 4, 6, 7, 126, 127, 128 })
        {
            using SequenceCache parent = engine.Transformer.NewSequence();
            engine.Feed(parent, tokens.AsSpan(0, length - 1));
            engine.FeedWithGuess(parent, tokens[length - 1], tokens[length]);
            using SequenceCache fork = parent.Fork();
            Assert.Equal(SequenceCache.None, fork.Tentative);
            int[] other = SameBitsEngines.Tokens(engine.Config, 20, length);
            Bits otherCold = engine.Run([.. tokens[..length], .. other]);
            SameBitsEngines.AssertSame(otherCold, engine.Feed(fork, other.AsSpan(0, 9)), length, $"{name}, fork at {length}");
            engine.Transformer.Confirm(parent);
            SameBitsEngines.AssertSame(cold, engine.Feed(parent, tokens.AsSpan(length + 1, 9)), length + 1, $"{name}, parent at {length}");
            SameBitsEngines.AssertSame(otherCold, engine.Feed(fork, other.AsSpan(9)), length + 9, $"{name}, fork at {length} later");
        }
    }

    private static void Same(Bits cold, int[] logits, int position, string how) =>
        SameBitsEngines.AssertSame(cold, new Bits([logits], []), position, how);
}
