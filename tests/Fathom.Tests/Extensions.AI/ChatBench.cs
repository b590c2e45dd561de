using Fathom.Extensions.AI;
using Fathom.Serving;
using Fathom.Tests.Serving;
using Microsoft.Extensions.AI;
using Xunit;

namespace Fathom.Tests.Extensions.AI;

/// <summary>A chat client before the bundled model.</summary>
internal sealed class ChatBench : IDisposable
{
    public const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";
    public const string TwoCalls = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
        + "<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Rome</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    private readonly ServingBench _serving;

    /// <param name="script">replies that are written instead of what the model would choose</param>
    public ChatBench(params string[] script) : this(options => options with { Script = script })
    {
    }

    public ChatBench(Func<ServingOptions, ServingOptions> change)
    {
        _serving = new ServingBench(change);
        Client = new FathomChatClient(_serving.Engine);
    }

    public FathomChatClient Client { get; }

    public ServingEngine Engine => _serving.Engine;

    /// <summary>A function that tells the weather, and the cities it was asked about.</summary>
    public List<string> Asked { get; } = [];

    public AIFunction Weather => AIFunctionFactory.Create(
        (string city) =>
        {
            Asked.Add(city);
            return "rain";
        },
        "weather", "Tells the weather.");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public Task<ChatResponse> AskAsync(string question, ChatOptions? options = null) => Client.GetResponseAsync([new ChatMessage(ChatRole.User, question)], options, Cancellation);

    public async Task<List<ChatResponseUpdate>> StreamAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in Client.GetStreamingResponseAsync(messages, options, Cancellation))
        {
            updates.Add(update);
        }
        return updates;
    }

    public void Dispose()
    {
        Client.Dispose();
        _serving.Dispose();
    }
}
