using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Fathom.Prompts;
using Fathom.Server;
using Fathom.Serving;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>What dialects make of events that a test writes: no engine, no socket.</summary>
internal static partial class ScriptedStream
{
    /// <summary>A caller without a key.</summary>
    public static readonly Caller Nobody = new(Key: null);

    /// <summary>A head with nothing random in it.</summary>
    public static readonly ReplyHead Head = new("id_1", "nano", "fp_1", 1_700_000_000);

    /// <summary>A stream as it goes out.</summary>
    public static async Task<string> TextAsync(Action<EventStream> write)
    {
        var http = new DefaultHttpContext();
        using var body = new MemoryStream();
        http.Response.Body = body;
        var stream = new EventStream(http.Response);
        write(stream);
        await stream.FlushAsync(TestContext.Current.CancellationToken);
        return Encoding.UTF8.GetString(body.ToArray());
    }

    /// <summary>The events of a stream, one a line: name and data. Random ids end in 0.</summary>
    public static async Task<string[]> LinesAsync(Action<EventStream> write)
    {
        string[] blocks = (await TextAsync(write)).Split("\n\n");
        Assert.Equal("", blocks[^1]);
        return [.. blocks[..^1].Select(block => WithoutChance(block.Replace("event: ", "", StringComparison.Ordinal).Replace("\ndata: ", " ", StringComparison.Ordinal)))];
    }

    /// <summary>The events of a stream that is over: name and data.</summary>
    public static (string Name, JsonElement Data)[] Events(string stream) =>
        [.. stream.Split("\n\n").Where(block => block.StartsWith("event: ", StringComparison.Ordinal)).Select(block => block.Split('\n'))
            .Select(lines => (lines[0]["event: ".Length..], JsonDocument.Parse(lines[1]["data: ".Length..]).RootElement))];

    /// <summary>A text with 0 for what is random in ids.</summary>
    public static string WithoutChance(string text) => RandomId().Replace(text, match => match.Groups[1].Value + "0");

    /// <summary>A message in a line.</summary>
    public static string Line(Message message) => message switch
    {
        Message.System system => $"system({system.Tools.Count}) {Text(system.Content)}",
        Message.User user => $"user {Text(user.Content)}",
        Message.ToolResult result => $"result {result.CallId} {Text(result.Content)}",
        Message.Assistant turn => $"assistant{(turn.LeaveOpen ? "…" : "")} <{turn.Reasoning}> {Text(turn.Content)}{string.Concat(turn.ToolCalls.Select(call => $" {call.Id}:{call.Name}{call.Arguments}"))}",
        _ => throw new ArgumentOutOfRangeException(nameof(message), message, "no dialect makes one"),
    };

    /// <summary>The messages of a request, one a line.</summary>
    public static string[] Lines(GenerationRequest request) => [.. ConversationOf(request).Messages.Select(Line)];

    /// <summary>The conversation of a request.</summary>
    public static Conversation ConversationOf(GenerationRequest request) => Assert.IsType<GenerationPrompt.Chat>(request.Prompt).Conversation;

    private static string Text(MessageContent content) => string.Join('|', content.Parts.Select(part => part is ContentPart.Unsupported other ? $"[{other.Kind}]" : ((ContentPart.Text)part).Value));

    [GeneratedRegex("\\b(rs_|msg_|fc_|ctc_)[0-9a-z]{24}\\b")]
    private static partial Regex RandomId();
}
