using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using System.Text.Json;
using Fathom.Tests;
using OpenAI.Responses;
using Xunit;

// The client calls its responses experimental, which is its own affair.
#pragma warning disable OPENAI001

namespace Fathom.EndToEnd.Server;

/// <summary>The real process asked by OpenAI's own client for responses.</summary>
public sealed class ResponsesClientTests : IDisposable
{
    private const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task OpenAi_s_client_goes_through_a_loop_of_tools_and_hits_the_cache()
    {
        await using FathomServer server = await Start("I ask.</think>\n\n" + Call, "So.</think>It rains in Paris.");
        ResponsesClient client = Client(server);
        CreateResponseOptions options = Request("How is it in Paris?");
        ResponseResult first = await client.CreateResponseAsync(options, Cancellation);
        Assert.Equal(ResponseStatus.Completed, first.Status);
        FunctionCallResponseItem call = Assert.Single(first.OutputItems.OfType<FunctionCallResponseItem>());
        Assert.Equal(("weather", "{\"city\": \"Paris\"}"), (call.FunctionName, call.FunctionArguments.ToString()));
        foreach (ResponseItem item in first.OutputItems)
        {
            options.InputItems.Add(item);
        }
        options.InputItems.Add(ResponseItem.CreateFunctionCallOutputItem(call.CallId, "rain"));
        ResponseResult second = await client.CreateResponseAsync(options, Cancellation);
        Assert.Equal("It rains in Paris.", second.GetOutputText());
        Assert.Equal(first.Usage.TotalTokenCount, second.Usage.InputTokenDetails.CachedTokenCount);
    }

    [Fact]
    public async Task OpenAi_s_client_reads_a_stream()
    {
        await using FathomServer server = await Start("I ask.</think>One moment.\n\n" + Call);
        var (text, input) = (new StringBuilder(), new StringBuilder());
        ResponseResult? completed = null;
        int count = 0;
        CreateResponseOptions options = Request("How is it in Paris?");
        options.StreamingEnabled = true;
        await using AsyncStreamingResult<StreamingResponseUpdate> updates = await Client(server).CreateResponseStreamingAsync(options, Cancellation);
        await foreach (StreamingResponseUpdate update in updates.WithCancellation(Cancellation))
        {
            Assert.Equal(count++, update.SequenceNumber);
            text.Append((update as StreamingResponseOutputTextDeltaUpdate)?.Delta);
            input.Append((update as StreamingResponseFunctionCallArgumentsDeltaUpdate)?.Delta);
            completed = (update as StreamingResponseCompletedUpdate)?.Response ?? completed;
        }
        Assert.Equal(("One moment.", "{\"city\": \"Paris\"}"), (text.ToString(), input.ToString()));
        Assert.NotNull(completed);
        Assert.Equal(3, completed.OutputItems.Count);
        Assert.IsType<ReasoningResponseItem>(completed.OutputItems[0]);
        Assert.IsType<MessageResponseItem>(completed.OutputItems[1], exactMatch: false);
        Assert.IsType<FunctionCallResponseItem>(completed.OutputItems[2]);
        Assert.True(completed.Usage.OutputTokenDetails.ReasoningTokenCount > 0, "no tokens were told");
    }

    [Fact]
    public async Task OpenAi_s_client_is_told_that_nothing_is_stored()
    {
        await using FathomServer server = await Start();
        CreateResponseOptions options = Request("And now?");
        options.PreviousResponseId = "resp_1";
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(() => Client(server).CreateResponseAsync(options, Cancellation));
        Assert.Equal(400, error.Status);
        Assert.Contains("stores no responses", error.Message, StringComparison.Ordinal);
    }

    private Task<FathomServer> Start(params string[] script) =>
        FathomServer.StartAsync(_folder.Path("cache"), "--script", _folder.Write("script.json", JsonSerializer.SerializeToUtf8Bytes(script)));

    private static ResponsesClient Client(FathomServer server) =>
        new(new ApiKeyCredential("none"), new ResponsesClientOptions { Endpoint = server.Address, RetryPolicy = new ClientRetryPolicy(maxRetries: 0) });

    private static CreateResponseOptions Request(string question)
    {
        var options = new CreateResponseOptions("any", [ResponseItem.CreateUserMessageItem(question)]) { Instructions = "You tell the weather.", StoredOutputEnabled = false };
        options.Tools.Add(ResponseTool.CreateFunctionTool("weather", BinaryData.FromString("""{"type": "object", "properties": {"city": {"type": "string"}}}"""), strictModeEnabled: false));
        return options;
    }
}
