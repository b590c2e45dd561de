using CsCheck;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Tests.Cache;
using Fathom.Tests.Reference;
using Xunit;

namespace Fathom.Tests.Engine;

/// <summary>A truncated sequence is, bit for bit, a fresh one with the same tokens, and only the tokens behind its checkpoint are computed again.</summary>
public class TruncationTests
{
    private const int Length = 300;

    // Beside borders of every window and ratio of the shapes, and far from them.
    private static readonly int[] s_checkpoints = [1, 4, 7, 63, 127, 128, 129, 200, 256, 257];

    public static TheoryData<string, CacheFormat> Shapes =>
        new(from shape in TinyModels.All.Keys from format in Enum.GetValues<CacheFormat>() select (shape, format));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void To_every_length_from_300_to_0(string shape, CacheFormat format)
    {
        using var model = new Subject(TinyModels.All[shape], format);
        int[] text = model.Text(Length + 12, 1), other = model.Text(13, 2);
        int[][] cold = model.Cold(text);
        using Generator generator = model.Sequence();
        foreach (int checkpoint in s_checkpoints)
        {
            Read(generator, text.AsSpan(generator.Length..checkpoint));
            generator.Checkpoint();
        }

        Read(generator, text.AsSpan(generator.Length..));
        for (int length = Length; length >= 0; length--)
        {
            model.Rows.Count = 0;
            int again = length - s_checkpoints.LastOrDefault(checkpoint => checkpoint <= length);
            Assert.Equal((again, again, length), (generator.TruncateTo(length, Cancellation), model.Rows.Count, generator.Length));
            Assert.True(text.AsSpan(0, length).SequenceEqual(generator.Tokens), $"{shape} {format}: tokens of {length}");
            AssertSame(cold[length], generator, $"{shape} {format}: truncated to {length}");

            // It goes on like a fresh one, with the same text or with another, whose rows are there when the next length is cut.
            if (length % 3 == 0)
            {
                Read(generator, text.AsSpan(length, 9));
                AssertSame(cold[length + 9], generator, $"{shape} {format}: truncated to {length} and gone on");
            }
            else
            {
                Read(generator, other.AsSpan(0, 1 + (length % 13)));
            }
        }
    }

    [Theory]
    [InlineData("Flash", CacheFormat.Mixed)]
    [InlineData("TwoStreams", CacheFormat.F32)]
    [InlineData("OneStream", CacheFormat.Bf16)]
    [InlineData("OddRatios", CacheFormat.F32)]
    [InlineData("OddRatios", CacheFormat.Mixed)]
    public void To_lengths_around_the_ends_of_blocks(string shape, CacheFormat format)
    {
        using var model = new Subject(TinyModels.All[shape], format);
        int[] text = model.Text(CacheLayout.BlockTokens + 200, 1), other = model.Text(140, 2);
        int[] lengths = [.. new[] { 1_024, CacheLayout.BlockTokens, CacheLayout.BlockTokens + 128 }.SelectMany(at => Enumerable.Range(at - 5, 11))];
        int[] checkpoints = [.. lengths.Where((_, i) => i % 4 == 0)];
        var cold = new Dictionary<int, int[]>();
        using Generator generator = model.Sequence(), fresh = model.Sequence();
        foreach (int length in lengths)
        {
            Read(fresh, text.AsSpan(fresh.Length..length));
            cold[length] = Bits(fresh);
            Read(generator, text.AsSpan(generator.Length..length));
            if (checkpoints.Contains(length))
                generator.Checkpoint();
        }

        Read(generator, text.AsSpan(generator.Length..));
        foreach (int length in lengths.OrderDescending())
        {
            model.Rows.Count = 0;
            generator.TruncateTo(length, Cancellation);
            Assert.Equal(length - checkpoints.Last(checkpoint => checkpoint <= length), model.Rows.Count);
            AssertSame(cold[length], generator, $"{shape} {format}: truncated to {length}");
            Read(generator, other.AsSpan(0, 10 + (length % 130)));
        }
    }

    /// <summary>Seeds are printed by the library where this fails.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Any_history_of_reading_writing_checkpoints_and_truncation_gives_the_bits_of_a_fresh_sequence(bool speculative)
    {
        using var model = new Subject(TinyModels.Flash, CacheFormat.Mixed);
        Gen.Select(Gen.Int[0, 4], Gen.Int[1, 90], Gen.Int[0, 1_000]).Array[3, 14].Sample(
            steps =>
            {
                using Generator generator = model.Sequence(speculative), fresh = model.Sequence();
                foreach ((int kind, int count, int where) in steps)
                {
                    if (kind == 0 && generator.Length > 0)
                        _ = generator.Generate(new Sampler(SamplingOptions.Greedy, model.Vocabulary), -1, count % 12, Cancellation).Count();
                    else if (kind == 1)
                        generator.Checkpoint(1 + (where % 3));
                    else if (kind < 4)
                        generator.TruncateTo(where % (generator.Length + 1), Cancellation);
                    else
                        Read(generator, model.Text(count, where));
                }

                Assert.Equal(generator.Length == 0, generator.Logits.IndexOfAnyExcept(0f) < 0);
                if (generator.Length == 0)
                    return;
                Read(fresh, generator.Tokens);
                AssertSame(Bits(fresh), generator, "after a history");
                var greedy = new Sampler(SamplingOptions.Greedy, model.Vocabulary);
                Assert.Equal(fresh.Generate(greedy, -1, 9, Cancellation), generator.Generate(greedy, -1, 9, Cancellation));
            },
            iter: 40, threads: 1);
    }

