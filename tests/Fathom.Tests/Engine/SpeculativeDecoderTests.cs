using Fathom.Cache;
using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Engine;

/// <summary>The bundled model, which has an MTP block: guessing changes the speed and nothing else.</summary>
public sealed class SpeculativeDecoderTests : IDisposable
{
    private const int NoEnd = -1;
    private static readonly string s_nano = TestFiles.Path("models", "fathom-nano");
    private static readonly int[] s_prompt = [0, .. Tokenizer.Load(s_nano).Encode("And it came to pass, when the people were gathered together, that", false)];

    private readonly CpuDevice _device = new(2);
    private readonly LanguageModel _model;

    public SpeculativeDecoderTests() => _model = LanguageModel.Load(s_nano, _device, new LoadOptions { MaxRows = 7 });

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Generator Sequence(bool speculative, int context = 512) => new(_model, _device, context, speculative);

    private Sampler Sampler(float temperature) =>
        new(new SamplingOptions { Temperature = temperature, TopP = temperature > 0 ? 0.95f : 1, Seed = 6 }, _model.Config.VocabularySize);

    [Theory]
    [InlineData(0f)]
    [InlineData(0.8f)]
    [InlineData(1.5f)]
    public void The_same_tokens_with_the_same_log_probabilities(float temperature)
    {
        using Generator plain = Sequence(speculative: false), speculative = Sequence(speculative: true);
        foreach (int count in new[] { 100, 1, 60 })
        {
            // Reading in between meets a guess that is left over.
            plain.Read(s_prompt, progress: null, Cancellation);
            speculative.Read(s_prompt, progress: null, Cancellation);
            Token[] expected = [.. plain.Generate(Sampler(temperature), NoEnd, count, Cancellation)];
            Assert.Equal(expected, speculative.Generate(Sampler(temperature), NoEnd, count, Cancellation));
            Assert.Equal(plain.Logits.ToArray(), speculative.Logits.ToArray());
        }
        GenerationStats stats = speculative.Stats;
        Assert.Equal((0, 161), (plain.Stats.Guesses, stats.DecodedTokens));
        Assert.InRange(stats.RightGuesses, 1, stats.Guesses);
        Assert.InRange(stats.Guesses, 161 - stats.RightGuesses, 161);
    }

    [Fact]
    public void From_the_store_it_guesses_as_if_it_had_read_the_text_itself()
    {
        using var folder = new TempFolder();
        string text = File.ReadAllText(Path.Combine(s_nano, "heldout.txt"));
        int[] tokens = [0, .. Tokenizer.Load(s_nano).Encode(text[..9000], false)];
        PrefixStore Store(bool hasDrafts) => new(
            folder.Path("store"), StoreScope.Of(_model, hasDrafts: hasDrafts), _device, _model.Transformer.Layout, new StoreOptions());
        // Behind the places of checkpoints, and behind a token that a guess may have come before.
        foreach (int length in new[] { tokens.Length - 40, tokens.Length })
        {
            using Generator cold = Sequence(speculative: true, 8192), warm = Sequence(speculative: true, 8192);
            cold.Read(tokens.AsSpan(0, length), progress: null, Cancellation);
            Assert.Equal(length == tokens.Length ? length - 40 : 0, warm.Read(tokens.AsSpan(0, length), Store(hasDrafts: true), TimeSpan.Zero, null, null, Cancellation));
            using Generator again = Sequence(speculative: true, 8192);
            Assert.Equal(length, again.Read(tokens.AsSpan(0, length), Store(hasDrafts: true), TimeSpan.Zero, null, null, Cancellation));
            Token[] expected = [.. cold.Generate(Sampler(0), NoEnd, 60, Cancellation)];
            foreach (Generator other in new[] { warm, again })
            {
                Assert.Equal(expected, other.Generate(Sampler(0), NoEnd, 60, Cancellation));
                Assert.Equal((cold.Stats.Guesses, cold.Stats.RightGuesses), (other.Stats.Guesses, other.Stats.RightGuesses));
            }
            Assert.InRange(cold.Stats.RightGuesses, 10, 50);
        }
        // What MTP has not read is another store's.
        using Generator plain = Sequence(speculative: false, 8192), guessing = Sequence(speculative: true, 8192);
        Assert.Equal(0, plain.Read(tokens, Store(hasDrafts: false), TimeSpan.MaxValue, null, null, Cancellation));
        Assert.Throws<RequestException>(() => guessing.Read(tokens, Store(hasDrafts: false), TimeSpan.MaxValue, null, null, Cancellation));
        Assert.Throws<RequestException>(() => plain.Save(Store(hasDrafts: true)));
    }

    [Fact]
    public void Forced_tokens_are_guessed_right()
    {
        using Generator generator = Sequence(speculative: true);
        generator.Read(s_prompt, progress: null, Cancellation);
        Sampler sampler = Sampler(1);
        int[] forced = [30, 31, 32, 33, 34, 35, 36, 37];
        sampler.Force(forced);
        Assert.Equal(forced, generator.Generate(sampler, NoEnd, forced.Length, Cancellation).Select(token => token.Id));
        Assert.Equal((4, 4), (generator.Stats.Guesses, generator.Stats.RightGuesses));
    }

    [Fact]
    public void A_mask_that_changes_with_every_token_is_kept_to()
    {
        int[][] runs = [.. new[] { false, true }.Select(speculative =>
        {
            using Generator generator = Sequence(speculative);
            generator.Read(s_prompt, progress: null, Cancellation);
            Sampler sampler = Sampler(1);
            sampler.Mask = new TokenMask(_model.Config.VocabularySize);
            var ids = new List<int>();
            Allow(0);
            foreach (Token token in generator.Generate(sampler, NoEnd, 80, Cancellation))
            {
                Assert.Equal(ids.Count % 3, token.Id % 3);
                ids.Add(token.Id);
                Allow(ids.Count);
            }
            return ids.ToArray();

            void Allow(int place)
            {
                sampler.Mask!.Fill(false);
                for (int id = place % 3; id < _model.Config.VocabularySize; id += 3)
                {
                    sampler.Mask![id] = true;
                }
            }
        })];
        Assert.Equal(runs[0], runs[1]);
    }

    [Fact]
    public void Ends_where_the_context_ends()
    {
        using Generator generator = Sequence(speculative: true, context: s_prompt.Length + 4);
        generator.Read(s_prompt, progress: null, Cancellation);
        Assert.Equal(4, generator.Generate(Sampler(0), NoEnd, 10, Cancellation).Count());
        Assert.Equal((FinishReason.Context, generator.Context), (generator.Finish, generator.Length));
    }

    [Fact]
    public void A_fork_behind_a_guess_gives_the_same_tokens()
    {
        using Generator past = Sequence(speculative: true);
        past.Read(s_prompt, progress: null, Cancellation);
        for (int length = 1; length < 12; length++)
        {
            using Generator fork = past.Fork();
            Token[] expected = [.. past.Generate(Sampler(0), NoEnd, length, Cancellation)];
            Assert.Equal(expected, fork.Generate(Sampler(0), NoEnd, length, Cancellation));
        }
    }

    [Fact]
    public void A_model_without_MTP_refuses()
    {
        using LanguageModel seed = LanguageModel.Load(TestFiles.Path("models", "seed"), _device, new LoadOptions());
        Assert.Contains("MTP", Assert.Throws<RequestException>(() => new Generator(seed, _device, 64, speculative: true)).Message, StringComparison.Ordinal);
    }
}
