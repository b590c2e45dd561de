using Fathom.Cache;
using Fathom.Cpu;
using Fathom.Devices;
using Fathom.Engine;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Engine;

/// <summary>The fast mode beside the exact one on the bundled model: within the limits that were written down before it was built, and apart on the disk.</summary>
public sealed class TextDivergenceTests : IDisposable
{
    // Of docs/decisions/0011-fast-mode.md.
    private const double MeanKlMost = 0.005;
    private const double TopAgreementLeast = 0.97;

    private const int Window = 600;

    private static readonly string s_nano = TestFiles.Path("models", "fathom-nano");

    private readonly CpuDevice _exactDevice = new(2);
    private readonly CpuDevice _fastDevice = new(2, NumericMode.Fast);
    private readonly LanguageModel _exact;
    private readonly LanguageModel _fast;
    private readonly int[] _tokens;

    public TextDivergenceTests()
    {
        _exact = LanguageModel.Load(s_nano, _exactDevice, new LoadOptions());
        _fast = LanguageModel.Load(s_nano, _fastDevice, new LoadOptions());
        string text = File.ReadAllText(Path.Combine(s_nano, "heldout.txt"));
        // From the beginning and from the middle: two books.
        Tokenizer tokenizer = Tokenizer.Load(s_nano);
        _tokens = [.. tokenizer.Encode(text[..4000], recognizeAddedTokens: false)[..Window], .. tokenizer.Encode(text[150_000..154_000], recognizeAddedTokens: false)[..Window]];
    }

    public void Dispose()
    {
        _exact.Dispose();
        _fast.Dispose();
        _exactDevice.Dispose();
        _fastDevice.Dispose();
    }

    [Fact]
    public void Fast_keeps_its_limits()
    {
        var divergence = new TextDivergence();
        double nats = 0;
        foreach (int[] window in _tokens.Chunk(Window))
            nats += divergence.Add((_exact, _exactDevice), (_fast, _fastDevice), window, null, TestContext.Current.CancellationToken);

        Assert.Equal(_tokens.Length, divergence.Tokens);
        Assert.InRange(divergence.MeanKl, double.Epsilon, MeanKlMost);
        Assert.InRange(divergence.TopAgreement, TopAgreementLeast, 1);
        Assert.True(divergence.LargestKl >= divergence.MeanKl);
        Assert.NotEqual(divergence.ReferenceNats, nats);
    }

    [Fact]
    public void A_model_does_not_differ_from_itself()
    {
        var divergence = new TextDivergence();
        double nats = divergence.Add((_exact, _exactDevice), (_exact, _exactDevice), _tokens.AsSpan(0, 100), null, TestContext.Current.CancellationToken);
        Assert.Equal((0, 0, 1), (divergence.MeanKl, divergence.LargestKl, divergence.TopAgreement));
        Assert.Equal(divergence.ReferenceNats, nats);
        Assert.Equal(TextScorer.Score(_exact, _exactDevice, _tokens.AsSpan(0, 100), null, TestContext.Current.CancellationToken), nats, 1e-9);
    }

    /// <summary>Σ p (ln p − ln q) over the whole vocabulary, by definition, from what the models' passes give.</summary>
    [Fact]
    public void Divergence_is_that_of_the_distributions()
    {
        var divergence = new TextDivergence();
        divergence.Add((_exact, _exactDevice), (_fast, _fastDevice), _tokens.AsSpan(0, 1), null, TestContext.Current.CancellationToken);
        double[] p = First(_exact, _exactDevice), q = First(_fast, _fastDevice);
        Assert.Equal(p.Zip(q, (a, b) => a * Math.Log(a / b)).Sum(), divergence.MeanKl, 1e-7);
        Assert.Equal(-Math.Log(p[_tokens[0]]), divergence.ReferenceNats, 1e-5);
    }

    [Fact]
    public void The_modes_keep_their_sequences_apart()
    {
        CacheNamespace exact = StoreScope.Of(_exact), fast = StoreScope.Of(_fast);
        Assert.NotEqual(exact.FolderName, fast.FolderName);
        Assert.Equal(exact.FolderName, StoreScope.Of(_exact).FolderName);
    }

    // Behind the begin-of-text token.
    private static double[] First(LanguageModel model, CpuDevice device)
    {
        using var generator = new Generator(model, device, 8);
        generator.Read([model.Config.BosToken], null, TestContext.Current.CancellationToken);
        double[] weights = [.. generator.Logits.ToArray().Select(logit => Math.Exp(logit))];
        return [.. weights.Select(weight => weight / weights.Sum())];
    }
}
