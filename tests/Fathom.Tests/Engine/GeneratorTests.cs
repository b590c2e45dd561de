using Fathom.Cpu;
using Fathom.Engine;
using Fathom.Model;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Engine;

public sealed class GeneratorTests : IDisposable
{
    private const int NoEnd = -1;
    private static readonly string s_nano = TestFiles.Path("models", "seed");
    private static readonly int[] s_prompt = [0, .. Tokenizer.Load(s_nano).Encode("And it came to pass, when the people were gathered together at the gate of the city, that", false)];
    private static readonly SamplingOptions s_sampling = new() { Temperature = 0.8f, TopP = 0.95f, Seed = 42 };

    private readonly CpuDevice _device = new(2);
    private readonly LanguageModel _model;

    public GeneratorTests() => _model = LanguageModel.Load(s_nano, _device, new LoadOptions { MaxRows = 7 });

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private int Vocabulary => _model.Config.VocabularySize;

    private Generator Sequence(int context = 256) => new(_model, _device, context);

    private static void Read(Generator generator, ReadOnlySpan<int> tokens) => generator.Read(tokens, progress: null, Cancellation);

    private Token[] Generate(Generator generator, int count, int end = NoEnd, SamplingOptions? sampling = null) =>
        [.. generator.Generate(new Sampler(sampling ?? s_sampling, Vocabulary), end, count, Cancellation)];

