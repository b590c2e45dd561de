using CsCheck;
using Fathom.Model;
using Fathom.Tests.Model;
using Xunit;

namespace Fathom.Parity;

/// <summary>
/// Same input, same bits: a logit depends on the tokens before it and on nothing else. Everything is compared with one cold run of the whole
/// text. CsCheck_Time (seconds for each property) makes the random parts longer.
/// </summary>
public class SameBitsTests(SameBitsEngines engines) : IClassFixture<SameBitsEngines>
{
    private const int Splits = 4;

    private const int Together = 16;

    public static TheoryData<string> Names => SameBitsEngines.Names;

    [Theory]
    [InlineData("Flash Mixed", 1)]
    [InlineData("Flash F32", 13)]
    [InlineData("OneStream Bf16", 13)]
    [InlineData("TwoStreams F32", 13)]
    [InlineData("Mixed Mixed", 13)]
    [InlineData("OddRatios Mixed", 13)]
    public void A_prompt_of_any_length(string name, int step)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        for (int length = 1; length <= tokens.Length; length += length < 20 ? 1 : step)
        {
            SameBitsEngines.AssertSame(cold, engine.Run(tokens.AsSpan(0, length)), 0, $"{name}, a prompt of {length}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Token_by_token(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        using SequenceCache sequence = engine.Transformer.NewSequence();
        for (int t = 0; t < tokens.Length; t++)
        {
            SameBitsEngines.AssertSame(cold, engine.Feed(sequence, tokens.AsSpan(t, 1)), t, $"{name}, token by token");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Any_chunks_with_decode_before_prefill(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        Gen.Frequency((3, Gen.Const(1)), (3, Gen.Int[2, 9]), (2, Gen.Int[10, 140])).Array[1, 40].Sample(chunks =>
        {
            using SequenceCache sequence = engine.Transformer.NewSequence();
            foreach (int chunk in chunks)
            {
                int first = sequence.Length, count = Math.Min(chunk, tokens.Length - first);
                if (count == 0) break;
                Bits found = engine.Feed(sequence, tokens.AsSpan(first, count));
                SameBitsEngines.AssertSame(cold, found, first, $"{name}, chunks {string.Join(' ', chunks)}");
            }
        }, iter: Splits, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void In_a_batch_of_sixteen_with_decode_and_prefill_mixed(string name)
    {
        (TinyEngine engine, _, _) = engines[name];
        Gen.Select(Gen.Int[1, 120].Array[Together], Gen.Int[0, 1_000_000]).Sample((lengths, seed) =>
        {
            Random random = new(seed);
            int[][] texts = [.. lengths.Select((length, i) => SameBitsEngines.Tokens(engine.Config, length, seed + i))];
            SequenceCache[] sequences = [.. texts.Select(_ => engine.Transformer.NewSequence())];
            var found = texts.Select(_ => Bits.None).ToArray();
            while (sequences.Where((sequence, i) => sequence.Length < lengths[i]).Any())
            {
                int[] members = [.. Enumerable.Range(0, Together).Where(i => sequences[i].Length < lengths[i])];
                random.Shuffle(members);
                int[][] pieces = [.. members.Select(i => Piece(random, texts[i].AsSpan(sequences[i].Length)))];
                Bits[] results = engine.Feed([.. members.Select(i => sequences[i])], pieces);
                for (int m = 0; m < members.Length; m++) found[members[m]].Add(results[m]);
            }

            for (int i = 0; i < Together; i++)
            {
                SameBitsEngines.AssertSame(engine.Run(texts[i]), found[i], 0, $"{name}, sequence {i} of a batch, seed {seed}");
                sequences[i].Dispose();
            }
        }, iter: 1, threads: 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void On_any_number_of_threads(int threads)
    {
        foreach (string name in Names.Select(row => row.Data))
        {
            (_, int[] tokens, Bits cold) = engines[name];
            using TinyEngine other = SameBitsEngines.Make(name, threads);
            SameBitsEngines.AssertSame(cold, other.Run(tokens), 0, $"{name}, {threads} threads");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void After_another_sequence_used_the_memory(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        engine.Run(SameBitsEngines.Tokens(engine.Config, SameBitsEngines.Length, 2));
        SameBitsEngines.AssertSame(cold, engine.Run(tokens), 0, $"{name}, a second time");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void In_memory_that_begins_with_NaN(string name)
    {
        (_, int[] tokens, Bits cold) = engines[name];
        using TinyEngine poisoned = SameBitsEngines.Make(name, decorate: inner => new PoisoningDevice(inner));
        SameBitsEngines.AssertSame(cold, poisoned.Run(tokens), 0, $"{name}, memory that began with NaN");
        using SequenceCache sequence = poisoned.Transformer.NewSequence();
        for (int t = 0; t < 40; t++)
        {
            SameBitsEngines.AssertSame(cold, poisoned.Feed(sequence, tokens.AsSpan(t, 1)), t, $"{name}, NaN, token by token");
        }
    }

    [Theory]
    [InlineData("Flash F32")]
    [InlineData("TwoStreams Mixed")]
    public void From_singles_as_from_bfloat16(string name)
    {
        (_, int[] tokens, Bits cold) = engines[name];
        using TinyEngine other = SameBitsEngines.Make(name, stored: StoredAs.F32);
        SameBitsEngines.AssertSame(cold, other.Run(tokens), 0, $"{name}, weights stored as singles");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void With_MTP_asked_about_tokens_that_never_come(string name)
    {
        (TinyEngine engine, int[] tokens, Bits cold) = engines[name];
        if (!engine.Transformer.CanDraft) return;
        using SequenceCache sequence = engine.Transformer.NewSequence();
        for (int t = 0; t + 1 < 60; t++)
        {
            SameBitsEngines.AssertSame(cold, engine.Feed(sequence, tokens.AsSpan(t, 1)), t, $"{name}, beside guesses");
            engine.Guess(sequence, (tokens[t + 1] + 1) % engine.Config.VocabularySize);
            Assert.Equal(cold.Drafts[t], engine.Guess(sequence, tokens[t + 1]));
        }
    }

    private static int[] Piece(Random random, ReadOnlySpan<int> rest) =>
        rest[..Math.Min(rest.Length, random.Next(3) == 0 ? random.Next(1, 18) : 1)].ToArray();
}
