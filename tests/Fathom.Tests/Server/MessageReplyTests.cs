using System.Text.Json;
using Fathom.Server;
using Fathom.Server.Anthropic;
using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>Events in, wire out. The sequences are written by hand after the API's description of its streams.</summary>
public class MessageReplyTests
{
    private static readonly GenerationEvent[] s_whole =
    [
        new GenerationEvent.Accepted(30, 10),
        new GenerationEvent.Reading(20, 30, TimeSpan.FromSeconds(1)),
        new GenerationEvent.Reasoning("Let me "),
        new GenerationEvent.Reasoning("look."),
        new GenerationEvent.Answer("I read "),
        new GenerationEvent.Answer("it."),
        new GenerationEvent.CallStarted(0, "call_a", "read"),
        new GenerationEvent.CallArguments(0, "{\"path\": \"a"),
        new GenerationEvent.CallArguments(0, ".txt\"}"),
        new GenerationEvent.CallEnded(0),
        new GenerationEvent.CallStarted(1, "call_b", "list"),
        new GenerationEvent.CallArguments(1, "{}"),
        new GenerationEvent.CallEnded(1),
        new GenerationEvent.Finished(EndReason.ToolCalls, new TokenUsage(30, 10, 4, 15)),
    ];

    [Fact]
    public async Task A_stream_opens_and_closes_one_block_after_another()
    {
        string signature = ThinkingSignature.Of("Let me look.");
        Assert.Equal(
        [
            """message_start {"type":"message_start","message":{"id":"id_1","type":"message","role":"assistant","model":"nano","system_fingerprint":"fp_1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":20,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":0,"output_tokens_details":{"thinking_tokens":0}}}}""",
            """content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}""",
            """content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}}""",
            """content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"look."}}""",
            $$$"""content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"{{{signature}}}"}}""",
            """content_block_stop {"type":"content_block_stop","index":0}""",
            """content_block_start {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}""",
            """content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"I read "}}""",
            """content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"it."}}""",
            """content_block_stop {"type":"content_block_stop","index":1}""",
            """content_block_start {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_a","name":"read","input":{},"caller":{"type":"direct"}}}""",
            """content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"path\": \"a"}}""",
            """content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":".txt\"}"}}""",
            """content_block_stop {"type":"content_block_stop","index":2}""",
            """content_block_start {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"call_b","name":"list","input":{},"caller":{"type":"direct"}}}""",
            """content_block_delta {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{}"}}""",
            """content_block_stop {"type":"content_block_stop","index":3}""",
            """message_delta {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":20,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":15,"output_tokens_details":{"thinking_tokens":4}}}""",
            """message_stop {"type":"message_stop"}""",
        ],
        await StreamAsync(Request(), s_whole));
    }

    [Fact]
    public void A_whole_reply_has_the_same_blocks()
    {
        string signature = ThinkingSignature.Of("Let me look.");
        Assert.Equal(
            $$$$"""{"id":"id_1","type":"message","role":"assistant","model":"nano","system_fingerprint":"fp_1","content":[{"type":"thinking","thinking":"Let me look.","signature":"{{{{signature}}}}"},{"type":"text","text":"I read it."},{"type":"tool_use","id":"call_a","name":"read","input":{"path":"a.txt"},"caller":{"type":"direct"}},{"type":"tool_use","id":"call_b","name":"list","input":{},"caller":{"type":"direct"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":20,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":15,"output_tokens_details":{"thinking_tokens":4}}}""",
            Whole(Request(), s_whole));
    }

