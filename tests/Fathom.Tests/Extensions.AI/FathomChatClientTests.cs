using System.Text.Json;
using Fathom.Extensions.AI;
using Fathom.Serving;
using Fathom.Tests.Serving;
using Microsoft.Extensions.AI;
using Xunit;

namespace Fathom.Tests.Extensions.AI;

public class FathomChatClientTests
{
    private static readonly ChatOptions s_noThinking = new() { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None } };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static ChatMessage Question => new(ChatRole.User, "How is it in Paris?");

    [Fact]
    public async Task Reasoning_text_and_calls_stream_in_pieces_that_make_the_whole_response()
    {
        const string Reply = "I ask about it.</think>One moment, please.\n\n" + ChatBench.Call;
        using var bench = new ChatBench(Reply, Reply);
        var options = new ChatOptions { Tools = [bench.Weather] };
        List<ChatResponseUpdate> updates = await bench.StreamAsync([Question], options);
        ChatResponse whole = await bench.Client.GetResponseAsync([Question], options, Cancellation);
        Assert.True(updates.Count(update => update.Contents is [TextContent]) > 1, "the text came in one piece");
        Assert.True(updates.Count(update => update.Contents is [TextReasoningContent]) > 1, "the reasoning came in one piece");
        Assert.All(updates, update => Assert.IsType<GenerationEvent>(update.RawRepresentation, exactMatch: false));
        ChatResponse joined = updates.ToChatResponse();
        foreach (ChatResponse response in new[] { joined, whole })
        {
            ChatMessage message = Assert.Single(response.Messages);
            Assert.Equal(("I ask about it.", "One moment, please."), (Assert.IsType<TextReasoningContent>(message.Contents[0]).Text, Assert.IsType<TextContent>(message.Contents[1]).Text));
            FunctionCallContent call = Assert.IsType<FunctionCallContent>(message.Contents[2]);
            Assert.Equal(("weather", "Paris"), (call.Name, ((JsonElement)call.Arguments!["city"]!).GetString()));
            Assert.Null(call.Exception);
            Assert.Equal((ChatRole.Assistant, ChatFinishReason.ToolCalls, "fathom-nano"), (message.Role, response.FinishReason, response.ModelId));
        }
        Assert.Equal(joined.Usage?.OutputTokenCount, whole.Usage?.OutputTokenCount);
    }

    [Fact]
    public async Task The_model_s_own_reply_is_the_same_streamed_or_whole_and_repeats_with_its_seed()
    {
        using var bench = new ChatBench();
        var options = new ChatOptions { Seed = 7, MaxOutputTokens = 24, Temperature = 0.9f, TopP = 0.9f, TopK = 40, Reasoning = s_noThinking.Reasoning };
        ChatResponse streamed = (await bench.StreamAsync([Question], options)).ToChatResponse();
        ChatResponse whole = await bench.Client.GetResponseAsync([Question], options, Cancellation);
        Assert.NotEqual("", streamed.Text);
        Assert.Equal(streamed.Text, whole.Text);
        options.Seed = 8;
        Assert.NotEqual(whole.Text, (await bench.Client.GetResponseAsync([Question], options, Cancellation)).Text);
    }

    [Fact]
    public async Task Tokens_are_told_and_a_next_turn_is_found_in_the_cache_without_its_reasoning()
    {
        using var bench = new ChatBench("I ask.</think>\n\n" + ChatBench.Call, "So.</think>It rains.");
        var options = new ChatOptions { Tools = [bench.Weather], Instructions = "You tell the weather." };
        ChatResponse first = await bench.AskAsync("How is it in Paris?", options);
        FunctionCallContent call = first.Messages[0].Contents.OfType<FunctionCallContent>().Single();
        ChatMessage[] messages = [Question, new(ChatRole.Assistant, [call]), new(ChatRole.Tool, [new FunctionResultContent(call.CallId, "rain")])];
        ChatResponse second = await bench.Client.GetResponseAsync(messages, options, Cancellation);
        Assert.Equal(("It rains.", ChatFinishReason.Stop), (second.Text, second.FinishReason));
        UsageDetails before = first.Usage!, now = second.Usage!;
        Assert.Equal(before.InputTokenCount + before.OutputTokenCount, before.TotalTokenCount);
        Assert.Equal(before.TotalTokenCount, now.CachedInputTokenCount);
        Assert.True(now.ReasoningTokenCount > 0 && now.ReasoningTokenCount < now.OutputTokenCount, "reasoning was not counted");
        Assert.Null(second.Messages[0].AdditionalProperties);
    }

    [Fact]
    public async Task A_turn_that_nobody_remembers_is_read_without_its_reasoning_and_that_is_told()
    {
        using var bench = new ChatBench("So.</think>It rains.");
        ChatMessage[] messages =
        [
            Question, new(ChatRole.Assistant, [new FunctionCallContent("call_1", "weather", new Dictionary<string, object?> { ["city"] = "Paris" })]),
            new(ChatRole.Tool, [new FunctionResultContent("call_1", "rain")]),
        ];
        List<ChatResponseUpdate> updates = await bench.StreamAsync(messages, new ChatOptions { Tools = [bench.Weather] });
        Assert.Equal(1, updates[0].AdditionalProperties?[FathomChatClient.TurnsWithoutReasoning]);
    }

    [Fact]
    public async Task Functions_are_called_by_the_middleware_until_there_is_an_answer()
    {
        using var bench = new ChatBench("I ask.</think>\n\n" + ChatBench.Call, "So.</think>It rains in Paris.");
        using var client = new FunctionInvokingChatClient(bench.Client);
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync([Question], new ChatOptions { Tools = [bench.Weather] }, Cancellation))
        {
            updates.Add(update);
        }
        ChatResponse response = updates.ToChatResponse();
        Assert.Equal(["Paris"], bench.Asked);
        Assert.Equal([ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant], response.Messages.Select(message => message.Role));
        Assert.EndsWith("It rains in Paris.", response.Text, StringComparison.Ordinal);
        Assert.True(response.Usage?.CachedInputTokenCount > 0, "the second turn was read anew");
    }

    [Fact]
    public async Task A_function_that_must_be_called_is_called_by_the_model_itself_as_its_schema_says()
    {
        using var bench = new ChatBench();
        AIFunction pick = AIFunctionFactory.Create((bool wet, long degrees) => wet ? degrees : 0, "pick", "Picks the weather.");
        var options = new ChatOptions { Tools = [bench.Weather, pick], ToolMode = ChatToolMode.RequireSpecific("pick"), MaxOutputTokens = 250, Reasoning = s_noThinking.Reasoning };
        ChatResponse response = await bench.AskAsync("How is it?", options);
        FunctionCallContent call = Assert.Single(response.Messages[0].Contents.OfType<FunctionCallContent>());
        Assert.Equal(("pick", ChatFinishReason.ToolCalls), (call.Name, response.FinishReason));
        Assert.IsType<long>(await pick.InvokeAsync(new AIFunctionArguments(call.Arguments), Cancellation) is JsonElement result ? result.GetInt64() : null);
    }

    [Fact]
    public async Task No_more_than_one_call_is_shown_where_one_is_asked_for()
    {
        using var bench = new ChatBench("</think>\n\n" + ChatBench.TwoCalls, "</think>\n\n" + ChatBench.TwoCalls);
        ChatResponse both = await bench.AskAsync("How is it?", new ChatOptions { Tools = [bench.Weather] });
        ChatResponse one = await bench.AskAsync("How is it?", new ChatOptions { Tools = [bench.Weather], AllowMultipleToolCalls = false });
        Assert.Equal((2, 1), (Calls(both), Calls(one)));

        static int Calls(ChatResponse response) => response.Messages[0].Contents.OfType<FunctionCallContent>().Count();
    }

    [Fact]
    public async Task A_call_that_was_cut_off_is_not_shown()
    {
        using var bench = new ChatBench("</think>\n\n" + ChatBench.Call);
        ChatResponse response = await bench.AskAsync("How is it?", new ChatOptions { Tools = [bench.Weather], MaxOutputTokens = 30 });
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.DoesNotContain(response.Messages.SelectMany(message => message.Contents), content => content is FunctionCallContent);
    }

    [Fact]
    public async Task Answers_hold_to_the_schema_of_a_type_behind_the_reasoning()
    {
        using var bench = new ChatBench();
        ChatResponse<Weather> typed = await bench.Client.GetResponseAsync<Weather>([Question], new ChatOptions { MaxOutputTokens = 200, Seed = 4 }, cancellationToken: Cancellation);
        Assert.NotNull(typed.Result.City);
        Assert.Contains(typed.Messages[0].Contents, content => content is TextReasoningContent);
        ChatResponse any = await bench.AskAsync("Tell me.", new ChatOptions { ResponseFormat = ChatResponseFormat.Json, MaxOutputTokens = 60, Reasoning = s_noThinking.Reasoning });
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(any.Text).RootElement.ValueKind);
    }

    [Fact]
    public async Task Stop_sequences_end_the_answer_and_are_not_given_out()
    {
        using var bench = new ChatBench("END?</think>one two END three");
        ChatResponse response = await bench.AskAsync("Count.", new ChatOptions { StopSequences = ["END"] });
        Assert.Equal(("one two ", ChatFinishReason.Stop), (response.Text, response.FinishReason));
    }

    [Fact]
    public async Task Reasoning_can_be_hidden_bounded_and_left_out()
    {
        using var bench = new ChatBench("I think.</think>Much.", "Much.");
        ChatResponse hidden = await bench.AskAsync("What?", new ChatOptions { Reasoning = new ReasoningOptions { Output = ReasoningOutput.None } });
        Assert.Equal("Much.", Assert.IsType<TextContent>(Assert.Single(hidden.Messages[0].Contents)).Text);
        Assert.True(hidden.Usage?.ReasoningTokenCount > 0, "hidden reasoning was not counted");
        ChatResponse without = await bench.AskAsync("What?", s_noThinking);
        Assert.Equal(("Much.", 0L), (without.Text, without.Usage?.ReasoningTokenCount));
        // Behind the script the model writes for itself.
        ChatResponse bounded = await bench.AskAsync("What?", new FathomChatOptions { ThinkingTokens = 5, MaxOutputTokens = 40, Seed = 1 });
        Assert.InRange(bounded.Usage?.ReasoningTokenCount ?? 0, 1, 6);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_prompt_that_is_cancelled_or_left_stops_within_a_step_and_what_was_read_is_kept(bool cancels)
    {
        using var bench = new ChatBench(options => options with { StepTime = TimeSpan.FromMilliseconds(5) });
        ChatMessage[] messages = [new(ChatRole.User, ServingBench.Prose(5000, 2))];
        var options = new ChatOptions { MaxOutputTokens = 1 };
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        int read = 0;
        try
        {
            await foreach (ChatResponseUpdate update in bench.Client.GetStreamingResponseAsync(messages, options, cancel.Token))
            {
                if (update.RawRepresentation is not GenerationEvent.Reading { Done: > 100 } reading)
                {
                    continue;
                }
                read = reading.Done;
                if (!cancels)
                {
                    break;
                }
                await cancel.CancelAsync();
            }
            Assert.False(cancels, "the enumeration went on");
        }
        catch (OperationCanceledException) when (cancels)
        {
            // As it should be.
        }
        while (bench.Engine.RequestCount > 0)
        {
            await Task.Delay(1, Cancellation);
        }
        UsageDetails? again = (await bench.Client.GetResponseAsync(messages, options, Cancellation)).Usage;
        Assert.InRange(again?.CachedInputTokenCount ?? 0, read, (again?.InputTokenCount ?? 0) - 500);
    }

    [Fact]
    public async Task Two_clients_at_once_get_what_each_gets_alone()
    {
        using var bench = new ChatBench();
        using var other = new FathomChatClient(bench.Engine);
        ChatOptions[] options = [.. Enumerable.Range(0, 2).Select(i => new FathomChatOptions { Seed = i, MaxOutputTokens = 32, Tenant = $"user{i}" })];
        ChatResponse[] together = await Task.WhenAll(bench.AskAsync("Who?", options[0]), other.GetResponseAsync("Where did they go?", options[1], Cancellation));
        Assert.Equal(Texts(await bench.AskAsync("Who?", options[0])), Texts(together[0]));
        Assert.Equal(Texts(await other.GetResponseAsync("Where did they go?", options[1], Cancellation)), Texts(together[1]));

        static IEnumerable<string?> Texts(ChatResponse response) => response.Messages[0].Contents.Select(content => (content as TextReasoningContent)?.Text ?? (content as TextContent)?.Text);
    }

    [Fact]
    public async Task An_engine_that_stops_breaks_the_reply_off()
    {
        using var bench = new ChatBench(ServingBench.Prose(4000, 1));
        GenerationException broken = await Assert.ThrowsAsync<GenerationException>(async () =>
        {
            await foreach (ChatResponseUpdate update in bench.Client.GetStreamingResponseAsync([Question], null, Cancellation))
            {
                if (update.Contents.Count > 0)
                {
                    bench.Engine.Dispose();
                }
            }
        });
        Assert.Equal(FaultKind.Busy, broken.Kind);
        Assert.Contains("not complete", broken.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_services_are_the_engine_and_what_it_is()
    {
        using var bench = new ChatBench();
        Assert.Same(bench.Engine, bench.Client.GetService<ServingEngine>());
        Assert.Same(bench.Client, bench.Client.GetService<IChatClient>());
        ChatClientMetadata? metadata = bench.Client.GetService<ChatClientMetadata>();
        Assert.Equal(("fathom", "fathom-nano"), (metadata?.ProviderName, metadata?.DefaultModelId));
        Assert.Null(bench.Client.GetService<ServingEngine>("key"));
        Assert.Null(bench.Client.GetService<string>());
    }

    private sealed record Weather(string City, long Degrees, bool Wet);
}
