using System.Text.Json;
using Fathom.Checkpoints;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Model;
using Fathom.Prompts;
using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Serving;

public class ServingEngineTests
{
    private const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"read\">\n<｜DSML｜parameter name=\"path\" string=\"true\">a.txt</｜DSML｜parameter>\n"
        + "<｜DSML｜parameter name=\"lines\" string=\"false\">[1,2]</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    private static readonly Tool s_tool = new("{\"name\": \"read\", \"parameters\": {\"type\": \"object\"}}");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static Message System => new Message.System("You read files.") { Tools = [s_tool] };

    private static Message Question => new Message.User("What is in a.txt, which lies beside the other files of the old man by the sea, where he built great ships and went down the river?");

    [Fact]
    public async Task Reasoning_answer_and_calls_come_apart_and_calls_stream()
    {
        using var bench = new ServingBench(options => options with { Script = ["I look.</think>Wait.\n\n" + Call] });
        Outcome outcome = await bench.RunAsync(ServingBench.Chat(System, Question));
        Assert.Equal(("I look.", "Wait.", "{\"path\": \"a.txt\", \"lines\": [1,2]}"), (outcome.Reasoning, outcome.Answer, outcome.Arguments));
        GenerationEvent.CallStarted started = Assert.Single(outcome.Events.OfType<GenerationEvent.CallStarted>());
        Assert.Equal((0, "read"), (started.Index, started.Name));
        Assert.Matches("^call_[0-9A-Za-z]{24}$", started.Id);
        Assert.True(outcome.Events.OfType<GenerationEvent.CallArguments>().Count() > 2, "the arguments came in one piece");
        Assert.Equal(EndReason.ToolCalls, outcome.Finished.Reason);
        Assert.Equal(1 + bench.Engine.CountTokens(new GenerationRequest { Prompt = new GenerationPrompt.Text("I look.") }) - 1, outcome.Finished.Usage.Reasoning);
        Assert.DoesNotContain("DSML", string.Concat(outcome.Events), StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_requests_of_a_holder_than_a_step_takes_go_in_turns()
    {
        using var bench = new ServingBench(options => options with { MaxRunning = 1 });
        Outcome[] outcomes = await Task.WhenAll(Enumerable.Range(1, 3).Select(i => bench.RunAsync(ServingBench.Text(ServingBench.Prose(40, i), 120, (ulong)i))));
        double[] writing = [.. outcomes.Select(outcome => outcome.Finished.Times.Writing.TotalSeconds)];
        // One after the other, the first would be done when the last begins.
        Assert.True(writing.Min() > 0.6 * writing.Max(), string.Join(", ", writing));
    }

    [Fact]
    public async Task A_client_that_forgets_the_reasoning_goes_on_from_the_cache()
    {
        using var bench = new ServingBench(options => options with { Script = ["I look.</think>\n\n" + Call, "So.</think>It is empty."] });
        Outcome first = await bench.RunAsync(ServingBench.Chat(System, Question));
        string id = first.Events.OfType<GenerationEvent.CallStarted>().Single().Id;
        // The client has read the arguments and written them in its own way.
        var call = new ToolCall(id, "read", "{\"path\":\"a.txt\",\"lines\":[1, 2]}");
        Message[] messages = [System, Question, new Message.Assistant("") { ToolCalls = [call] }, new Message.ToolResult(id, "nothing")];
        Outcome second = await bench.RunAsync(ServingBench.Chat(messages));
        Assert.Equal(0, second.Accepted.TurnsWithoutReasoning);
        Assert.Equal(first.Finished.Usage.Prompt + first.Finished.Usage.Completion, second.Accepted.CachedTokens);

        // The turn behind has no call and is found by what the client sees.
        Outcome third = await bench.RunAsync(ServingBench.Chat([.. messages, new Message.Assistant("It is empty."), new Message.User("Sure?")]));
        Assert.Equal((0, second.Finished.Usage.Prompt + second.Finished.Usage.Completion), (third.Accepted.TurnsWithoutReasoning, third.Accepted.CachedTokens));
    }

    [Fact]
    public async Task What_the_ledger_does_not_know_is_read_without_reasoning_and_said()
    {
        using var bench = new ServingBench(options => options with { Script = ["I look.</think>\n\n" + Call] });
        Outcome first = await bench.RunAsync(ServingBench.Chat(System, Question));
        string id = first.Events.OfType<GenerationEvent.CallStarted>().Single().Id;
        foreach ((string tenant, string path, int lacking) in new[] { ("", "a.txt", 0), ("", "b.txt", 1), ("other", "a.txt", 1) })
        {
            Message[] messages = [System, Question, new Message.Assistant("") { ToolCalls = [new ToolCall(id, "read", $"{{\"path\": \"{path}\", \"lines\": [1, 2]}}")] }, new Message.ToolResult(id, "nothing")];
            Outcome next = await bench.RunAsync(ServingBench.Chat(messages) with { MaxTokens = 1, Tenant = tenant });
            Assert.Equal(lacking, next.Accepted.TurnsWithoutReasoning);
            Assert.Equal(lacking == 0, next.Accepted.CachedTokens > first.Finished.Usage.Prompt);
        }
    }

    [Fact]
    public async Task A_next_turn_without_tools_goes_on_behind_the_last_question()
    {
        using var bench = new ServingBench(options => options with { Script = ["Hm.</think>Much."] });
        Outcome first = await bench.RunAsync(ServingBench.Chat(Question));
        Outcome second = await bench.RunAsync(ServingBench.Chat(Question, new Message.Assistant("Much."), new Message.User("What?")) with { MaxTokens = 1 });
        // Old reasoning is left out, so all up to the marker in front of it is the same.
        Assert.Equal(first.Accepted.PromptTokens - 1, second.Accepted.CachedTokens);
    }

    [Fact]
    public async Task Conversations_with_the_same_system_text_share_it()
    {
        using var bench = new ServingBench();
        var system = new Message.System(ServingBench.Prose(80, 4));
        Outcome first = await bench.RunAsync(ServingBench.Chat(system, new Message.User("Who?")) with { MaxTokens = 1 });
        Outcome second = await bench.RunAsync(ServingBench.Chat(system, new Message.User("What did the old men build down there?")) with { MaxTokens = 1 });
        Assert.InRange(second.Accepted.CachedTokens, 80, first.Accepted.PromptTokens - 2);
    }

    [Fact]
    public async Task System_text_in_mid_conversation_is_read_where_it_stands()
    {
        using var bench = new ServingBench();
        int asSystem = bench.Engine.CountTokens(ServingBench.Chat(new Message.User("One."), new Message.System("Two.")));
        int asUser = bench.Engine.CountTokens(ServingBench.Chat(new Message.User("One."), new Message.User("Two.")));
        Assert.Equal(asUser, asSystem);
        Outcome outcome = await bench.RunAsync(ServingBench.Chat(new Message.User("One."), new Message.System("Two.")) with { MaxTokens = 2 });
        Assert.Equal(asSystem, outcome.Finished.Usage.Prompt);
    }

    [Fact]
    public async Task Stop_strings_end_the_answer_and_are_not_given_out()
    {
        using var bench = new ServingBench(options => options with { Script = ["END?</think>one two END three"] });
        Outcome outcome = await bench.RunAsync(ServingBench.Chat(Question) with { StopStrings = ["wo EN", "END"] });
        Assert.Equal(("END?", "one t"), (outcome.Reasoning, outcome.Answer));
        Assert.Equal((EndReason.StopString, "wo EN"), (outcome.Finished.Reason, outcome.Finished.StopString));
    }

    [Fact]
    public async Task Reasoning_is_limited_and_leaves_room_for_an_answer()
    {
        using var bench = new ServingBench();
        Outcome limited = await bench.RunAsync(ServingBench.Chat(Question) with { ThinkingTokens = 5, MaxTokens = 40 });
        Assert.InRange(limited.Finished.Usage.Reasoning, 1, 6);
        Outcome tight = await bench.RunAsync(ServingBench.Chat(Question) with { MaxTokens = 16 });
        Assert.InRange(tight.Finished.Usage.Reasoning, 1, 12);
    }

    [Fact]
    public async Task A_call_can_be_demanded_or_forbidden()
    {
        using var bench = new ServingBench();
        GenerationRequest request = ServingBench.Chat(System, Question) with { ThinkingTokens = 3, MaxTokens = 200 };
        Grammar grammar = ToolGrammar.Reply([("read", JsonDocument.Parse("""{"type": "object", "properties": {"path": {"type": "string", "maxLength": 8}}, "required": ["path"]}""").RootElement)]);
        Outcome demanded = await bench.RunAsync(request with { Calls = CallChoice.Required, AnswerGrammar = grammar });
        Assert.Equal("read", demanded.Events.OfType<GenerationEvent.CallStarted>().First().Name);
        Assert.Equal((EndReason.ToolCalls, ""), (demanded.Finished.Reason, demanded.Answer));
        Assert.All(demanded.Events.OfType<GenerationEvent.CallArguments>().GroupBy(arguments => arguments.Index), call =>
            Assert.Single(JsonDocument.Parse(string.Concat(call.Select(arguments => arguments.Json))).RootElement.EnumerateObject()));
        // Without a grammar the opening is forced up to the function's name, and what the model makes of it is never text.
        Outcome opened = await bench.RunAsync(request with { Calls = CallChoice.Required, CallName = "read", MaxTokens = 60 });
        Assert.Equal("", opened.Answer);
        Outcome forbidden = await bench.RunAsync(request with { Calls = CallChoice.None, MaxTokens = 40 });
        Assert.Empty(forbidden.Events.OfType<GenerationEvent.CallStarted>());
    }

    [Fact]
    public async Task An_answer_is_held_to_its_form_and_comes_to_its_end()
    {
        using var bench = new ServingBench();
        Grammar grammar = JsonGrammar.FromSchema(JsonDocument.Parse("""{"type": "object", "properties": {"ships": {"type": "integer"}, "sea": {"enum": ["red", "dead"]}}, "required": ["ships", "sea"]}""").RootElement);
        for (ulong seed = 0; seed < 4; seed++)
        {
            Outcome outcome = await bench.RunAsync(ServingBench.Chat(Question) with { AnswerGrammar = grammar, MaxTokens = 120, Sampling = new SamplingOptions { Seed = seed } });
            Assert.Equal(EndReason.Stop, outcome.Finished.Reason);
            JsonElement answer = JsonDocument.Parse(outcome.Answer).RootElement;
            Assert.True(answer.GetProperty("ships").TryGetInt64(out _), outcome.Answer);
            Assert.Contains(answer.GetProperty("sea").GetString(), new[] { "red", "dead" });
        }
        GenerationEvent.Failed failed = (await bench.RunAsync(ServingBench.Chat(Question) with { AnswerGrammar = grammar, MaxTokens = 8 })).Failed;
        Assert.Equal(FaultKind.Invalid, failed.Kind);
        Assert.Matches("max_tokens: expected at least \\d+, .* found 8", failed.Message);
    }

    [Fact]
    public async Task The_likeliest_tokens_come_with_their_log_probabilities()
    {
        using var bench = new ServingBench();
        Outcome outcome = await bench.RunAsync(ServingBench.Text(ServingBench.Prose(20, 3), 6) with { Sampling = SamplingOptions.Greedy, TopLogProbabilities = 3 });
        TokenScore[] tokens = [.. outcome.Events.OfType<GenerationEvent.Answer>().SelectMany(answer => answer.Tokens)];
        Assert.Equal(outcome.Finished.Usage.Completion, tokens.Length);
        Assert.All(tokens, token =>
        {
            Assert.Equal(3, token.Top.Count);
            Assert.Equal(token.LogProbability, token.Top[0].LogProbability);
            Assert.Equal(token.Bytes.ToArray(), token.Top[0].Bytes.ToArray());
            Assert.True(token.Top[0].LogProbability >= token.Top[1].LogProbability && token.Top[1].LogProbability >= token.Top[2].LogProbability);
        });
        Assert.Equal(outcome.Answer, global::System.Text.Encoding.UTF8.GetString([.. tokens.SelectMany(token => token.Bytes.ToArray())]));
    }

    [Fact]
    public async Task A_gap_is_filled_where_the_tokenizer_can_say_so()
    {
        using var bench = new ServingBench();
        var fill = new GenerationRequest { Prompt = new GenerationPrompt.FillInTheMiddle("one", "three"), MaxTokens = 3 };
        Assert.Equal(3, (await bench.RunAsync(fill)).Finished.Usage.Completion);
        using var seed = new ServingBench(model: "seed");
        Assert.False(seed.Engine.CanFill);
        GenerationEvent.Failed failed = (await seed.RunAsync(fill)).Failed;
        Assert.Equal(FaultKind.Invalid, failed.Kind);
        Assert.Contains("fim", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_with_numbers()
    {
        using var bench = new ServingBench(options => options with { Context = 100 });
        GenerationEvent.Failed failed = (await bench.RunAsync(ServingBench.Text(ServingBench.Prose(300, 1), 5))).Failed;
        Assert.Equal(FaultKind.TooLarge, failed.Kind);
        Assert.Matches("has \\d+ tokens, and the context of 100 tokens", failed.Message);

        using var narrow = new ServingBench(options => options with { MemoryBytes = 800_000 });
        failed = (await narrow.RunAsync(ServingBench.Text(ServingBench.Prose(10, 1), 8000))).Failed;
        Assert.Equal(FaultKind.TooLarge, failed.Kind);
        Assert.Matches("need [0-9.]+ MB of memory, the server has 0.8 MB, which is enough for [0-9,]+ tokens", failed.Message);
        // Without a number of its own, a request takes what fits.
        Assert.Equal(EndReason.Length, (await narrow.RunAsync(ServingBench.Text(ServingBench.Prose(10, 1), 8000) with { MaxTokens = null })).Finished.Reason);
    }

    [Fact]
    public async Task An_answer_ends_where_the_context_does()
    {
        using var bench = new ServingBench(options => options with { Context = 40 });
        Outcome outcome = await bench.RunAsync(ServingBench.Text(ServingBench.Prose(20, 1), 1000) with { Sampling = SamplingOptions.Greedy });
        Assert.Equal((EndReason.Length, 40), (outcome.Finished.Reason, outcome.Finished.Usage.Prompt + outcome.Finished.Usage.Completion));
    }

    [Fact]
    public async Task One_more_than_may_wait_is_refused()
    {
        using var bench = new ServingBench(options => options with { MaxRunning = 1, MaxWaiting = 0 });
        using var leave = new CancellationTokenSource();
        IAsyncEnumerator<GenerationEvent> first = bench.Engine.Generate(ServingBench.Text(ServingBench.Prose(10, 1), 4000), leave.Token).GetAsyncEnumerator(Cancellation);
        Assert.True(await first.MoveNextAsync());
        GenerationEvent.Failed failed = (await bench.RunAsync(ServingBench.Text("a", 1))).Failed;
        Assert.Equal(FaultKind.Busy, failed.Kind);
        await first.DisposeAsync();
        await Idle(bench);
        Assert.Equal(1, (await bench.RunAsync(ServingBench.Text("a", 1))).Finished.Usage.Completion);
    }

    [Fact]
    public async Task A_prompt_that_is_left_stops_within_a_step_and_what_was_read_is_kept()
    {
        using var bench = new ServingBench(options => options with { StepTime = TimeSpan.FromMilliseconds(5) });
        GenerationRequest request = ServingBench.Text(ServingBench.Prose(6000, 2), 5);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        int read = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GenerationEvent next in bench.Engine.Generate(request, leave.Token))
            {
                if (next is GenerationEvent.Reading { Done: > 100 } reading)
                {
                    read = reading.Done;
                    await leave.CancelAsync();
                }
            }
        });
        await Idle(bench);
        Outcome again = await bench.RunAsync(request with { MaxTokens = 1 });
        Assert.InRange(again.Accepted.CachedTokens, read, again.Accepted.PromptTokens - 500);
    }

    [Fact]
    public async Task To_dispose_the_engine_ends_what_runs_and_what_waits()
    {
        var bench = new ServingBench(options => options with { MaxRunning = 1 });
        Task<Outcome>[] running = [.. Enumerable.Range(0, 3).Select(i => bench.RunAsync(ServingBench.Text(ServingBench.Prose(10, i), 7000, (ulong)i)))];
        while (bench.Engine.RequestCount < 3)
        {
            await Task.Delay(1, Cancellation);
        }
        bench.Dispose();
        foreach (Outcome outcome in await Task.WhenAll(running))
        {
            Assert.Equal(EndReason.Cancelled, outcome.Finished.Reason);
        }
        Assert.Equal(FaultKind.Busy, (await bench.RunAsync(ServingBench.Text("a", 1))).Failed.Kind);
    }

    [Fact]
    public async Task A_holder_with_one_request_is_served_as_much_as_one_with_six()
    {
        using var bench = new ServingBench(options => options with { MaxRunning = 2 });
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        int[] written = new int[6];
        Task[] many = [.. Enumerable.Range(0, 6).Select(i => Count(i))];
        while (written.Sum() < 30)
        {
            await Task.Delay(1, Cancellation);
        }
        int before = written.Sum();
        Outcome one = await bench.RunAsync(ServingBench.Text(ServingBench.Prose(10, 20), 60, seed: 4, holder: "one") with { TopLogProbabilities = null });
        int during = written.Sum() - before;
        await leave.CancelAsync();
        await Task.WhenAll(many);
        // Two sequences step together, and one of them is always the lonely one's.
        Assert.InRange(during, 0, one.Finished.Usage.Completion + 40);

        async Task Count(int i)
        {
            try
            {
                await foreach (GenerationEvent next in bench.Engine.Generate(ServingBench.Text(ServingBench.Prose(10, i), 7000, (ulong)i, "many") with { TopLogProbabilities = null }, leave.Token))
                {
                    Interlocked.Add(ref written[i], next is GenerationEvent.Answer ? 1 : 0);
                }
            }
            catch (OperationCanceledException)
            {
                // Enough was seen.
            }
        }
    }

    [Fact]
    public async Task Many_short_requests_do_not_displace_a_long_conversation()
    {
        var layout = new CacheLayout(ConfigReader.Read(TestFiles.Path("models", "fathom-nano", "config.json")).Config, CacheFormat.Mixed);
        using var bench = new ServingBench(options => options with { MemoryBytes = 20 * (layout.StateBytes + layout.BlockBytes) });
        Outcome cold = await bench.RunAsync(ServingBench.Text(ServingBench.Prose(2100, 1), 2));
        for (int i = 0; i < 40; i++)
        {
            await bench.RunAsync(ServingBench.Text(ServingBench.Prose(40, 100 + i), 2));
        }
        Outcome warm = await bench.RunAsync(ServingBench.Text(ServingBench.Prose(2100, 1), 2));
        Assert.Equal(cold.Accepted.PromptTokens - 1, warm.Accepted.CachedTokens);
        // There was no room for all: of the short ones some are gone.
        int gone = 0;
        for (int i = 0; i < 40; i++)
        {
            gone += (await bench.RunAsync(ServingBench.Text(ServingBench.Prose(40, 100 + i), 1))).Accepted.CachedTokens == 0 ? 1 : 0;
        }
        Assert.InRange(gone, 1, 40);
    }

    [Fact]
    public async Task A_bad_request_is_told_what_is_wrong()
    {
        using var bench = new ServingBench();
        await Refused(ServingBench.Text("a", 0), "max_tokens: expected at least 1, found 0");
        await Refused(ServingBench.Text("a", 1) with { TopLogProbabilities = 21 }, "top_logprobs: expected 0 to 20, found 21");
        await Refused(ServingBench.Text("a", 1) with { StopStrings = [""] }, "stop[0]");
        await Refused(ServingBench.Text("a", 1) with { Sampling = new SamplingOptions { Temperature = -1 } }, "temperature");
        await Refused(ServingBench.Chat(), "messages: expected at least one");
        await Refused(ServingBench.Chat(new Message.User(new MessageContent([new ContentPart.Unsupported("image_url")]))), "image_url");
        await Refused(ServingBench.Text("half \ud83d", 1), "surrogate");

        async Task Refused(GenerationRequest request, string says)
        {
            GenerationEvent.Failed failed = (await bench.RunAsync(request)).Failed;
            Assert.Equal(FaultKind.Invalid, failed.Kind);
            Assert.Contains(says, failed.Message, StringComparison.Ordinal);
        }
    }

    private static async Task Idle(ServingBench bench)
    {
        while (bench.Engine.RequestCount > 0)
        {
            await Task.Delay(1, Cancellation);
        }
    }
}