    [Fact]
    public void A_seed_gives_the_same_tokens_whatever_the_threads_and_pieces()
    {
        Token[]? expected = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            foreach (int rows in new[] { 1, 7, 512 })
            {
                using var device = new CpuDevice(threads);
                using LanguageModel model = LanguageModel.Load(s_nano, device, new LoadOptions { MaxRows = rows });
                using var generator = new Generator(model, device, context: 256);
                Read(generator, s_prompt);
                Token[] tokens = Generate(generator, 24);
                expected ??= tokens;
                // Log-probabilities too, bit for bit.
                Assert.True(expected.AsSpan().SequenceEqual(tokens), $"{threads} threads, pieces of {rows}");
            }
        }
    }

    [Fact]
    public void A_prompt_whose_cache_exceeds_memory_is_refused_with_numbers()
    {
        CacheLayout layout = _model.Transformer.Layout;
        PromptCheck.RequireMemory(6 * CacheLayout.BlockTokens, 0, layout, 6 * layout.BlockBytes);
        PromptCheck.RequireMemory(CacheLayout.BlockTokens - 10, 10, layout, 0);
        string message = Assert.Throws<RequestException>(() => PromptCheck.RequireMemory(1_000_000, 1000, layout, 300 * layout.BlockBytes)).Message;
        Assert.Contains("enough for 615,448 tokens", message, StringComparison.Ordinal);
        Assert.Contains($"{(489 - 1) * layout.BlockBytes / 1e9:F1} GB", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fork_goes_on_alone_and_outlives_its_past()
    {
        Generator past = Sequence();
        Read(past, s_prompt);
        using Generator fork = past.Fork();
        Assert.Equal(past.Tokens.ToArray(), fork.Tokens.ToArray());
        Token[] expected = Generate(past, 12);
        past.Dispose();
        Assert.Equal((s_prompt.Length, 0, past.Context), (fork.Length, fork.Stats.PromptTokens, fork.Context));
        Assert.Equal(expected, Generate(fork, 12));
    }

    [Fact]
    public void Ends_after_the_number_of_tokens_asked_for()
    {
        using Generator generator = Sequence();
        Read(generator, s_prompt);
        Assert.Equal(5, Generate(generator, 5).Length);
        Assert.Equal((FinishReason.Length, s_prompt.Length + 5), (generator.Finish, generator.Length));
        Assert.Empty(Generate(generator, 0));
        Assert.Equal(FinishReason.Length, generator.Finish);
    }

    [Fact]
    public void Ends_where_the_context_ends()
    {
        using Generator generator = Sequence(context: s_prompt.Length + 3);
        Read(generator, s_prompt);
        Assert.Equal(3, Generate(generator, 10).Length);
        Assert.Equal((FinishReason.Context, generator.Context), (generator.Finish, generator.Length));
        Assert.Empty(Generate(generator, 1));
    }

    [Fact]
    public void Ends_with_the_end_token_which_is_neither_given_nor_remembered()
    {
        using Generator generator = Sequence();
        Read(generator, s_prompt);
        var sampler = new Sampler(SamplingOptions.Greedy, Vocabulary);
        sampler.Force([20, 21, 3, 22]);
        Token[] tokens = [.. generator.Generate(sampler, endToken: 3, 10, Cancellation)];
        Assert.Equal([20, 21], tokens.Select(token => token.Id));
        Assert.Equal((FinishReason.Stop, s_prompt.Length + 2), (generator.Finish, generator.Length));
        Assert.Equal([.. s_prompt, 20, 21], generator.Tokens.ToArray());
    }

    [Fact]
    public void Counts_tokens_and_times()
    {
        using Generator generator = Sequence();
        Read(generator, s_prompt);
        Generate(generator, 4);
        Read(generator, [9, 10]);
        Assert.Equal((s_prompt.Length + 2, 4), (generator.Stats.PromptTokens, generator.Stats.DecodedTokens));
        Assert.True(generator.Stats.PromptTime > TimeSpan.Zero && generator.Stats.DecodeTime > TimeSpan.Zero);
    }

    [Fact]
    public void Cancelled_between_pieces_it_keeps_what_it_read_and_can_go_on()
    {
        using var source = new CancellationTokenSource();
        using Generator stopped = Sequence(), whole = Sequence();
        var reported = new List<int>();
        void Stop(int read)
        {
            reported.Add(read);
            if (reported.Count == 2)
            {
                source.Cancel();
            }
        }
        Assert.Throws<OperationCanceledException>(() => stopped.Read(s_prompt, Stop, source.Token));
        Assert.Equal([7, 14], reported);
        Assert.Equal((14, 14), (stopped.Length, stopped.Stats.PromptTokens));
        Read(stopped, s_prompt.AsSpan(14));
        Read(whole, s_prompt);
        Assert.Equal(whole.Logits.ToArray(), stopped.Logits.ToArray());
    }

    [Fact]
    public void Cancelled_between_tokens_it_keeps_them()
    {
        using var source = new CancellationTokenSource();
        using Generator generator = Sequence();
        Read(generator, s_prompt);
        int given = 0;
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (Token _ in generator.Generate(new Sampler(s_sampling, Vocabulary), NoEnd, 10, source.Token))
            {
                if (++given == 3)
                {
                    source.Cancel();
                }
            }
        });
        Assert.Equal((3, s_prompt.Length + 3), (given, generator.Length));
    }

    [Fact]
    public void Reading_after_generating_gives_the_bits_of_reading_it_all()
    {
        using Generator turns = Sequence(), whole = Sequence();
        Read(turns, s_prompt.AsSpan(0, 20));
        int[] reply = [.. Generate(turns, 6).Select(token => token.Id)];
        Read(turns, s_prompt.AsSpan(20));
        Read(whole, [.. s_prompt.AsSpan(0, 20), .. reply, .. s_prompt.AsSpan(20)]);
        Assert.Equal(whole.Logits.ToArray(), turns.Logits.ToArray());
        Assert.Equal(whole.Tokens.ToArray(), turns.Tokens.ToArray());
    }

    private static void Refused(Action act, params string[] says)
    {
        string message = Assert.Throws<RequestException>(act).Message;
        Assert.All(says, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1048577)]
    public void A_context_out_of_range_is_refused(int context) =>
        Refused(() => Sequence(context).Dispose(), $"context: expected 1 to 1048576 tokens, the model's positions, found {context}");

    [Fact]
    public void A_bad_prompt_is_refused_and_changes_nothing()
    {
        using Generator generator = Sequence(context: 10);
        Refused(() => Read(generator, []), "The prompt is empty", "begin-of-text");
        Refused(() => Read(generator, [1, 2, 1024]), "Token 2 of the prompt: expected an id from 0 to 1023, found 1024");
        Refused(() => Read(generator, [-1]), "Token 0 of the prompt: expected an id from 0 to 1023, found -1");
        Refused(() => Read(generator, s_prompt), "does not fit", "room for 10 more tokens", $"found {s_prompt.Length}");
        Assert.Equal(0, generator.Length);
        Read(generator, [1, 2, 3, 4]);
        Refused(() => Read(generator, [1, 2, 3, 4, 5, 6, 7]), "room for 6 more tokens, found 7");
        Assert.Equal(4, generator.Length);
    }

    [Fact]
    public void Generating_from_nothing_or_a_negative_number_is_refused_at_once()
    {
        using Generator generator = Sequence();
        var sampler = new Sampler(s_sampling, Vocabulary);
        Refused(() => generator.Generate(sampler, NoEnd, 1, Cancellation), "expected at least one token to be read before");
        Read(generator, [0]);
        Refused(() => generator.Generate(sampler, NoEnd, -1, Cancellation), "max-tokens: expected at least 0, found -1");
    }

    [Fact]
    public void A_mask_that_allows_nothing_ends_in_an_error_and_the_sequence_goes_on()
    {
        using Generator generator = Sequence();
        Read(generator, s_prompt);
        var sampler = new Sampler(s_sampling, Vocabulary) { Mask = new TokenMask(Vocabulary) };
        Refused(() => Assert.Empty(generator.Generate(sampler, NoEnd, 3, Cancellation)), "The token mask allows no token");
        Assert.Equal(3, Generate(generator, 3).Length);
    }
}
