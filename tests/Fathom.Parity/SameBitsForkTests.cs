using Fathom.Model;
using Fathom.Tests.Model;
using Xunit;

namespace Fathom.Parity;

/// <summary>Same input, same bits, for sequences that share a past: nobody notices the others.</summary>
public class SameBitsForkTests(SameBitsEngines engines) : IClassFixture<SameBitsEngines>
{
    public static TheoryData<string> Names => SameBitsEngines.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Parent_and_fork_go_on_like_cold_runs(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        foreach (int shared in new[] { 1, 3, 4, 6, 7, 127, 128, 130 })
        {
            using SequenceCache parent = engine.Transformer.NewSequence();
            engine.Feed(parent, tokens.AsSpan(0, shared));
            using SequenceCache fork = parent.Fork();
            int[] other = SameBitsEngines.Tokens(engine.Config, 40, shared);
            Bits otherCold = engine.Run([.. tokens[..shared], .. other]);
            // In turns, so that whatever one of them writes too far is there when the other reads.
            for (int t = 0; t < other.Length; t++)
            {
                SameBitsEngines.AssertSame(otherCold, engine.Feed(fork, other.AsSpan(t, 1)), shared + t, $"{name}, fork at {shared}");
                SameBitsEngines.AssertSame(cold, engine.Feed(parent, tokens.AsSpan(shared + t, 1)), shared + t, $"{name}, parent of a fork at {shared}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_fork_outlives_its_parent_and_its_own_forks(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        SequenceCache sequence = engine.Transformer.NewSequence();
        for (int t = 0; t < 60; t += 5)
        {
            SameBitsEngines.AssertSame(cold, engine.Feed(sequence, tokens.AsSpan(t, 5)), t, $"{name}, generation {t / 5}");
            SequenceCache next = sequence.Fork();
            using (SequenceCache sibling = sequence.Fork())
            {
                engine.Feed(sibling, SameBitsEngines.Tokens(engine.Config, 9, t));
            }

            sequence.Dispose();
            sequence = next;
        }

        sequence.Dispose();
    }

    [Theory]
    [InlineData("Flash Mixed")]
    [InlineData("TwoStreams F32")]
    [InlineData("OddRatios F32")]
    [InlineData("OddRatios Mixed")]
    [InlineData("OneStream Bf16")]
    public void Across_the_end_of_a_block(string name)
    {
        (TinyEngine engine, _, _) = engines[name];
        int[] text = SameBitsEngines.Tokens(engine.Config, CacheLayout.BlockTokens + 20, 3), other = SameBitsEngines.Tokens(engine.Config, 20, 4);
        using SequenceCache trunk = engine.Transformer.NewSequence();
        engine.FeedLong(trunk, text.AsSpan(0, CacheLayout.BlockTokens - 9));
        foreach (int shared in new[] { -9, -2, -1, 0, 1, 3 })
        {
            int length = CacheLayout.BlockTokens + shared, count = text.Length - length;
            engine.FeedLong(trunk, text.AsSpan(trunk.Length, length - trunk.Length));
            using SequenceCache parent = trunk.Fork(), fork = trunk.Fork();
            Bits expected = Alone(engine, text), expectedOther = Alone(engine, [.. text[..length], .. other]);
            for (int t = 0; t < 12; t++)
            {
                Same(expectedOther, engine.Feed(fork, other.AsSpan(t, 1)), length + t, $"{name}, fork at {length}");
                Same(expected, engine.Feed(parent, text.AsSpan(length + t, 1)), length + t, $"{name}, parent of a fork at {length}");
            }
        }
    }

    // The last tokens of a cold run; its first row is position Length − Rows.
    private static Bits Alone(TinyEngine engine, int[] text)
    {
        using SequenceCache sequence = engine.Transformer.NewSequence();
        engine.FeedLong(sequence, text.AsSpan(0, CacheLayout.BlockTokens - 16));
        return engine.FeedLong(sequence, text.AsSpan(CacheLayout.BlockTokens - 16));
    }

    private static void Same(Bits expected, Bits found, int position, string how)
    {
        // Rows of Alone begin 16 tokens before the block's end; a draft belongs to the row of the token it was given.
        int row = position - (CacheLayout.BlockTokens - 16);
        Assert.True(expected.Logits[row].AsSpan().SequenceEqual(found.Logits[0]), $"{how}: logits of position {position} differ.");
        if (found.Drafts.Count > 0)
        {
            Assert.True(expected.Drafts[row].AsSpan().SequenceEqual(found.Drafts[0]), $"{how}: the draft at position {position} differs.");
        }
    }
}