    [Fact]
    public void Of_several_checkpoints_the_longest_are_kept_and_those_beyond_are_forgotten()
    {
        using var model = new Subject(TinyModels.Flash, CacheFormat.Mixed);
        int[] text = model.Text(60, 1);
        using Generator generator = model.Sequence();
        for (int length = 10; length <= 60; length += 10)
        {
            Read(generator, text.AsSpan(generator.Length..length));
            generator.Checkpoint(most: 3);
            generator.Checkpoint(most: 3);                                                // the same place is one
        }

        Assert.Equal(0, generator.TruncateTo(60, Cancellation));
        Assert.Equal(5, generator.TruncateTo(55, Cancellation));                          // from 50; 60 is forgotten
        Read(generator, text.AsSpan(55));
        Assert.Equal(9, generator.TruncateTo(59, Cancellation));                          // from 50 again
        Assert.Equal(0, generator.TruncateTo(40, Cancellation));
        Assert.Equal(39, generator.TruncateTo(39, Cancellation));                         // 30 was one too many
        Assert.Equal(60 + 5 + 5 + 9 + 39, generator.Stats.PromptTokens);
    }

    [Fact]
    public void A_fork_keeps_the_past_and_not_the_checkpoints()
    {
        using var model = new Subject(TinyModels.Flash, CacheFormat.Mixed);
        int[] text = model.Text(30, 1);
        Generator generator = model.Sequence();
        Read(generator, text.AsSpan(0, 20));
        generator.Checkpoint();
        Read(generator, text.AsSpan(20));
        using Generator fork = generator.Fork();
        generator.Dispose();
        Assert.Equal(25, fork.TruncateTo(25, Cancellation));
        AssertSame(model.Cold(text)[25], fork, "a truncated fork");
    }

    [Fact]
    public void Stopped_between_pieces_it_keeps_what_it_has_computed()
    {
        using var model = new Subject(TinyModels.Flash, CacheFormat.Mixed);
        int[] text = model.Text(100, 1);
        using Generator generator = model.Sequence();
        Read(generator, text.AsSpan(0, 30));
        generator.Checkpoint();
        Read(generator, text.AsSpan(30));
        Assert.Throws<OperationCanceledException>(() => generator.TruncateTo(90, new CancellationToken(canceled: true)));
        Assert.Equal(30, generator.Length);
        AssertSame(model.Cold(text)[30], generator, "stopped");
    }

    [Fact]
    public void Lengths_that_are_none_are_refused_and_change_nothing()
    {
        using var model = new Subject(TinyModels.Flash, CacheFormat.Mixed);
        using Generator generator = model.Sequence();
        Read(generator, model.Text(5, 1));
        int[] before = Bits(generator);
        foreach (int length in (int[])[-1, 6])
        {
            string message = Assert.Throws<RequestException>(() => generator.TruncateTo(length, Cancellation)).Message;
            Assert.Contains($"expected 0 to 5, the tokens of the sequence, found {length}", message, StringComparison.Ordinal);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => generator.Checkpoint(most: 0));
        Assert.Equal(5, generator.Length);
        AssertSame(before, generator, "refused");
    }

    private static void Read(Generator generator, ReadOnlySpan<int> tokens)
    {
        if (tokens.Length > 0)
            generator.Read(tokens, progress: null, Cancellation);
    }

    private static int[] Bits(Generator generator) => [.. generator.Logits.ToArray().Select(BitConverter.SingleToInt32Bits)];

    private static void AssertSame(int[] expected, Generator found, string how) =>
        Assert.True(expected.AsSpan().SequenceEqual(Bits(found)), $"{how}: logits differ.");

    /// <summary>A model of a shape as a folder, loaded behind a counter of rows.</summary>
    private sealed class Subject : IDisposable
    {
        private readonly TempFolder _folder = new();
        private readonly CpuDevice _cpu = new(1);
        private readonly LanguageModel _model;

        public Subject(ModelConfig shape, CacheFormat format)
        {
            Rows = new RowCounter(_cpu);
            TinyCheckpoint.Of(shape with { MaxPositions = 8_192 }).Write(_folder);
            _model = LanguageModel.Load(_folder.Root, Rows, new LoadOptions { CacheFormat = format, MaxRows = 64 });
        }

        public RowCounter Rows { get; }

        public int Vocabulary => _model.Config.VocabularySize;

        public Generator Sequence(bool speculative = false) => new(_model, Rows, _model.Config.MaxPositions, speculative);

        public int[] Text(int count, int seed)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, count).Select(_ => random.Next(Vocabulary))];
        }

        /// <summary>Bits of the logits behind each length of a fresh sequence that reads token by token; none have been computed behind length 0.</summary>
        public int[][] Cold(int[] text)
        {
            using Generator fresh = Sequence();
            int[][] bits = [new int[Vocabulary], .. text.Select(token =>
            {
                fresh.Read([token], progress: null, Cancellation);
                return Bits(fresh);
            })];
            return bits;
        }

        public void Dispose()
        {
            _model.Dispose();
            Rows.Dispose();
            _cpu.Dispose();
            _folder.Dispose();
        }
    }
}
