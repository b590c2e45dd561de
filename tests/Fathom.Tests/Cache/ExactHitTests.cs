using CsCheck;
using Fathom.Cache;
using Fathom.Model;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Cache;

/// <summary>The guarantee: what a sequence says after a hit is, bit for bit, what one says that was computed from nothing, and only what was not found is computed.</summary>
public class ExactHitTests
{
    public static TheoryData<string, CacheFormat> Shapes
    {
        get
        {
            var shapes = new TheoryData<string, CacheFormat>();
            foreach (string name in TinyModels.All.Where(model => model.Value.CompressRatios.All(ratio => ratio == 0 || CacheLayout.BlockTokens % ratio == 0)).Select(model => model.Key))
            {
                foreach (CacheFormat format in Enum.GetValues<CacheFormat>())
                    shapes.Add(name, format);
            }

            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_length_from_1_to_600(string model, CacheFormat format)
    {
        using var bench = new StoreBench(TinyModels.All[model], format);
        // Flash in miniature has every kind of layer: each length of it, and every thirteenth of the others.
        int step = model == nameof(TinyModels.Flash) && format == CacheFormat.Mixed ? 1 : 13, last = 1 + (599 / step * step);
        int[] text = bench.Text(640);
        var cold = new Dictionary<int, int[]>();
        using (SequenceCache sequence = bench.Engine.Transformer.NewSequence())
        {
            PrefixStore writer = bench.Open();
            for (int length = 1; length <= 600; length += step)
            {
                cold[length] = bench.Feed(sequence, text.AsSpan(sequence.Length, length - sequence.Length));
                Assert.True(writer.Save(sequence, bench.Logits));
            }
        }

        PrefixStore store = bench.Open();
        foreach ((int length, int[] bits) in cold)
        {
            bench.Rows.Count = 0;
            bench.AssertWarm(length, bits, store, text.AsSpan(0, length));
            Assert.Equal(0, bench.Rows.Count);
            if (length % 8 > 2)
                continue;

            // A place at which the text parts from the stored one is as far as it is found, and only the rest is computed.
            int[] other = [.. text];
            other[length] = (other[length] + 1) % bench.Engine.Config.VocabularySize;
            (int restored, int[] found) = bench.Warm(store, other.AsSpan(0, length + 9));
            Assert.Equal((length, 9 * Passes(bench)), (restored, bench.Rows.Count));
            Assert.Equal(bench.Expected(other.AsSpan(0, length + 9)), found);
        }

        bench.AssertWarm(last, bench.Expected(text), store, text);
        Assert.Empty(bench.Reports);
    }

    [Theory]
    [InlineData(CacheFormat.Mixed)]
    [InlineData(CacheFormat.F32)]
    public void Lengths_around_multiples_of_4_128_and_2048(CacheFormat format)
    {
        using var bench = new StoreBench(format: format);
        int[] text = bench.Text(4600);
        int[] lengths = [.. new[] { 1020, 1024, 1152, 2048, 2176, 4096, 4224 }.SelectMany(at => Enumerable.Range(at - 5, 11)).Distinct().Order()];
        var cold = new Dictionary<int, int[]>();
        using (SequenceCache sequence = bench.Engine.Transformer.NewSequence())
        {
            PrefixStore writer = bench.Open();
            foreach (int length in lengths)
            {
                cold[length] = bench.Feed(sequence, text.AsSpan(sequence.Length, length - sequence.Length));
                Assert.True(writer.Save(sequence, bench.Logits));
            }
        }

        PrefixStore store = bench.Open();
        for (int i = 0; i < lengths.Length; i++)
        {
            bench.AssertWarm(lengths[i], cold[lengths[i]], store, text.AsSpan(0, lengths[i]));
            if (i % 9 > 0)
                continue;
            int[] other = [.. text];
            other[lengths[i]] ^= 1;
            bench.AssertWarm(lengths[i], bench.Expected(other.AsSpan(0, lengths[i] + 130)), store, other.AsSpan(0, lengths[i] + 130));
        }

        bench.AssertWarm(lengths[^1], bench.Expected(text.AsSpan(0, 4400)), store, text.AsSpan(0, 4400));
        Assert.Equal(2, bench.Files("*.segment").Length);
    }

    [Fact]
    public void A_text_that_parts_anywhere_around_a_checkpoint_goes_on_from_the_one_before()
    {
        using var bench = new StoreBench();
        int[] text = bench.Text(2400);
        using (SequenceCache sequence = bench.Cold(text.AsSpan(0, 2000)))
        {
            bench.Open().Save(sequence, bench.Logits);
            bench.Feed(sequence, text.AsSpan(2000, 200));
            bench.Open().Save(sequence, bench.Logits);
        }

        PrefixStore store = bench.Open();
        foreach (int offset in (int[])[-1990, -201, -200, -130, -128, -64, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 100])
        {
            int[] other = [.. text];
            other[2200 + offset] ^= 1;
            (int restored, int[] bits) = bench.Warm(store, other.AsSpan(0, 2330));
            Assert.Equal(offset >= 0 ? 2200 : offset >= -200 ? 2000 : 0, restored);
            Assert.Equal(bench.Expected(other.AsSpan(0, 2330)), bits);
        }
    }

    [Fact]
    public void Sequences_that_take_turns_on_one_store_do_not_disturb_one_another()
    {
        using var bench = new StoreBench();
        int[][] texts = [.. Enumerable.Range(1, 3).Select(seed => bench.Text(2300, seed))];
        int[][] expected = [.. texts.Select(text => bench.Expected(text))];
        SequenceCache[] sequences = [.. texts.Select(_ => bench.Engine.Transformer.NewSequence())];
        PrefixStore store = bench.Open();
        for (int end = 100; end <= 2300; end += 100)
        {
            for (int i = 0; i < texts.Length; i++)
            {
                bench.Feed(sequences[i], texts[i].AsSpan(end - 100, 100));
                store.Save(sequences[i], bench.Logits);
                sequences[i].Dispose();
                sequences[i] = bench.Engine.Transformer.NewSequence();
                Assert.Equal(end, store.Restore(texts[i].AsSpan(0, end), sequences[i], bench.Logits));
            }
        }

        for (int i = 0; i < texts.Length; i++)
        {
            bench.AssertWarm(2300, expected[i], bench.Open(), texts[i]);
            sequences[i].Dispose();
        }
    }

    /// <summary>Seeds are printed by the library where this fails.</summary>
    [Fact]
    public void Any_sequence_of_reads_saves_drops_and_restarts_gives_the_bits_of_an_engine_without_a_store()
    {
        using var bench = new StoreBench();
        Gen<(int Kind, int Seed, int From, int Length)[]> steps = Gen.Select(Gen.Int[0, 9], Gen.Int[1, 3], Gen.Int[0, 2200], Gen.Int[1, 260]).Array[4, 10];
        int folder = 0;
        steps.Sample(
            actions =>
            {
                string part = $"model {folder++}";
                PrefixStore store = bench.Open(part: part);
                foreach ((int kind, int seed, int from, int length) in actions)
                {
                    // Texts share their beginning up to a place of their own, and then part.
                    int[] text = [.. bench.Text(2500).AsSpan(0, from), .. bench.Text(length, seed)];
                    if (kind == 0)
                        store = bench.Open(part: part, budget: 200_000);
                    using SequenceCache sequence = bench.Engine.Transformer.NewSequence();
                    int restored = store.Restore(text, sequence, bench.Logits);
                    int[] bits = restored < text.Length ? bench.Feed(sequence, text.AsSpan(restored)) : [.. bench.Logits.Select(BitConverter.SingleToInt32Bits)];
                    Assert.Equal(bench.Expected(text), bits);
                    if (kind < 8)
                        store.Save(sequence, bench.Logits);
                }
            },
            iter: 12, threads: 1);
        Assert.Empty(bench.Reports);
    }

    // MTP embeds every row a second time.
    private static int Passes(StoreBench bench) => bench.Engine.Transformer.CanDraft ? 2 : 1;
}
