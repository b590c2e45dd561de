using System.Text;
using System.Text.Json;
using Anthropic;
using Anthropic.Exceptions;
using Anthropic.Models.Messages;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd.Server;

/// <summary>The real process asked by Anthropic's own client, which checks every response against its API.</summary>
public sealed class MessagesClientTests : IDisposable
{
    private const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    private static readonly Tool s_weather = new()
    {
        Name = "weather",
        Description = "Tells the weather.",
        InputSchema = new InputSchema { Properties = new Dictionary<string, JsonElement> { ["city"] = Json("""{"type": "string"}""") }, Required = ["city"] },
    };

    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Anthropic_s_client_goes_through_a_loop_of_tools_and_hits_the_cache()
    {
        await using FathomServer server = await Start("I ask.</think>One moment.\n\n" + Call, "So.</think>It rains in Paris.");
        using AnthropicClient client = Client(server);
        List<MessageParam> messages = [new UserMessageParam("How is it in Paris?")];
        Message first = await client.Messages.Create(Request(messages), Cancellation);
        first.Validate();
        Assert.Equal("tool_use", first.StopReason?.Raw());
        Assert.True(first.Content[0].TryPickThinking(out ThinkingBlock? thinking));
        Assert.True(first.Content[1].TryPickText(out TextBlock? text));
        Assert.True(first.Content[2].TryPickToolUse(out ToolUseBlock? call));
        Assert.Equal(("I ask.", "One moment.", "weather", "Paris"), (thinking.Thinking, text.Text, call.Name, call.Input["city"].GetString()));
        messages.Add(new AssistantMessageParam(new List<ContentBlockParam>
        {
            new ThinkingBlockParam { Thinking = thinking.Thinking, Signature = thinking.Signature },
            new TextBlockParam(text.Text),
            new ToolUseBlockParam { ID = call.ID, Name = call.Name, Input = call.Input },
        }));
        messages.Add(new UserMessageParam(new List<ContentBlockParam> { new ToolResultBlockParam(call.ID) { Content = "rain" } }));
        Message second = await client.Messages.Create(Request(messages), Cancellation);
        second.Validate();
        Assert.True(second.Content[1].TryPickText(out text));
        Assert.Equal(("It rains in Paris.", "end_turn"), (text.Text, second.StopReason?.Raw()));
        Assert.Equal(first.Usage.InputTokens + first.Usage.OutputTokens, second.Usage.CacheReadInputTokens);
    }

    [Fact]
    public async Task Anthropic_s_client_reads_a_stream()
    {
        await using FathomServer server = await Start("I ask.</think>One moment.\n\n" + Call);
        using AnthropicClient client = Client(server);
        var (thinking, text, input) = (new StringBuilder(), new StringBuilder(), new StringBuilder());
        var kinds = new List<string?>();
        await foreach (RawMessageStreamEvent next in client.Messages.CreateStreaming(Request([new UserMessageParam("How is it in Paris?")]), Cancellation))
        {
            next.Validate();
            kinds.Add(next.Type?.Raw());
            if (next.TryPickContentBlockDelta(out RawContentBlockDeltaEvent? delta))
            {
                thinking.Append(delta.Delta.TryPickThinking(out ThinkingDelta? thought) ? thought.Thinking : "");
                text.Append(delta.Delta.TryPickText(out TextDelta? piece) ? piece.Text : "");
                input.Append(delta.Delta.TryPickInputJson(out InputJsonDelta? json) ? json.PartialJson : "");
            }
        }
        Assert.Equal(("I ask.", "One moment.", "{\"city\": \"Paris\"}"), (thinking.ToString(), text.ToString(), input.ToString()));
        Assert.Equal(("message_start", "message_stop"), (kinds[0], kinds[^1]));
    }

    [Fact]
    public async Task Anthropic_s_client_counts_tokens_and_knows_the_errors()
    {
        await using FathomServer server = await Start("It rains.");
        using AnthropicClient client = Client(server);
        List<MessageParam> messages = [new UserMessageParam("How is it?")];
        MessageTokensCount count = await client.Messages.CountTokens(new MessageCountTokensParams { Model = "any", Messages = messages, Thinking = new ThinkingConfigAdaptive() }, Cancellation);
        Message reply = await client.Messages.Create(Request(messages) with { Tools = null }, Cancellation);
        Assert.Equal(reply.Usage.InputTokens, count.InputTokens);
        AnthropicBadRequestException error = await Assert.ThrowsAsync<AnthropicBadRequestException>(() => client.Messages.Create(Request([]), Cancellation));
        Assert.Contains("messages: expected at least one message", error.Message, StringComparison.Ordinal);
    }

    private Task<FathomServer> Start(params string[] script) =>
        FathomServer.StartAsync(_folder.Path("cache"), "--script", _folder.Write("script.json", JsonSerializer.SerializeToUtf8Bytes(script)));

    private static AnthropicClient Client(FathomServer server) =>
        new() { BaseUrl = new Uri(server.Address, "/anthropic").ToString(), ApiKey = "none", MaxRetries = 0, ResponseValidation = true };

    private static MessageCreateParams Request(List<MessageParam> messages) =>
        new() { Model = "any", MaxTokens = 200, Messages = messages, Tools = [s_weather], Thinking = new ThinkingConfigAdaptive() };

    private static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement;
}
