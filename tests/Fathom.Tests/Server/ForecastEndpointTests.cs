using System.Net;
using System.Text.Json;
using Fathom.Server;
using Fathom.Tests.Serving;
using Xunit;

namespace Fathom.Tests.Server;

public class ForecastEndpointTests
{
    private const string Ann = "a-key-of-many-letters", Ben = "another-key-of-letters";

    private static string Body(string text, string more = "") => $$"""{"messages": [{"role": "user", "content": "{{text}}"}]{{more}}}""";

    [Fact]
    public async Task It_tells_what_the_request_then_finds()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string text = ServingBench.Prose(300, 1);
        (HttpResponseMessage response, JsonElement before) = await bench.PostAsync("/v1/forecast", Body(text));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal((0, true, JsonValueKind.Null, JsonValueKind.Null), (Number(before, "cached_tokens"), before.GetProperty("fits").GetBoolean(), before.GetProperty("refusal").ValueKind, before.GetProperty("seconds_to_first_token").ValueKind));
        Assert.Equal(8192, Number(before, "context_length"));

        JsonElement usage = await UsageAsync(bench, Body(text, ", \"max_tokens\": 1"));
        Assert.Equal(Number(before, "prompt_tokens"), Number(usage, "prompt_tokens"));

        (_, JsonElement after) = await bench.PostAsync("/forecast", Body(text + " and then"));
        Assert.True(after.GetProperty("seconds_to_first_token").GetDouble() > 0, "no speed was measured");
        Assert.Equal(Number(after, "prompt_tokens") - Number(after, "cached_tokens"), Number(after, "uncached_tokens"));
        usage = await UsageAsync(bench, Body(text + " and then", ", \"max_tokens\": 1"));
        Assert.Equal((Number(after, "prompt_tokens"), Number(after, "cached_tokens")), (Number(usage, "prompt_tokens"), Number(usage, "prompt_cache_hit_tokens")));
    }

    [Fact]
    public async Task The_same_prompt_and_a_next_turn_are_told_as_cached()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Script = ["Yes."] });
        string text = ServingBench.Prose(100, 2);
        const string NoThinking = ", \"thinking\": {\"type\": \"disabled\"}";
        JsonElement usage = await UsageAsync(bench, Body(text, NoThinking));
        (_, JsonElement again) = await bench.PostAsync("/v1/forecast", Body(text, NoThinking));
        Assert.Equal(1, Number(again, "uncached_tokens"));
        (_, JsonElement next) = await bench.PostAsync(
            "/v1/forecast", $$"""{"messages": [{"role": "user", "content": "{{text}}"}, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Sure?"}]{{NoThinking}}}""");
        Assert.Equal(Number(usage, "prompt_tokens") + Number(usage, "completion_tokens"), Number(next, "cached_tokens"));
    }

    [Fact]
    public async Task No_key_learns_of_another_s_cache()
    {
        await using ServerBench bench = await ServerBench.StartAsync(options => options with { Keys = ApiKeys.Parse([$"ann {Ann}", $"ben {Ben}"], "test") });
        string text = ServingBench.Prose(200, 3);
        Assert.Equal(HttpStatusCode.Unauthorized, (await bench.PostAsync("/v1/forecast", Body(text))).Response.StatusCode);
        Use(Ann);
        await UsageAsync(bench, Body(text, ", \"max_tokens\": 1"));
        Assert.True(await CachedAsync(Body(text)) > 0, "Ann's own text was not found");
        Assert.Equal(0, await CachedAsync(Body(text, ", \"user_id\": \"guest\"")));
        Use(Ben);
        Assert.Equal(0, await CachedAsync(Body(text)));

        void Use(string key)
        {
            bench.Client.DefaultRequestHeaders.Remove("x-api-key");
            bench.Client.DefaultRequestHeaders.Add("x-api-key", key);
        }

        async Task<int> CachedAsync(string body) => Number((await bench.PostAsync("/v1/forecast", body)).Json, "cached_tokens");
    }

    [Fact]
    public async Task What_cannot_fit_is_told_with_the_reason_that_the_request_would_get()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { Context = 64 });
        string body = Body(ServingBench.Prose(200, 4));
        (HttpResponseMessage response, JsonElement forecast) = await bench.PostAsync("/v1/forecast", body);
        Assert.Equal((HttpStatusCode.OK, false, JsonValueKind.Null), (response.StatusCode, forecast.GetProperty("fits").GetBoolean(), forecast.GetProperty("seconds_to_first_token").ValueKind));
        (HttpResponseMessage refused, JsonElement error) = await bench.PostAsync("/v1/chat/completions", body);
        Assert.Equal((HttpStatusCode.BadRequest, error.GetProperty("error").GetProperty("message").GetString()), (refused.StatusCode, forecast.GetProperty("refusal").GetString()));
    }

    [Theory]
    [InlineData("""{"messages": []}""", "messages: expected at least one message, found none.")]
    [InlineData("""{"messages": [{"role": "user", "content": "Go."}], "max_tokens": 0}""", "max_tokens")]
    [InlineData("""{"messages": [{"role": "user", "content": "Go."}], "stop": [""]}""", "stop")]
    public async Task A_body_that_breaks_a_rule_is_refused_as_the_request_would_be(string body, string says)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        (HttpResponseMessage forecast, JsonElement json) = await bench.PostAsync("/v1/forecast", body);
        (HttpResponseMessage request, JsonElement error) = await bench.PostAsync("/v1/chat/completions", body);
        Assert.Equal((request.StatusCode, error.GetRawText()), (forecast.StatusCode, json.GetRawText()));
        Assert.Contains(says, json.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Progress_is_told_in_a_stream_that_asks_for_it_and_in_no_other()
    {
        await using ServerBench bench = await ServerBench.StartAsync(serving: options => options with { StepTime = TimeSpan.FromMilliseconds(5) });
        string text = ServingBench.Prose(900, 5);
        JsonElement[] chunks = ServerBench.Chunks(await bench.StreamAsync("/v1/chat/completions", Body(text, ", \"max_tokens\": 1, \"stream\": true, \"return_progress\": true")));
        JsonElement[] told = [.. chunks.Where(chunk => chunk.TryGetProperty("prompt_progress", out _))];
        Assert.All(told, chunk => Assert.Empty(chunk.GetProperty("choices").EnumerateArray()));
        JsonElement[] progress = [.. told.Select(chunk => chunk.GetProperty("prompt_progress"))];
        int total = Number(chunks[^1].GetProperty("usage"), "prompt_tokens");
        Assert.True(progress.Length > 2, $"told {progress.Length} times");
        Assert.All(progress, part => Assert.Equal((total, 0), (Number(part, "total"), Number(part, "cache"))));
        Assert.Equal(0, Number(progress[0], "processed"));
        Assert.Equal(progress.Select(part => Number(part, "processed")).Order(), progress.Select(part => Number(part, "processed")));
        Assert.All(progress[1..], part => Assert.True(Number(part, "left_ms") >= 0));

        JsonElement timings = chunks[^1].GetProperty("timings");
        Assert.Equal((total, 0, 1), (Number(timings, "prompt_n"), Number(timings, "cache_n"), Number(timings, "predicted_n")));
        Assert.True(timings.GetProperty("prompt_ms").GetDouble() > 0 && timings.GetProperty("queued_ms").GetDouble() >= 0, timings.GetRawText());

        string silent = await bench.StreamAsync("/v1/chat/completions", Body(text.Replace("the", "a", StringComparison.Ordinal), ", \"max_tokens\": 1, \"stream\": true"));
        Assert.DoesNotContain("prompt_progress", silent, StringComparison.Ordinal);
        Assert.DoesNotContain("timings", silent, StringComparison.Ordinal);
        (HttpResponseMessage whole, _) = await bench.PostAsync("/v1/chat/completions", Body("Go.", ", \"max_tokens\": 1, \"return_progress\": true"));
        Assert.Equal("return_progress", whole.Headers.GetValues("x-fathom-ignored").Single());
    }

    private static int Number(JsonElement json, string name) => json.GetProperty(name).GetInt32();

    private static async Task<JsonElement> UsageAsync(ServerBench bench, string body) => (await bench.PostAsync("/v1/chat/completions", body)).Json.GetProperty("usage");
}
