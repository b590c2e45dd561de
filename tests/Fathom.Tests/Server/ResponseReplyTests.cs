using System.Text.Json;
using Fathom.Prompts;
using Fathom.Server;
using Fathom.Server.Responses;
using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Server;

/// <summary>Events in, wire out. The sequences are written by hand after the API's description of its streams.</summary>
public class ResponseReplyTests
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
        new GenerationEvent.Finished(EndReason.ToolCalls, new TokenUsage(30, 10, 4, 15)),
    ];

    [Fact]
    public async Task A_stream_adds_and_ends_one_item_after_another() => Assert.Equal(
    [
        """response.created {"type":"response.created","sequence_number":0,"response":in_progress 0}""",
        """response.in_progress {"type":"response.in_progress","sequence_number":1,"response":in_progress 0}""",
        """response.output_item.added {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs_0","type":"reasoning","summary":[],"content":[],"encrypted_content":null,"status":"in_progress"}}""",
        """response.content_part.added {"type":"response.content_part.added","sequence_number":3,"item_id":"rs_0","output_index":0,"content_index":0,"part":{"type":"reasoning_text","text":""}}""",
        """response.reasoning_text.delta {"type":"response.reasoning_text.delta","sequence_number":4,"item_id":"rs_0","output_index":0,"content_index":0,"delta":"Let me "}""",
        """response.reasoning_text.delta {"type":"response.reasoning_text.delta","sequence_number":5,"item_id":"rs_0","output_index":0,"content_index":0,"delta":"look."}""",
        """response.reasoning_text.done {"type":"response.reasoning_text.done","sequence_number":6,"item_id":"rs_0","output_index":0,"content_index":0,"text":"Let me look."}""",
        """response.content_part.done {"type":"response.content_part.done","sequence_number":7,"item_id":"rs_0","output_index":0,"content_index":0,"part":{"type":"reasoning_text","text":"Let me look."}}""",
        """response.output_item.done {"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":{"id":"rs_0","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Let me look."}],"encrypted_content":null,"status":"completed"}}""",
        """response.output_item.added {"type":"response.output_item.added","sequence_number":9,"output_index":1,"item":{"id":"msg_0","type":"message","role":"assistant","content":[],"status":"in_progress"}}""",
        """response.content_part.added {"type":"response.content_part.added","sequence_number":10,"item_id":"msg_0","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}""",
        """response.output_text.delta {"type":"response.output_text.delta","sequence_number":11,"item_id":"msg_0","output_index":1,"content_index":0,"delta":"I read ","logprobs":[]}""",
        """response.output_text.delta {"type":"response.output_text.delta","sequence_number":12,"item_id":"msg_0","output_index":1,"content_index":0,"delta":"it.","logprobs":[]}""",
        """response.output_text.done {"type":"response.output_text.done","sequence_number":13,"item_id":"msg_0","output_index":1,"content_index":0,"text":"I read it.","logprobs":[]}""",
        """response.content_part.done {"type":"response.content_part.done","sequence_number":14,"item_id":"msg_0","output_index":1,"content_index":0,"part":{"type":"output_text","text":"I read it.","annotations":[],"logprobs":[]}}""",
        """response.output_item.done {"type":"response.output_item.done","sequence_number":15,"output_index":1,"item":{"id":"msg_0","type":"message","role":"assistant","content":[{"type":"output_text","text":"I read it.","annotations":[],"logprobs":[]}],"status":"completed"}}""",
        """response.output_item.added {"type":"response.output_item.added","sequence_number":16,"output_index":2,"item":{"id":"fc_0","type":"function_call","call_id":"call_a","name":"read","arguments":"","status":"in_progress"}}""",
        """response.function_call_arguments.delta {"type":"response.function_call_arguments.delta","sequence_number":17,"item_id":"fc_0","output_index":2,"delta":"{\"path\": \"a"}""",
        """response.function_call_arguments.delta {"type":"response.function_call_arguments.delta","sequence_number":18,"item_id":"fc_0","output_index":2,"delta":".txt\"}"}""",
        """response.function_call_arguments.done {"type":"response.function_call_arguments.done","sequence_number":19,"item_id":"fc_0","output_index":2,"arguments":"{\"path\": \"a.txt\"}"}""",
        """response.output_item.done {"type":"response.output_item.done","sequence_number":20,"output_index":2,"item":{"id":"fc_0","type":"function_call","call_id":"call_a","name":"read","arguments":"{\"path\": \"a.txt\"}","status":"completed"}}""",
        """response.completed {"type":"response.completed","sequence_number":21,"response":completed 3}""",
    ],
    await StreamAsync(Request(""), s_whole));

    [Fact]
    public async Task Ids_of_an_item_are_the_same_in_all_its_events()
    {
        JsonElement[] events = await EventsAsync(Request(""), s_whole);
        JsonElement[] output = [.. events[^1].GetProperty("response").GetProperty("output").EnumerateArray()];
        Assert.Equal(3, output.Select(item => item.GetProperty("id").GetString()).Distinct().Count());
        foreach (JsonElement next in events.Where(next => next.TryGetProperty("output_index", out _)))
        {
            string? id = next.TryGetProperty("item", out JsonElement item) ? item.GetProperty("id").GetString() : next.GetProperty("item_id").GetString();
            Assert.Equal(output[next.GetProperty("output_index").GetInt32()].GetProperty("id").GetString(), id);
        }
    }

    [Fact]
    public async Task A_whole_response_is_what_a_stream_ends_with()
    {
        ResponsesRequest request = Request(", \"instructions\": \"Be kind.\", \"metadata\": {\n\n\"a\": \"b\"}, \"temperature\": 1");
        string whole = Whole(request, s_whole);
        JsonElement[] events = await EventsAsync(request, s_whole);
        Assert.Equal(ScriptedStream.WithoutChance(whole), ScriptedStream.WithoutChance(events[^1].GetProperty("response").GetRawText()));
        Assert.Equal(
            """{"id":"id_1","object":"response","created_at":1700000000,"status":"completed","background":false,"error":null,"incomplete_details":null,"model":"nano","system_fingerprint":"fp_1","output":[{"id":"rs_0","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Let me look."}],"encrypted_content":null,"status":"completed"},{"id":"msg_0","type":"message","role":"assistant","content":[{"type":"output_text","text":"I read it.","annotations":[],"logprobs":[]}],"status":"completed"},{"id":"fc_0","type":"function_call","call_id":"call_a","name":"read","arguments":"{\"path\": \"a.txt\"}","status":"completed"}],"parallel_tool_calls":true,"previous_response_id":null,"store":false,"truncation":"disabled","instructions":"Be kind.","metadata":{"a":"b"},"temperature":1,"tools":[],"tool_choice":"auto","usage":{"input_tokens":30,"input_tokens_details":{"cached_tokens":10},"output_tokens":15,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":45}}""",
            ScriptedStream.WithoutChance(whole));
    }

    [Fact]
    public async Task A_sign_of_life_is_a_real_event() => Assert.Equal(
        ["response.created", "response.in_progress", "response.in_progress"],
        (await ScriptedStream.LinesAsync(stream =>
        {
            var reply = new ResponseReply(Request(""), ScriptedStream.Head, new ResponseEvents(stream));
            reply.Begin();
            reply.Live();
        })).Select(line => line.Split(' ')[0]));

    [Theory]
    [InlineData(EndReason.Length)]
    [InlineData(EndReason.Loop)]
    public async Task What_is_cut_off_is_incomplete(EndReason reason)
    {
        JsonElement[] events = await EventsAsync(
            Request(""), new GenerationEvent.CallStarted(0, "call_a", "read"), new GenerationEvent.CallArguments(0, "{\"pa"), new GenerationEvent.Finished(reason, new TokenUsage(5, 0, 0, 7)));
        JsonElement response = events[^1].GetProperty("response");
        Assert.Equal(("response.incomplete", "incomplete"), (events[^1].GetProperty("type").GetString(), response.GetProperty("status").GetString()));
        Assert.Equal("max_output_tokens", response.GetProperty("incomplete_details").GetProperty("reason").GetString());
        Assert.Equal(("incomplete", "{\"pa"), (response.GetProperty("output")[0].GetProperty("status").GetString(), response.GetProperty("output")[0].GetProperty("arguments").GetString()));
        Assert.DoesNotContain(events, next => next.GetProperty("type").GetString() == "response.function_call_arguments.done");
    }

    [Fact]
    public async Task What_breaks_ends_with_a_failed_response_that_holds_what_there_is()
    {
        JsonElement[] events = await EventsAsync(
            Request(""), new GenerationEvent.Answer("So"), new GenerationEvent.Failed(FaultKind.Internal, "It broke.") { Usage = new TokenUsage(5, 1, 0, 1) });
        JsonElement response = events[^1].GetProperty("response");
        Assert.Equal(("response.failed", "failed"), (events[^1].GetProperty("type").GetString(), response.GetProperty("status").GetString()));
        Assert.Equal("""{"code":"server_error","message":"It broke."}""", response.GetProperty("error").GetRawText());
        Assert.Equal(("incomplete", 6), (response.GetProperty("output")[0].GetProperty("status").GetString(), response.GetProperty("usage").GetProperty("total_tokens").GetInt32()));
        events = await EventsAsync(Request(""), new GenerationEvent.Finished(EndReason.Cancelled, new TokenUsage(5, 0, 0, 1)));
        Assert.Equal("response.failed", events[^1].GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_tool_with_a_text_for_input_is_called_with_the_text_and_one_of_a_namespace_in_it()
    {
        ResponsesRequest request = Request(""", "tools": [{"type": "custom", "name": "patch"}, {"type": "namespace", "name": "mcp__git", "tools": [{"type": "function", "name": "log"}]}] """);
        GenerationEvent[] events =
        [
            new GenerationEvent.CallStarted(0, "call_a", "patch"), new GenerationEvent.CallArguments(0, "{\"input\": \"a\\n"), new GenerationEvent.CallArguments(0, "b\"}"), new GenerationEvent.CallEnded(0),
            new GenerationEvent.CallStarted(1, "call_b", "mcp__git__log"), new GenerationEvent.CallArguments(1, "{}"), new GenerationEvent.CallEnded(1),
            new GenerationEvent.Finished(EndReason.ToolCalls, new TokenUsage(5, 0, 0, 1)),
        ];
        string[] lines = await StreamAsync(request, events);
        Assert.Equal(
        [
            """response.output_item.added {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"ctc_0","type":"custom_tool_call","call_id":"call_a","name":"patch","input":"","status":"in_progress"}}""",
            """response.custom_tool_call_input.delta {"type":"response.custom_tool_call_input.delta","sequence_number":3,"item_id":"ctc_0","output_index":0,"delta":"a\nb"}""",
            """response.custom_tool_call_input.done {"type":"response.custom_tool_call_input.done","sequence_number":4,"item_id":"ctc_0","output_index":0,"input":"a\nb"}""",
            """response.output_item.done {"type":"response.output_item.done","sequence_number":5,"output_index":0,"item":{"id":"ctc_0","type":"custom_tool_call","call_id":"call_a","name":"patch","input":"a\nb","status":"completed"}}""",
            """response.output_item.added {"type":"response.output_item.added","sequence_number":6,"output_index":1,"item":{"id":"fc_0","type":"function_call","call_id":"call_b","name":"log","namespace":"mcp__git","arguments":"","status":"in_progress"}}""",
        ],
        lines[2..7]);
    }

    [Fact]
    public void Where_one_call_is_wanted_the_others_are_not_shown()
    {
        ResponsesRequest request = Request(""", "parallel_tool_calls": false """);
        GenerationEvent[] events = [new GenerationEvent.CallStarted(0, "call_a", "a"), new GenerationEvent.CallEnded(0), new GenerationEvent.CallStarted(1, "call_b", "b"), new GenerationEvent.CallEnded(1)];
        Assert.DoesNotContain("call_b", Whole(request, events), StringComparison.Ordinal);
        Assert.Contains("call_a", Whole(request, events), StringComparison.Ordinal);
        Assert.Contains("call_b", Whole(Request(""), events), StringComparison.Ordinal);
    }

    [Fact]
    public void Log_probabilities_stand_beside_the_text()
    {
        var score = new TokenScore("So"u8.ToArray(), -0.5f, [new TokenScore("No"u8.ToArray(), -1f, [])]);
        Assert.Contains(
            ""","text":"So","annotations":[],"logprobs":[{"token":"So","logprob":-0.5,"bytes":[83,111],"top_logprobs":[{"token":"No","logprob":-1,"bytes":[78,111]}]}]}""",
            Whole(Request(""), new GenerationEvent.Answer("So") { Tokens = [score] }), StringComparison.Ordinal);
    }

    private static ResponsesRequest Request(string members) =>
        ResponsesWire.Read(JsonDocument.Parse($$"""{"input": "Go." {{members}} }""").RootElement, ScriptedStream.Nobody, EncoderRevision.April);

    private static void Play(EventStream stream, ResponsesRequest request, GenerationEvent[] events)
    {
        var reply = new ResponseReply(request, ScriptedStream.Head, new ResponseEvents(stream));
        reply.Begin();
        Array.ForEach(events, reply.Add);
    }

    /// <summary>The lines of a stream; of a response only its status and how many items it has.</summary>
    private static async Task<string[]> StreamAsync(ResponsesRequest request, GenerationEvent[] events)
    {
        string[] lines = await ScriptedStream.LinesAsync(stream => Play(stream, request, events));
        return [.. lines.Select(line =>
        {
            int at = line.IndexOf(",\"response\":", StringComparison.Ordinal);
            if (at < 0)
            {
                return line;
            }
            JsonElement response = Data(line).GetProperty("response");
            return $"{line[..at]},\"response\":{response.GetProperty("status").GetString()} {response.GetProperty("output").GetArrayLength()}}}";
        })];
    }

    private static async Task<JsonElement[]> EventsAsync(ResponsesRequest request, params GenerationEvent[] events)
    {
        JsonElement[] raw = [.. ScriptedStream.Events(await ScriptedStream.TextAsync(stream => Play(stream, request, events))).Select(next => next.Data)];
        Assert.Equal(Enumerable.Range(0, raw.Length), raw.Select(next => next.GetProperty("sequence_number").GetInt32()));
        return raw;
    }

    private static JsonElement Data(string line) => JsonDocument.Parse(line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..]).RootElement;

    private static string Whole(ResponsesRequest request, params GenerationEvent[] events)
    {
        var reply = new ResponseReply(request, ScriptedStream.Head, events: null);
        Array.ForEach(events, reply.Add);
        return JsonText.Of(reply.Write);
    }
}
