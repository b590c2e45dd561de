using System.Net;
using System.Text.Json;
using Xunit;

namespace Fathom.Tests.Server;

public class ResponsesEndpointTests
{
    private const string Tools = """  "tools": [{"type": "function", "name": "read", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}] """;
    private const string Question = """{"role": "user", "content": "What is in the file that the old man left behind when he went down to the sea with all of his ships?"}""";
    private const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"read\">\n<｜DSML｜parameter name=\"path\" string=\"true\">a \"b\".txt</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_turn_after_a_call_hits_the_cache_with_reasoning_sent_back_or_not(bool sendsReasoning)
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Hm.</think>\n\n" + Call, "So.</think>Empty."] });
        (HttpResponseMessage response, JsonElement first) = await bench.PostAsync("/v1/responses", $$"""{"model": "m", "input": [{{Question}}], {{Tools}} }""");
        Assert.Equal((HttpStatusCode.OK, "completed"), (response.StatusCode, first.GetProperty("status").GetString()));
        JsonElement[] output = [.. first.GetProperty("output").EnumerateArray()];
        Assert.Equal(["reasoning", "function_call"], output.Select(item => item.GetProperty("type").GetString()));
        Assert.Equal("""{"path": "a \"b\".txt"}""", output[1].GetProperty("arguments").GetString());
        string sent = (sendsReasoning ? output[0].GetRawText() + ", " : "") + output[1].GetRawText();
        (response, JsonElement second) = await bench.PostAsync(
            "/responses",
            $$"""{"model": "m", "input": [{{Question}}, {{sent}}, {"type": "function_call_output", "call_id": "{{output[1].GetProperty("call_id").GetString()}}", "output": "nothing"}], {{Tools}} }""");
        Assert.Equal("Empty.", second.GetProperty("output")[1].GetProperty("content")[0].GetProperty("text").GetString());
        Assert.False(response.Headers.Contains("x-fathom-turns-without-reasoning"));
        Assert.Equal(
            first.GetProperty("usage").GetProperty("total_tokens").GetInt32(),
            second.GetProperty("usage").GetProperty("input_tokens_details").GetProperty("cached_tokens").GetInt32());
    }

    [Fact]
    public async Task A_stream_ends_with_the_whole_response()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Hm.</think>Wait.\n\n" + Call] });
        string stream = await bench.StreamAsync("/v1/responses", $$"""{"model": "m", "input": [{{Question}}], {{Tools}}, "stream": true}""");
        Assert.DoesNotContain("DSML", stream, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", stream, StringComparison.Ordinal);
        (string Name, JsonElement Data)[] events = ScriptedStream.Events(stream);
        Assert.All(events, next => Assert.Equal(next.Name, next.Data.GetProperty("type").GetString()));
        Assert.Equal(Enumerable.Range(0, events.Length), events.Select(next => next.Data.GetProperty("sequence_number").GetInt32()));
        Assert.Equal(("response.created", "response.in_progress", "response.completed"), (events[0].Name, events[1].Name, events[^1].Name));
        JsonElement response = events[^1].Data.GetProperty("response");
        Assert.Equal(["reasoning", "message", "function_call"], response.GetProperty("output").EnumerateArray().Select(item => item.GetProperty("type").GetString()));
        Assert.InRange(response.GetProperty("usage").GetProperty("output_tokens_details").GetProperty("reasoning_tokens").GetInt32(), 1, response.GetProperty("usage").GetProperty("output_tokens").GetInt32() - 1);
    }

    [Fact]
    public async Task A_limit_leaves_the_response_incomplete()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        (_, JsonElement json) = await bench.PostAsync("/v1/responses", """{"input": "Go.", "max_output_tokens": 3, "reasoning": {"effort": "none"}}""");
        Assert.Equal(("incomplete", "max_output_tokens"), (json.GetProperty("status").GetString(), json.GetProperty("incomplete_details").GetProperty("reason").GetString()));
        Assert.Equal(3, json.GetProperty("usage").GetProperty("output_tokens").GetInt32());
    }

    [Fact]
    public async Task A_long_prompt_is_read_with_real_events_as_signs_of_life()
    {
        await using ServerBench bench = await ServerBench.StartAsync(
            options => options with { KeepAlive = TimeSpan.FromMilliseconds(20) }, options => options with { StepTime = TimeSpan.FromMilliseconds(5) });
        string prompt = string.Concat(Enumerable.Repeat("and so they went down to the sea ", 600));
        string stream = await bench.StreamAsync("/v1/responses", $$"""{"input": "{{prompt}}", "max_output_tokens": 1, "stream": true}""");
        Assert.True(ScriptedStream.Events(stream).Count(next => next.Name == "response.in_progress") > 1, stream);
        Assert.DoesNotContain(": keep-alive", stream, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_have_the_api_s_shape()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Context = 64 });
        (HttpResponseMessage response, JsonElement json) = await bench.PostAsync("/v1/responses", """{"input": "Go.", "previous_response_id": "resp_1"}""");
        Assert.Equal((HttpStatusCode.BadRequest, "previous_response_id"), (response.StatusCode, json.GetProperty("error").GetProperty("param").GetString()));
        string prompt = string.Concat(Enumerable.Repeat("and so on ", 100));
        (response, json) = await bench.PostAsync("/v1/responses", $$"""{"input": "{{prompt}}", "stream": true}""");
        Assert.Equal((HttpStatusCode.BadRequest, "context_length_exceeded"), (response.StatusCode, json.GetProperty("error").GetProperty("code").GetString()));
    }
}
