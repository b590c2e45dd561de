using System.Net;
using System.Text.Json;
using Xunit;

namespace Fathom.Tests.Server;

public class ChatEndpointTests
{
    private const string Tools = """
        "tools": [{"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}}]
        """;

    private const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"read\">\n<｜DSML｜parameter name=\"path\" string=\"true\">a \"b\".txt</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    [Fact]
    public async Task A_whole_reply_has_reasoning_answer_reason_and_tokens()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["I think.</think>It is so."] });
        (HttpResponseMessage response, JsonElement json) = await bench.PostAsync("/v1/chat/completions", """{"model": "x", "messages": [{"role": "user", "content": "Is it so?"}]}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("chat.completion", json.GetProperty("object").GetString());
        Assert.Equal(("fathom-nano", bench.Engine.Fingerprint), (json.GetProperty("model").GetString(), json.GetProperty("system_fingerprint").GetString()));
        JsonElement choice = json.GetProperty("choices")[0], message = choice.GetProperty("message"), usage = json.GetProperty("usage");
        Assert.Equal(("It is so.", "I think.", "stop"), (message.GetProperty("content").GetString(), message.GetProperty("reasoning_content").GetString(), choice.GetProperty("finish_reason").GetString()));
        int prompt = usage.GetProperty("prompt_tokens").GetInt32(), completion = usage.GetProperty("completion_tokens").GetInt32();
        Assert.Equal(prompt + completion, usage.GetProperty("total_tokens").GetInt32());
        Assert.Equal((0, prompt), (usage.GetProperty("prompt_cache_hit_tokens").GetInt32(), usage.GetProperty("prompt_cache_miss_tokens").GetInt32()));
        Assert.InRange(usage.GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt32(), 1, completion - 1);
    }

    [Fact]
    public async Task A_stream_tells_role_reasoning_answer_call_reason_and_tokens_in_this_order()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Hm.</think>Wait.\n\n" + Call] });
        string stream = await bench.StreamAsync("/chat/completions", $$"""{"messages": [{"role": "user", "content": "Read."}], {{Tools}}, "stream": true, "stream_options": {"include_usage": true} }""");
        Assert.DoesNotContain("DSML", stream, StringComparison.Ordinal);
        JsonElement[] chunks = ServerBench.Chunks(stream);
        Assert.Equal("assistant", Delta(chunks[0]).GetProperty("role").GetString());
        var kinds = new List<string>();
        string reasoning = "", content = "", arguments = "";
        foreach (JsonElement chunk in chunks[1..^2])
        {
            JsonProperty member = Assert.Single(Delta(chunk).EnumerateObject());
            kinds.Add(member.Name);
            reasoning += member.Name == "reasoning_content" ? member.Value.GetString() : "";
            content += member.Name == "content" ? member.Value.GetString() : "";
            arguments += member.Name == "tool_calls" ? member.Value[0].GetProperty("function").GetProperty("arguments").GetString() : "";
        }
        Assert.Equal(("Hm.", "Wait.", """{"path": "a \"b\".txt"}"""), (reasoning, content, arguments));
        Assert.Equal(["reasoning_content", "content", "tool_calls"], kinds.Distinct());
        JsonElement[] calls = [.. chunks[1..^2].Where(chunk => Delta(chunk).TryGetProperty("tool_calls", out _)).Select(chunk => Delta(chunk).GetProperty("tool_calls")[0])];
        Assert.Equal(("read", 0), (calls[0].GetProperty("function").GetProperty("name").GetString(), calls[0].GetProperty("index").GetInt32()));
        Assert.StartsWith("call_", calls[0].GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.All(calls[1..], call => Assert.False(call.TryGetProperty("id", out _)));
        Assert.Equal("tool_calls", chunks[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.False(chunks[^2].TryGetProperty("usage", out _));
        Assert.Empty(chunks[^1].GetProperty("choices").EnumerateArray());
        Assert.True(chunks[^1].GetProperty("usage").GetProperty("prompt_tokens").GetInt32() > 0);
    }

    [Fact]
    public async Task A_stream_without_a_chunk_of_usage_tells_the_tokens_with_the_reason()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        JsonElement[] chunks = ServerBench.Chunks(await bench.StreamAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "Go."}], "max_tokens": 3, "stream": true}"""));
        Assert.Equal(("length", 3), (chunks[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString(), chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32()));
    }

    [Fact]
    public async Task The_next_turn_of_a_forgetful_client_hits_the_cache()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Hm.</think>\n\n" + Call, "So.</think>Empty."] });
        const string Question = """{"role": "user", "content": "What is in the file that the old man left behind when he went down to the sea with all of his ships?"}""";
        (_, JsonElement first) = await bench.PostAsync("/v1/chat/completions", $$"""{"messages": [{{Question}}], {{Tools}}}""");
        JsonElement message = first.GetProperty("choices")[0].GetProperty("message");
        string id = message.GetProperty("tool_calls")[0].GetProperty("id").GetString()!;
        Assert.Equal("tool_calls", first.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        string calls = message.GetProperty("tool_calls").GetRawText();
        (HttpResponseMessage response, JsonElement second) = await bench.PostAsync(
            "/v1/chat/completions",
            $$"""{"messages": [{{Question}}, {"role": "assistant", "content": null, "tool_calls": {{calls}}}, {"role": "tool", "tool_call_id": "{{id}}", "content": "nothing"}], {{Tools}}}""");
        Assert.False(response.Headers.Contains("x-fathom-turns-without-reasoning"));
        JsonElement usage = first.GetProperty("usage");
        Assert.Equal(
            usage.GetProperty("prompt_tokens").GetInt32() + usage.GetProperty("completion_tokens").GetInt32(), second.GetProperty("usage").GetProperty("prompt_cache_hit_tokens").GetInt32());
        (response, _) = await bench.PostAsync(
            "/v1/chat/completions",
            $$"""{"messages": [{{Question}}, {"role": "assistant", "tool_calls": {{calls.Replace(id, "call_unknown", StringComparison.Ordinal).Replace(".txt", ".md", StringComparison.Ordinal)}}}, {"role": "tool", "tool_call_id": "call_unknown", "content": "nothing"}], {{Tools}}, "max_tokens": 1}""");
        Assert.Equal("1", response.Headers.GetValues("x-fathom-turns-without-reasoning").Single());
    }

    [Fact]
    public async Task Log_probabilities_come_for_reasoning_and_answer()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Hm.</think>So."] });
        (_, JsonElement json) = await bench.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "Go."}], "logprobs": true, "top_logprobs": 2}""");
        JsonElement scores = json.GetProperty("choices")[0].GetProperty("logprobs");
        foreach ((string part, string text) in new[] { ("reasoning_content", "Hm."), ("content", "So.") })
        {
            JsonElement[] tokens = [.. scores.GetProperty(part).EnumerateArray()];
            Assert.Equal(text, string.Concat(tokens.Select(token => token.GetProperty("token").GetString())));
            Assert.All(tokens, token => Assert.Equal(2, token.GetProperty("top_logprobs").GetArrayLength()));
            Assert.All(tokens, token => Assert.True(token.GetProperty("logprob").GetDouble() < 0));
        }
    }

    [Fact]
    public async Task The_assistant_s_last_turn_is_continued_under_beta_only()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = [" sea"] });
        const string Body = """{"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Down to the", "prefix": true}], "thinking": {"type": "disabled"}, "max_tokens": 9}""";
        (HttpResponseMessage refused, JsonElement error) = await bench.PostAsync("/v1/chat/completions", Body);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Equal("messages[1].prefix", error.GetProperty("error").GetProperty("param").GetString());
        (_, JsonElement json) = await bench.PostAsync("/beta/chat/completions", Body);
        Assert.Equal(" sea", json.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task What_has_no_effect_is_told_in_a_header()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        (HttpResponseMessage response, _) = await bench.PostAsync(
            "/v1/chat/completions",
            """{"messages": [{"role": "user", "name": "ann", "content": [{"type": "text", "text": "Go."}]}], "max_tokens": 1, "temperature": 0, "presence_penalty": 1, "parallel_tool_calls": true, "tools": [{"type": "web_search"}]}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("messages.name, parallel_tool_calls, presence_penalty, temperature, tools.0", response.Headers.GetValues("x-fathom-ignored").Single());
    }

    [Fact]
    public async Task A_seed_repeats_a_reply()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        const string Body = """{"messages": [{"role": "user", "content": "Go."}], "max_tokens": 12, "thinking": {"type": "disabled"}, "seed": 7}""";
        string[] answers = [await Answer(Body), await Answer(Body), await Answer(Body.Replace("7", "8", StringComparison.Ordinal))];
        Assert.Equal(answers[0], answers[1]);
        Assert.NotEqual(answers[0], answers[2]);

        async Task<string> Answer(string body) => (await bench.PostAsync("/v1/chat/completions", body)).Json.GetProperty("choices")[0].GetProperty("message").GetRawText();
    }

    [Theory]
    [InlineData("{", 400, "line 1", null)]
    [InlineData("[]", 400, "expected a JSON object, found an array", null)]
    [InlineData("{}", 400, "messages: expected at least one message", "messages")]
    [InlineData("""{"messages": [{"role": "wizard", "content": "a"}]}""", 400, "found \"wizard\"", "messages[0].role")]
    [InlineData("""{"messages": [{"role": "user", "content": 5}]}""", 400, "messages[0].content: expected an array, found a number", "messages[0].content")]
    [InlineData("""{"messages": [{"role": "user", "content": "a\ud83d"}]}""", 400, "part of a character", "messages[0].content")]
    [InlineData("""{"messages": [{"role": "tool", "content": "a"}]}""", 400, "the id of the call", "messages[0].tool_call_id")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}""", 400, "expected text, found image_url", null)]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}""", 400, "\"prefix\": true", "messages[1].role")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "temperature": 3}""", 422, "temperature: expected 0 to 2, found 3", "temperature")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "max_tokens": 0}""", 422, "max_tokens", "max_tokens")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "max_tokens": 1.5}""", 400, "a whole number, found 1.5", "max_tokens")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "n": 2}""", 400, "n: expected 1", "n")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}""", 400, "logprobs to be true", "top_logprobs")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function", "function": {"name": "a b"}}]}""", 400, "found \"a b\"", "tools[0].function.name")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "tool_choice": "required"}""", 400, "expected tools", "tool_choice")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "xml"}}""", 400, "json_object or json_schema", "response_format.type")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_schema", "json_schema": {"schema": {"oneOf": []}}}}""", 400, "oneOf", "response_format.json_schema.schema")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_object"}, "tools": [{"function": {"name": "f"}}]}""", 400, "beside tools", "response_format")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "tools": [{"function": {"name": "f", "strict": true, "parameters": {"type": "object", "properties": {"a": {"oneOf": []}}}}}]}""", 400, "tool f", "tools")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "thinking": {"type": "maybe"}}""", 400, "enabled or disabled", "thinking.type")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "reasoning_effort": "heroic"}""", 400, "found \"heroic\"", "reasoning_effort")]
    public async Task A_body_that_breaks_a_rule_is_refused_with_the_place(string body, int status, string says, string? parameter)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        (HttpResponseMessage response, JsonElement json) = await bench.PostAsync("/v1/chat/completions", body);
        JsonElement error = json.GetProperty("error");
        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        Assert.Contains(says, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(parameter, error.GetProperty("param").GetString());
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Json_is_what_the_schema_says()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        const string Format = """{"type": "json_schema", "json_schema": {"name": "count", "schema": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 5}}, "required": ["n"]}}}""";
        (_, JsonElement json) = await bench.PostAsync("/v1/chat/completions", $$"""{"messages": [{"role": "user", "content": "How many?"}], "max_tokens": 60, "response_format": {{Format}} }""");
        string content = json.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        Assert.InRange(JsonDocument.Parse(content).RootElement.GetProperty("n").GetInt32(), 3, 5);
        (_, json) = await bench.PostAsync("/v1/chat/completions", $$"""{"messages": [{"role": "user", "content": "Go."}], {{Tools}}, "tool_choice": "required", "thinking": {"type": "disabled"}, "max_tokens": 300}""");
        Assert.Equal("read", json.GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("name").GetString());
    }

    [Fact]
    public async Task A_prompt_that_does_not_fit_has_a_code_for_programs()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Context = 64 });
        (HttpResponseMessage response, JsonElement json) = await bench.PostAsync(
            "/v1/chat/completions", $$"""{"messages": [{"role": "user", "content": "{{string.Concat(Enumerable.Repeat("and so on ", 100))}}"}], "stream": true}""");
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("context_length_exceeded", json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_gap_is_filled_and_a_text_gone_on_with()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["two ", "three"] });
        (_, JsonElement json) = await bench.PostAsync("/beta/completions", """{"prompt": "one ", "suffix": "three", "max_tokens": 20}""");
        Assert.Equal(("text_completion", "two ", "stop"), (json.GetProperty("object").GetString(), json.GetProperty("choices")[0].GetProperty("text").GetString(), json.GetProperty("choices")[0].GetProperty("finish_reason").GetString()));
        JsonElement[] chunks = ServerBench.Chunks(await bench.StreamAsync("/v1/completions", """{"prompt": "one two ", "stream": true}"""));
        Assert.Equal("three", string.Concat(chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("text").GetString())));
        Assert.True(chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32() > 0);
    }

    private static JsonElement Delta(JsonElement chunk) => chunk.GetProperty("choices")[0].GetProperty("delta");
}
