using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using System.Text;
using System.Text.Json;
using Fathom.Tests;
using OpenAI;
using OpenAI.Chat;
using Xunit;

namespace Fathom.EndToEnd.Server;

/// <summary>The real process over a real socket, by plain HTTP and by OpenAI's own client.</summary>
public sealed class ServeCommandTests : IDisposable
{
    private const string Call = "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

    private static readonly ChatTool s_weather = ChatTool.CreateFunctionTool("weather", "Tells the weather.", BinaryData.FromString("""{"type": "object", "properties": {"city": {"type": "string"}}}"""));

    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task OpenAi_s_client_gets_whole_replies_and_streams()
    {
        await using FathomServer server = await Start("Hm.</think>It rains.", "Hm.</think>It snows, and how.");
        ChatClient client = Client(server);
        ChatCompletion whole = await client.CompleteChatAsync([new UserChatMessage("How is it?")], cancellationToken: Cancellation);
        Assert.Equal(("It rains.", ChatFinishReason.Stop), (whole.Content[0].Text, whole.FinishReason));
        Assert.True(whole.Usage.InputTokenCount > 0 && whole.Usage.OutputTokenDetails.ReasoningTokenCount > 0, "no tokens were told");
        var text = new StringBuilder();
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync([new UserChatMessage("And now?")], cancellationToken: Cancellation))
        {
            text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            usage = update.Usage ?? usage;
        }
        Assert.Equal("It snows, and how.", text.ToString());
        Assert.True(usage?.OutputTokenCount > 0, "no tokens were told");
    }

    [Fact]
    public async Task OpenAi_s_client_goes_through_a_loop_of_tools_and_hits_the_cache()
    {
        await using FathomServer server = await Start("I ask.</think>\n\n" + Call, "So.</think>It rains in Paris.");
        ChatClient client = Client(server);
        var options = new ChatCompletionOptions { Tools = { s_weather } };
        List<ChatMessage> messages = [new SystemChatMessage("You tell the weather."), new UserChatMessage("How is it in Paris?")];
        ChatCompletion first = await client.CompleteChatAsync(messages, options, Cancellation);
        Assert.Equal(ChatFinishReason.ToolCalls, first.FinishReason);
        ChatToolCall call = Assert.Single(first.ToolCalls);
        Assert.Equal(("weather", "{\"city\": \"Paris\"}"), (call.FunctionName, call.FunctionArguments.ToString()));
        messages.AddRange([new AssistantChatMessage(first), new ToolChatMessage(call.Id, "rain")]);
        ChatCompletion second = await client.CompleteChatAsync(messages, options, Cancellation);
        Assert.Equal(("It rains in Paris.", ChatFinishReason.Stop), (second.Content[0].Text, second.FinishReason));
        // The client knows no reasoning and sent none back.
        Assert.Equal(first.Usage.InputTokenCount + first.Usage.OutputTokenCount, second.Usage.InputTokenDetails.CachedTokenCount);
    }

    [Fact]
    public async Task The_model_s_own_replies_repeat_with_a_seed_and_are_found_again_after_a_restart()
    {
        string prompt = string.Concat(Enumerable.Range(0, 900).Select(i => $"And {i} men went down to the sea. "));
        string body = $$"""{"messages": [{"role": "user", "content": "{{prompt}}"}], "thinking": {"type": "disabled"}, "max_tokens": 8, "seed": 5}""";
        JsonElement cold, warm;
        await using (FathomServer server = await FathomServer.StartAsync(_folder.Root))
        {
            cold = await server.PostAsync("/v1/chat/completions", body);
            warm = await server.PostAsync("/v1/chat/completions", body);
            await server.InterruptAsync();
            Assert.Equal(0, server.ExitCode);
        }
        Assert.Equal(0, Cached(cold));
        Assert.Equal(Tokens(cold) - 1, Cached(warm));
        Assert.Equal(Message(cold), Message(warm));
        await using FathomServer again = await FathomServer.StartAsync(_folder.Root);
        JsonElement restarted = await again.PostAsync("/v1/chat/completions", body);
        Assert.Equal(Message(cold), Message(restarted));
        // What took less than two seconds to read is not worth the disk.
        Assert.Contains(Cached(restarted), new[] { 0, Tokens(cold) - 1 });
    }

    [Fact]
    public async Task Who_leaves_a_stream_makes_room_and_Ctrl_C_ends_the_others_properly()
    {
        string endless = _folder.Write("script.json", JsonSerializer.SerializeToUtf8Bytes<string[]>([Prose(9000), Prose(9000)]));
        await using FathomServer server = await FathomServer.StartAsync(_folder.Path("cache"), "--script", endless, "--drain", "0");
        using HttpResponseMessage left = await Stream(server);
        await ReadLines(left, 5);
        left.Dispose();
        while ((await Health(server)).GetProperty("requests").GetInt32() > 0)
        {
            await Task.Delay(5, Cancellation);
        }
        using HttpResponseMessage stays = await Stream(server);
        await using Stream body = await stays.Content.ReadAsStreamAsync(Cancellation);
        using var reader = new StreamReader(body);
        for (int i = 0; i < 5; i++)
        {
            await reader.ReadLineAsync(Cancellation);
        }
        await server.InterruptAsync();
        string rest = await reader.ReadToEndAsync(Cancellation);
        Assert.Equal(0, server.ExitCode);
        Assert.Contains("insufficient_system_resource", rest, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_come_from_a_file_or_the_environment_and_other_addresses_need_them()
    {
        FathomProcess open = await FathomProcess.RunAsync("serve", "--listen", "0.0.0.0", "--port", "0");
        Assert.Equal(2, open.ExitCode);
        Assert.Contains("without API keys", open.Error, StringComparison.Ordinal);
        string keys = _folder.Write("keys.txt", "ann a-key-of-many-letters\n"u8.ToArray());
        await using FathomServer server = await FathomServer.StartAsync(_folder.Path("cache"), "--listen", "0.0.0.0", "--api-keys", keys);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Client.GetAsync("/v1/models", Cancellation)).StatusCode);
        server.Client.DefaultRequestHeaders.Add("Authorization", "Bearer a-key-of-many-letters");
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/v1/models", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said()
    {
        await using FathomServer server = await FathomServer.StartAsync(_folder.Root);
        FathomProcess second = await FathomProcess.RunAsync("serve", "--port", server.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("address already in use", second.Error, StringComparison.OrdinalIgnoreCase);
    }

    private Task<FathomServer> Start(params string[] script) =>
        FathomServer.StartAsync(_folder.Path("cache"), "--script", _folder.Write("script.json", JsonSerializer.SerializeToUtf8Bytes(script)));

    private static ChatClient Client(FathomServer server) => new(
        "fathom-nano", new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = server.Address, RetryPolicy = new ClientRetryPolicy(maxRetries: 0) });

    private static async Task<HttpResponseMessage> Stream(FathomServer server)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent("""{"messages": [{"role": "user", "content": "Go."}], "thinking": {"type": "disabled"}, "stream": true}""", Encoding.UTF8, "application/json"),
        };
        return await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
    }

    private static async Task ReadLines(HttpResponseMessage response, int count)
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Cancellation));
        for (int i = 0; i < count; i++)
        {
            await reader.ReadLineAsync(Cancellation);
        }
    }

    private static async Task<JsonElement> Health(FathomServer server) =>
        JsonDocument.Parse(await server.Client.GetStringAsync("/health/ready", Cancellation)).RootElement;

    // Words in no order that repeats: what repeats without end is ended.
    private static string Prose(int words)
    {
        var random = new Random(1);
        return string.Join(' ', Enumerable.Range(0, words).Select(_ => "sea men ships river old went down great".Split(' ')[random.Next(8)]));
    }

    private static string Message(JsonElement reply) => reply.GetProperty("choices")[0].GetProperty("message").GetRawText();

    private static int Cached(JsonElement reply) => reply.GetProperty("usage").GetProperty("prompt_cache_hit_tokens").GetInt32();

    private static int Tokens(JsonElement reply) => reply.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
}
