using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Serving;

/// <summary>What others ask at the same time, and what was asked before, never shows in a reply.</summary>
public class SameTokensTests
{
    private const int Requests = 17;
    private const int Tokens = 12;

    // Of lengths around a window, a compressed entry and a batch; some begin alike.
    private static GenerationRequest Request(int i) =>
        ServingBench.Text(ServingBench.Prose(30, 1) + " " + ServingBench.Prose(3 + (i * 11), i % 5), Tokens, (ulong)i, $"holder {i % 3}");

    [Fact]
    public async Task A_request_alone_among_sixteen_others_cold_or_warm_gives_the_same_tokens()
    {
        var alone = new List<Outcome>();
        for (int i = 0; i < Requests; i++)
        {
            using var cold = new ServingBench(maxRows: 512);
            alone.Add(await cold.RunAsync(Request(i)));
            Assert.Equal(0, alone[i].Accepted.CachedTokens);
        }
        using var bench = new ServingBench(options => options with { MaxRunning = 7 }, maxRows: 40);
        foreach (bool isWarm in new[] { false, true })
        {
            Outcome[] together = await Task.WhenAll(Enumerable.Range(0, Requests).Select(i => bench.RunAsync(Request(i))));
            for (int i = 0; i < Requests; i++)
            {
                Assert.Equal(alone[i].Answer, together[i].Answer);
                Assert.Equal(alone[i].Bits, together[i].Bits);
                Assert.NotEmpty(alone[i].Bits);
                Assert.Equal(alone[i].Finished.Reason, together[i].Finished.Reason);
                if (isWarm)
                {
                    // All but the last token, which has to be computed for its logits.
                    Assert.Equal(together[i].Accepted.PromptTokens - 1, together[i].Accepted.CachedTokens);
                }
            }
        }
    }

    [Fact]
    public async Task The_reply_is_that_of_a_generator()
    {
        using var bench = new ServingBench();
        Outcome outcome = await bench.RunAsync(Request(9));
        using var device = new Fathom.Cpu.CpuDevice(1);
        string folder = TestFiles.Path("models", "fathom-nano");
        using var model = Fathom.Engine.LanguageModel.Load(folder, device, new Fathom.Engine.LoadOptions());
        var tokenizer = Fathom.Text.Tokenizer.Load(folder);
        using var generator = new Fathom.Engine.Generator(model, device, 8192);
        int[] prompt = [model.Config.BosToken, .. tokenizer.Encode(((GenerationPrompt.Text)Request(9).Prompt).Value, false)];
        generator.Read(prompt, progress: null, TestContext.Current.CancellationToken);
        var sampler = new Fathom.Engine.Sampler(Request(9).Sampling, model.Config.VocabularySize);
        int[] tokens = [.. generator.Generate(sampler, model.Config.EosToken, Tokens, TestContext.Current.CancellationToken).Select(token => token.Id)];
        Assert.Equal(tokenizer.Decode(tokens), outcome.Answer);
        Assert.Equal(new TokenUsage(prompt.Length, 0, 0, tokens.Length), outcome.Finished.Usage);
    }

    [Fact]
    public async Task After_a_restart_the_disk_gives_the_same_tokens()
    {
        using var folder = new TempFolder();
        GenerationRequest request = ServingBench.Text(ServingBench.Prose(2500, 7), Tokens);
        Outcome cold;
        using (var first = new ServingBench(maxRows: 512, store: folder.Root))
        {
            cold = await first.RunAsync(request);
        }
        using var second = new ServingBench(maxRows: 512, store: folder.Root);
        Outcome warm = await second.RunAsync(request), foreign = await second.RunAsync(request with { Tenant = "other" });
        Assert.Equal((0, cold.Accepted.PromptTokens - 1, 0), (cold.Accepted.CachedTokens, warm.Accepted.CachedTokens, foreign.Accepted.CachedTokens));
        Assert.Equal(cold.Bits, warm.Bits);
        Assert.Equal(cold.Bits, foreign.Bits);
    }
}
