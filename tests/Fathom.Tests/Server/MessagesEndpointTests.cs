using System.Net;
using System.Text;
using System.Text.Json;
using Fathom.Server;
using Xunit;

namespace Fathom.Tests.Server;

public class MessagesEndpointTests
{
    private const string Tools = """  "tools": [{"name": "read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}] """;
    private const string Question = """{"role": "user", "content": "What is in the file that the old man left behind when he went down to the sea with all of his ships?"}""";
    private const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"read\">\n<｜DSML｜parameter name=\"path\" string=\"true\">a \"b\".txt</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/v1/messages", "")]
    [InlineData("/anthropic/v1/messages?beta=true", """  , "display": "omitted" """)]
    public async Task The_turn_after_a_call_hits_the_cache_with_thinking_shown_or_hidden(string path, string display)
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Hm.</think>\n\n" + Call, "So.</think>Empty."] });
        string thinking = $$""" "thinking": {"type": "adaptive" {{display}} }""";
        (HttpResponseMessage response, JsonElement first) = await bench.PostAsync(path, $$"""{"model": "m", "max_tokens": 99, "messages": [{{Question}}], {{Tools}}, {{thinking}} }""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        JsonElement content = first.GetProperty("content"), call = content[1];
        Assert.Equal(("thinking", display.Length > 0 ? "" : "Hm."), (content[0].GetProperty("type").GetString(), content[0].GetProperty("thinking").GetString()));
        Assert.Equal(("tool_use", "read", "a \"b\".txt"), (call.GetProperty("type").GetString(), call.GetProperty("name").GetString(), call.GetProperty("input").GetProperty("path").GetString()));
        Assert.Equal("tool_use", first.GetProperty("stop_reason").GetString());
        string turns = $$"""
            [{{Question}}, {"role": "assistant", "content": {{content.GetRawText()}} },
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "{{call.GetProperty("id").GetString()}}", "content": [{"type": "text", "text": "nothing"}]}]}]
            """;
        (response, JsonElement second) = await bench.PostAsync(path, $$"""{"model": "m", "max_tokens": 99, "messages": {{turns}}, {{Tools}}, {{thinking}} }""");
        Assert.Equal("Empty.", second.GetProperty("content")[1].GetProperty("text").GetString());
        Assert.False(response.Headers.Contains("x-fathom-turns-without-reasoning"));
        JsonElement usage = first.GetProperty("usage");
        Assert.Equal(
            usage.GetProperty("input_tokens").GetInt32() + usage.GetProperty("output_tokens").GetInt32(), second.GetProperty("usage").GetProperty("cache_read_input_tokens").GetInt32());
    }

    [Fact]
    public async Task A_stream_says_what_a_whole_reply_says()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Hm.</think>Wait.\n\n" + Call] });
        string stream = await bench.StreamAsync("/v1/messages", $$"""{"model": "m", "max_tokens": 99, "messages": [{{Question}}], {{Tools}}, "thinking": {"type": "enabled", "budget_tokens": 1024}, "stream": true}""");
        Assert.DoesNotContain("DSML", stream, StringComparison.Ordinal);
        (string Name, JsonElement Data)[] events = ScriptedStream.Events(stream);
        Assert.Equal(
            ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"], events.Select(next => next.Name).Distinct());
        Assert.All(events, next => Assert.Equal(next.Name, next.Data.GetProperty("type").GetString()));
        Assert.Equal(("Hm.", "Wait.", """{"path": "a \"b\".txt"}"""), (Deltas("thinking"), Deltas("text"), Deltas("partial_json")));
        Assert.Equal(["thinking", "text", "tool_use"], events.Where(next => next.Name == "content_block_start").Select(next => next.Data.GetProperty("content_block").GetProperty("type").GetString()));
        Assert.Equal("tool_use", events[^2].Data.GetProperty("delta").GetProperty("stop_reason").GetString());
        Assert.Equal(events[0].Data.GetProperty("message").GetProperty("usage").GetProperty("input_tokens").GetInt32(), events[^2].Data.GetProperty("usage").GetProperty("input_tokens").GetInt32());

        string Deltas(string member) => string.Concat(events.Where(next => next.Name == "content_block_delta").Select(next => next.Data.GetProperty("delta"))
            .Select(delta => delta.TryGetProperty(member, out JsonElement piece) ? piece.GetString() : ""));
    }

    [Fact]
    public async Task Tokens_are_counted_as_they_are_used_later()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string body = $$"""{"model": "m", "system": "Be kind.", "messages": [{{Question}}], {{Tools}} """;
        (_, JsonElement count) = await bench.PostAsync("/v1/messages/count_tokens?beta=true", body + "}");
        (_, JsonElement reply) = await bench.PostAsync("/v1/messages", body + """, "max_tokens": 1}""");
        Assert.Equal(reply.GetProperty("usage").GetProperty("input_tokens").GetInt32(), count.GetProperty("input_tokens").GetInt32());
        (HttpResponseMessage refused, JsonElement error) = await bench.PostAsync("/anthropic/v1/messages/count_tokens", """{"model": "m"}""");
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request_error"), (refused.StatusCode, error.GetProperty("error").GetProperty("type").GetString()));
    }

    [Fact]
    public async Task A_line_that_changes_with_every_request_does_not_spoil_the_cache()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        JsonElement first = await AskAsync("cc_version=2.1; cch=11aa;"), second = await AskAsync("cc_version=2.1; cch=22bb;");
        Assert.Equal(0, first.GetProperty("cache_read_input_tokens").GetInt32());
        int total = second.GetProperty("cache_read_input_tokens").GetInt32() + second.GetProperty("input_tokens").GetInt32();
        Assert.Equal(total - 1, second.GetProperty("cache_read_input_tokens").GetInt32());

        async Task<JsonElement> AskAsync(string line)
        {
            string system = "You help with old books about the sea, about rivers and ships, and about the men who built them there long ago, and you say what stands in them.";
            (_, JsonElement reply) = await bench.PostAsync("/v1/messages", $$"""{"model": "m", "max_tokens": 1, "system": [{"type": "text", "text": "x-anthropic-billing-header: {{line}}"}, {"type": "text", "text": "{{system}}"}], "messages": [{"role": "user", "content": "Go."}]}""");
            return reply.GetProperty("usage");
        }
    }

    [Fact]
    public async Task A_stop_sequence_ends_the_reply_and_is_named()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["One END two"] });
        (_, JsonElement json) = await bench.PostAsync("/v1/messages", """{"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Go."}], "stop_sequences": ["END"]}""");
        Assert.Equal(("One ", "stop_sequence", "END"), (json.GetProperty("content")[0].GetProperty("text").GetString(), json.GetProperty("stop_reason").GetString(), json.GetProperty("stop_sequence").GetString()));
    }

    [Fact]
    public async Task A_long_prompt_is_read_to_the_sound_of_pings()
    {
        await using ServerBench bench = await ServerBench.StartAsync(
            options => options with { KeepAlive = TimeSpan.FromMilliseconds(20) }, options => options with { StepTime = TimeSpan.FromMilliseconds(5) });
        string prompt = string.Concat(Enumerable.Repeat("and so they went down to the sea ", 600));
        (string Name, JsonElement Data)[] events = ScriptedStream.Events(
            await bench.StreamAsync("/v1/messages", $$"""{"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "{{prompt}}"}], "stream": true}"""));
        Assert.Equal(("message_start", "message_stop"), (events[0].Name, events[^1].Name));
        Assert.Contains(events, next => next.Name == "ping");
    }

    [Fact]
    public async Task Errors_have_the_api_s_shape()
    {
        const string Key = "a-key-of-many-letters";
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Keys = ApiKeys.Parse([$"ann {Key}"], "test") }, options => options with { Context = 64 });
        (HttpResponseMessage without, JsonElement error) = await bench.PostAsync("/v1/messages", "{}");
        Assert.Equal((HttpStatusCode.Unauthorized, "error", "authentication_error"), (without.StatusCode, error.GetProperty("type").GetString(), error.GetProperty("error").GetProperty("type").GetString()));
        bench.Client.DefaultRequestHeaders.Add("x-api-key", Key);
        (HttpResponseMessage wrong, error) = await bench.PostAsync("/v1/messages", """{"model": 5, "max_tokens": 1}""");
        Assert.Equal((HttpStatusCode.BadRequest, "model: expected a string, found a number."), (wrong.StatusCode, error.GetProperty("error").GetProperty("message").GetString()));
        string prompt = string.Concat(Enumerable.Repeat("and so on ", 100));
        (HttpResponseMessage large, error) = await bench.PostAsync("/v1/messages", $$"""{"max_tokens": 1, "messages": [{"role": "user", "content": "{{prompt}}"}], "stream": true}""");
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request_error"), (large.StatusCode, error.GetProperty("error").GetProperty("type").GetString()));
        Assert.StartsWith("prompt is too long: ", error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        HttpResponseMessage text = await bench.Client.PostAsync("/v1/messages", new StringContent("{}", Encoding.UTF8, "text/plain"), Cancellation);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, text.StatusCode);
    }
}
