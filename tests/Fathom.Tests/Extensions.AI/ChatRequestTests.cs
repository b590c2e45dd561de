using System.Text.Json;
using Fathom.Extensions.AI;
using Fathom.Serving;
using Microsoft.Extensions.AI;
using Xunit;

namespace Fathom.Tests.Extensions.AI;

/// <summary>What of a request reaches the model, what is refused, what is told to have no effect.</summary>
public sealed class ChatRequestTests : IDisposable
{
    private readonly ChatBench _bench = new(options => options with { Script = [.. Enumerable.Repeat("</think>So.", 8)] });

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, Action<ChatOptions>> Refused => new()
    {
        { "a conversation stored elsewhere", "ConversationId: expected none", options => options.ConversationId = "1" },
        { "a response in the background", "ContinuationToken: expected none", options => options.ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }) },
        { "a tool that a provider runs", "Tools: expected functions, found web_search", options => options.Tools = [new HostedWebSearchTool()] },
        { "a name that breaks the markup", "Tools: expected names of 1 to 128", options => options.Tools = [AIFunctionFactory.Create(() => 1, "a b")] },
        { "a call without functions", "ToolMode: expected tools", options => options.ToolMode = ChatToolMode.RequireAny },
        { "a call of another function", "ToolMode: expected the name of one of the tools, found b", options =>
            {
                options.Tools = [AIFunctionFactory.Create(() => 1, "a")];
                options.ToolMode = ChatToolMode.RequireSpecific("b");
            }
        },
        { "JSON beside functions", "ResponseFormat: expected text beside tools", options =>
            {
                options.Tools = [AIFunctionFactory.Create(() => 1, "a")];
                options.ResponseFormat = ChatResponseFormat.Json;
            }
        },
        { "a schema that cannot be enforced", "ResponseFormat: ", options => options.ResponseFormat = ChatResponseFormat.ForJsonSchema(Json("""{"type": "array", "uniqueItems": true}""")) },
        { "a strict function that cannot be enforced", "Tools: ", options => options.Tools = [Strict("""{"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true}}}""")] },
        { "a temperature below 0", "temperature: expected from 0 to 100", options =>
            {
                options.Temperature = -1;
                options.Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None };
            }
        },
        { "no tokens", "max_tokens: expected at least 1", options => options.MaxOutputTokens = 0 },
    };

    public void Dispose() => _bench.Dispose();

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Options_that_cannot_be_honoured_are_refused(string what, string message, Action<ChatOptions> set)
    {
        var options = new ChatOptions();
        set(options);
        GenerationException error = await Assert.ThrowsAsync<GenerationException>(() => _bench.AskAsync("Go.", options));
        Assert.True(error.Kind == FaultKind.Invalid && error.Message.StartsWith(message, StringComparison.Ordinal), $"{what}: {error.Kind}, {error.Message}");
    }

    [Fact]
    public async Task Messages_that_cannot_be_read_are_refused_with_their_place()
    {
        await Refuses("messages: expected at least one");
        await Refuses("expected text, found image/png", new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")]));
        await Refuses("messages[1]: expected the last message", new ChatMessage(ChatRole.User, "Go."), new ChatMessage(ChatRole.Assistant, "I"));
        await Refuses("messages[0]: expected results of functions", new ChatMessage(ChatRole.Tool, "rain"));
        await Refuses("messages[0]: expected the role", new ChatMessage(new ChatRole("judge"), "Go."));
        await Refuses("messages[0]: expected text, reasoning and calls", new ChatMessage(ChatRole.Assistant, [new UriContent("http://localhost/a.png", "image/png")]));

        async Task Refuses(string expected, params ChatMessage[] messages)
        {
            GenerationException error = await Assert.ThrowsAsync<GenerationException>(() => _bench.Client.GetResponseAsync(messages, null, Cancellation));
            Assert.Equal(FaultKind.Invalid, error.Kind);
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_with_numbers()
    {
        GenerationException error = await Assert.ThrowsAsync<GenerationException>(() => _bench.AskAsync(string.Concat(Enumerable.Repeat("word ", 9000))));
        Assert.Equal(FaultKind.TooLarge, error.Kind);
        Assert.Contains("8,192", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_without_effect_are_listed()
    {
        var options = new ChatOptions
        {
            ModelId = "other",
            Temperature = 0.1f,
            TopP = 0.5f,
            FrequencyPenalty = 1,
            PresencePenalty = 1,
            Reasoning = new ReasoningOptions { Output = ReasoningOutput.Summary },
            AllowBackgroundResponses = true,
            RawRepresentationFactory = _ => new object(),
            AdditionalProperties = new AdditionalPropertiesDictionary { ["mood"] = "good" },
        };
        List<ChatResponseUpdate> updates = await _bench.StreamAsync([new ChatMessage(ChatRole.User, "Go.")], options);
        Assert.Equal(
            ["AdditionalProperties.mood", "AllowBackgroundResponses", "FrequencyPenalty", "ModelId", "PresencePenalty", "RawRepresentationFactory", "Reasoning.Output", "Temperature", "TopP"],
            Assert.IsType<string[]>(updates[0].AdditionalProperties?[FathomChatClient.Ignored]));
        Assert.Null((await _bench.StreamAsync([new ChatMessage(ChatRole.User, "Go.")], new ChatOptions { ModelId = "fathom-nano" }))[0].AdditionalProperties);
        ChatResponse whole = updates.ToChatResponse();
        Assert.True((whole.AdditionalProperties ?? whole.Messages[0].AdditionalProperties)?.ContainsKey(FathomChatClient.Ignored), "the whole response lost the list");
    }

    [Fact]
    public async Task Instructions_stand_in_front_of_system_text()
    {
        long? together = (await _bench.Client.GetResponseAsync([new ChatMessage(ChatRole.System, "Two."), new ChatMessage(ChatRole.User, "Go.")], new ChatOptions { Instructions = "One." }, Cancellation)).Usage?.InputTokenCount;
        long? written = (await _bench.Client.GetResponseAsync([new ChatMessage(ChatRole.System, "One.\n\nTwo."), new ChatMessage(ChatRole.User, "Go.")], null, Cancellation)).Usage?.InputTokenCount;
        long? developer = (await _bench.Client.GetResponseAsync([new ChatMessage(new ChatRole("developer"), "One.\n\nTwo."), new ChatMessage(ChatRole.User, "Go.")], null, Cancellation)).Usage?.InputTokenCount;
        Assert.Equal((written, written), (together, developer));
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json text")]
    [InlineData("content")]
    [InlineData("contents")]
    public async Task Results_of_functions_are_read_alike_in_every_form(string form)
    {
        object result = form switch
        {
            "text" => "rain",
            "json text" => JsonSerializer.SerializeToElement("rain"),
            "content" => new TextContent("rain"),
            _ => new List<AIContent> { new TextContent("rain") },
        };
        Assert.Equal(await Tokens("rain"), await Tokens(result));
        // An object is read as its JSON, longer than the word.
        Assert.True(await Tokens(new Dictionary<string, object?> { ["sky"] = "rain" }) > await Tokens("rain"), "an object was read as less than its text");

        async Task<long?> Tokens(object value)
        {
            ChatMessage[] messages =
            [
                new(ChatRole.User, "Go."), new(ChatRole.Assistant, [new FunctionCallContent("1", "weather", new Dictionary<string, object?> { ["days"] = 2 })]),
                new(ChatRole.Tool, [new FunctionResultContent("1", value)]),
            ];
            return (await _bench.Client.GetResponseAsync(messages, new ChatOptions { Tools = [_bench.Weather] }, Cancellation)).Usage?.InputTokenCount;
        }
    }

    [Fact]
    public void Options_of_Fathom_survive_a_clone()
    {
        var options = new FathomChatOptions { ThinkingTokens = 5, MinP = 0.1f, Tenant = "ann", Seed = 3 };
        FathomChatOptions clone = Assert.IsType<FathomChatOptions>(options.Clone());
        Assert.Equal((5, 0.1f, "ann", 3L), (clone.ThinkingTokens, clone.MinP, clone.Tenant, clone.Seed));
    }

    private static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement;

    private static StrictFunction Strict(string schema) => new(
        AIFunctionFactory.Create(() => 1, new AIFunctionFactoryOptions { Name = "a", AdditionalProperties = new Dictionary<string, object?> { ["strict"] = true } }), Json(schema));

    private sealed class StrictFunction(AIFunction function, JsonElement schema) : DelegatingAIFunction(function)
    {
        public override JsonElement JsonSchema => schema;
    }
}
