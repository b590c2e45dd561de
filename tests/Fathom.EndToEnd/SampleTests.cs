using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Fathom.EndToEnd.Server;
using Fathom.Tests;
using Xunit;

namespace Fathom.EndToEnd;

/// <summary>The samples as they are, with the bundled model in their process.</summary>
public sealed class SampleTests : IDisposable
{
    private const string Question = "Who went down to the sea?";
    private const string Key = "a-key-of-many-letters";

    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string Model => TestFiles.Path("models", "fathom-nano");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Chat_writes_what_the_server_writes_turn_by_turn()
    {
        await using FathomServer server = await FathomServer.StartAsync(_folder.Root);
        string first = await ServedAsync(server, "/v1/chat/completions", Turn("user", Question));
        string second = await ServedAsync(server, "/v1/chat/completions", Turn("user", Question), Turn("assistant", first), Turn("user", "And then?"));
        FathomProcess chat = await FathomProcess.RunAsync(Executable("Chat"), [Model], Encoding.UTF8.GetBytes(Question + "\nAnd then?\n"), Cancellation);
        Assert.Equal("", chat.Error);
        Assert.Equal((0, first + "\n" + second + "\n"), (chat.ExitCode, chat.Output));
    }

    [Fact]
    public async Task Tool_calls_the_function_and_answers_behind_its_result()
    {
        FathomProcess tool = await FathomProcess.RunAsync(Executable("Tool"), [Model], [], Cancellation);
        Assert.Equal(("", 0), (tool.Error, tool.ExitCode));
        Assert.Matches(@"\AThe model calls weather\.\nThe function says: Rain in [^\n]*", tool.Output);
        Assert.Contains(", 12 degrees.\nThe model says: ", tool.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Web_answers_its_own_users_and_clients_below_llm_behind_its_own_door()
    {
        var start = new ProcessStartInfo(Executable("Web"), ["--Model", Model, "--Key", Key, "--urls", "http://127.0.0.1:0"])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = _folder.Root,
        };
        using Process web = Process.Start(start) ?? throw new InvalidOperationException("The sample did not start.");
        try
        {
            using var client = new HttpClient { BaseAddress = await AddressAsync(web), Timeout = TimeSpan.FromMinutes(2) };
            using HttpResponseMessage without = await client.GetAsync(new Uri($"/ask?question={Question}", UriKind.Relative), Cancellation);
            Assert.Equal(System.Net.HttpStatusCode.Unauthorized, without.StatusCode);
            client.DefaultRequestHeaders.Authorization = new("Bearer", Key);
            string asked = await client.GetStringAsync(new Uri($"/ask?question={Question}", UriKind.Relative), Cancellation);
            using HttpResponseMessage served = await client.PostAsync(new Uri("/llm/v1/chat/completions", UriKind.Relative), Body(Turn("user", Question)), Cancellation);
            Assert.Equal(asked, Content(JsonDocument.Parse(await served.Content.ReadAsStringAsync(Cancellation)).RootElement));
            Assert.NotEqual("", asked);
        }
        finally
        {
            web.Kill(entireProcessTree: true);
            await web.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static string Executable(string sample) => FathomProcess.Find("samples", sample, sample);

    private static async Task<string> ServedAsync(FathomServer server, string path, params object[] messages)
    {
        using HttpResponseMessage response = await server.Client.PostAsync(path, Body(messages), Cancellation);
        return Content(JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement);
    }

    private static object Turn(string role, string content) => new { role, content };

    // What the samples ask for.
    private static StringContent Body(params object[] messages) =>
        new(JsonSerializer.Serialize(new { messages, max_tokens = 100, seed = 1, thinking = new { type = "disabled" } }), Encoding.UTF8, "application/json");

    private static string Content(JsonElement completion) => completion.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

    private static async Task<Uri> AddressAsync(Process web)
    {
        const string Listening = "Now listening on: ";
        while (await web.StandardOutput.ReadLineAsync(Cancellation) is { } line)
        {
            if (line.IndexOf(Listening, StringComparison.Ordinal) is >= 0 and int at)
            {
                return new Uri(line[(at + Listening.Length)..]);
            }
        }
        throw new InvalidOperationException("The sample ended before it listened.");
    }
}