    [Fact]
    public async Task Hidden_thinking_is_a_signature_without_text()
    {
        MessagesRequest request = Request() with { HidesThinking = true };
        string[] lines = await StreamAsync(request, s_whole);
        Assert.DoesNotContain(lines, line => line.Contains("thinking_delta", StringComparison.Ordinal) || line.Contains("Let me", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains(ThinkingSignature.Of("Let me look."), StringComparison.Ordinal));
        Assert.Contains("""{"type":"thinking","thinking":"","signature":""" + '"' + ThinkingSignature.Of("Let me look."), Whole(request, s_whole), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_one_call_is_wanted_the_others_are_not_shown()
    {
        MessagesRequest request = Request() with { OneCall = true };
        Assert.DoesNotContain(await StreamAsync(request, s_whole), line => line.Contains("call_b", StringComparison.Ordinal) || line.Contains("\"index\":3", StringComparison.Ordinal));
        Assert.DoesNotContain("call_b", Whole(request, s_whole), StringComparison.Ordinal);
    }

    [Fact]
    public void A_call_that_is_cut_off_is_no_part_of_a_whole_reply() => Assert.EndsWith(
        ""","content":[],"stop_reason":"max_tokens","stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":7,"output_tokens_details":{"thinking_tokens":0}}}""",
        Whole(Request(), new GenerationEvent.CallStarted(0, "call_a", "read"), new GenerationEvent.CallArguments(0, "{\"pa"), new GenerationEvent.Finished(EndReason.Length, new TokenUsage(5, 0, 0, 7))),
        StringComparison.Ordinal);

    [Fact]
    public void An_input_that_is_no_json_comes_as_one_argument() => Assert.Contains(
        ""","input":{"arguments":"{\"n\": many}"}""",
        Whole(Request(), new GenerationEvent.CallStarted(0, "call_a", "read"), new GenerationEvent.CallArguments(0, "{\"n\": many}"), new GenerationEvent.CallEnded(0)),
        StringComparison.Ordinal);

    [Theory]
    [InlineData(EndReason.Stop, null, "end_turn")]
    [InlineData(EndReason.StopString, "END", "stop_sequence")]
    [InlineData(EndReason.Length, null, "max_tokens")]
    [InlineData(EndReason.Loop, null, "max_tokens")]
    public async Task The_reason_of_the_end_is_told(EndReason reason, string? stop, string name)
    {
        string[] lines = await StreamAsync(Request(), [new GenerationEvent.Accepted(5, 0), new GenerationEvent.Finished(reason, new TokenUsage(5, 0, 0, 2)) { StopString = stop }]);
        string delta = $"\"stop_reason\":\"{name}\",\"stop_sequence\":{(stop is null ? "null" : $"\"{stop}\"")}";
        Assert.StartsWith("message_delta {\"type\":\"message_delta\",\"delta\":{" + delta + "}", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_that_breaks_ends_with_an_error_and_not_with_a_stop()
    {
        string[] lines = await StreamAsync(Request(), [new GenerationEvent.Accepted(5, 0), new GenerationEvent.Answer("So"), new GenerationEvent.Failed(FaultKind.Internal, "It broke.")]);
        Assert.Equal("""error {"type":"error","error":{"type":"api_error","message":"It broke."}}""", lines[^1]);
        Assert.DoesNotContain(lines, line => line.StartsWith("message_stop", StringComparison.Ordinal));
        lines = await StreamAsync(Request(), [new GenerationEvent.Accepted(5, 0), new GenerationEvent.Finished(EndReason.Cancelled, new TokenUsage(5, 0, 0, 2))]);
        Assert.StartsWith("""error {"type":"error","error":{"type":"overloaded_error",""", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Signs_of_life_are_comments_until_there_is_a_message_and_pings_from_then_on()
    {
        string[] lines = await ScriptedStream.LinesAsync(stream =>
        {
            var events = new MessageEvents(stream, Request(), ScriptedStream.Head);
            events.Live();
            events.Begin(new TokenUsage(5, 2, 0, 0));
            events.Live();
        });
        Assert.Equal((": keep-alive", "message_start", """ping {"type":"ping"}"""), (lines[0], lines[1].Split(' ')[0], lines[2]));
    }

    [Fact]
    public void What_a_client_marks_for_the_cache_counts_as_written_to_it() => Assert.Contains(
        ""","usage":{"input_tokens":0,"cache_creation_input_tokens":20,"cache_read_input_tokens":10,"output_tokens":15,"output_tokens_details":{"thinking_tokens":4}}""", Whole(Request() with { MarksCache = true }, s_whole), StringComparison.Ordinal);

    private static MessagesRequest Request() => MessagesWire.Read(
        JsonDocument.Parse("""{"max_tokens": 9, "messages": [{"role": "user", "content": "Go."}]}""").RootElement, ScriptedStream.Nobody, Fathom.Prompts.EncoderRevision.April, counts: false);

    private static Task<string[]> StreamAsync(MessagesRequest request, GenerationEvent[] events) => ScriptedStream.LinesAsync(stream =>
    {
        var reply = new MessageReply(request, ScriptedStream.Head, new MessageEvents(stream, request, ScriptedStream.Head));
        Array.ForEach(events, reply.Add);
    });

    private static string Whole(MessagesRequest request, params GenerationEvent[] events)
    {
        var reply = new MessageReply(request, ScriptedStream.Head, events: null);
        Array.ForEach(events, reply.Add);
        return JsonText.Of(reply.Write);
    }
}
