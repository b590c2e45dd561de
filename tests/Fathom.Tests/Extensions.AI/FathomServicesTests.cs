using Fathom.Engine;
using Fathom.Extensions.AI;
using Fathom.Serving;
using Fathom.Tests.Serving;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Fathom.Tests.Extensions.AI;

public sealed class FathomServicesTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_host_loads_the_model_once_and_gives_it_back()
    {
        ServiceProvider services = Services(serving => serving with { Context = 512, Script = ["</think>So."] });
        IChatClient client = services.GetRequiredService<IChatClient>();
        Assert.Same(client, services.GetRequiredService<FathomChatClient>());
        Assert.Same(services.GetRequiredService<ServingEngine>(), client.GetService<ServingEngine>());
        Assert.Equal(512, services.GetRequiredService<ServingEngine>().Context);
        Assert.Empty(services.GetRequiredService<FathomModel>().ConfigFile.UnknownKeys);
        Assert.False(services.GetRequiredService<FathomModel>().IsLargerThanMemory);
        Assert.Equal("So.", (await client.GetResponseAsync("Go.", cancellationToken: Cancellation)).Text);
        await services.DisposeAsync();
        GenerationException error = await Assert.ThrowsAsync<GenerationException>(() => client.GetResponseAsync("Go.", cancellationToken: Cancellation));
        Assert.Equal(FaultKind.Busy, error.Kind);
    }

    [Fact]
    public async Task What_was_read_is_found_on_the_disk_after_a_restart()
    {
        ChatMessage[] messages = [new(ChatRole.System, ServingBench.Prose(300, 1)), new(ChatRole.User, "Go.")];
        long? cold = await CachedAsync();
        long? warm = await CachedAsync();
        Assert.Equal(0, cold);
        Assert.True(warm > 200, $"{warm} tokens were found");

        async Task<long?> CachedAsync()
        {
            await using ServiceProvider services = Services(serving => serving with { StoreWorthwhile = TimeSpan.Zero });
            ChatResponse response = await services.GetRequiredService<IChatClient>().GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 1 }, Cancellation);
            return response.Usage?.CachedInputTokenCount;
        }
    }

    [Fact]
    public void A_model_that_is_not_there_or_an_option_out_of_range_is_told()
    {
        Assert.ThrowsAny<Exception>(() => FathomModel.Load(new FathomOptions { ModelFolder = _folder.Path("none") }));
        RequestException error = Assert.Throws<RequestException>(() => FathomModel.Load(Options(serving => serving with { Context = 1 })));
        Assert.StartsWith("context: expected 2 to", error.Message, StringComparison.Ordinal);
    }

    private ServiceProvider Services(Func<ServingOptions, ServingOptions> serving) => new ServiceCollection().AddFathomChatClient(Options(serving)).BuildServiceProvider();

    private FathomOptions Options(Func<ServingOptions, ServingOptions> serving) => new()
    {
        ModelFolder = TestFiles.Path("models", "fathom-nano"),
        Threads = 2,
        Load = new LoadOptions { MaxRows = 64 },
        CacheFolder = _folder.Path("cache"),
        Serving = defaults => serving(defaults with { MemoryBytes = 1_000_000_000 }),
    };
}
