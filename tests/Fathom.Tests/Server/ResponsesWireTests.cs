using System.Text.Json;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Server;
using Fathom.Server.Responses;
using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Server;

public class ResponsesWireTests
{
    [Fact]
    public void Items_that_follow_one_another_are_one_turn()
    {
        ResponsesRequest request = Read("""
            "instructions": "Be kind.",
            "input": [
                {"type": "message", "id": "msg_1", "role": "developer", "content": [{"type": "input_text", "text": "And brief."}]},
                {"role": "user", "content": "Read it."},
                {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}, {"type": "reasoning_text", "text": "."}], "encrypted_content": null},
                {"type": "message", "id": "msg_2", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "I read.", "annotations": []}]},
                {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "read", "arguments": "{\"path\":\"a\"}"},
                {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_b", "name": "patch", "input": "+ \"a\"\n"},
                {"type": "function_call_output", "call_id": "call_a", "output": "one"},
                {"type": "custom_tool_call_output", "call_id": "call_b", "output": [{"type": "input_text", "text": "done"}, {"type": "input_image", "image_url": "x"}]},
                {"type": "function_call", "call_id": "call_c", "name": "log", "namespace": "mcp__git", "arguments": ""},
                {"type": "function_call_output", "call_id": "call_c", "output": ""},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "e"},
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                {"type": "message", "role": "assistant", "content": "Done."},
                {"role": "system", "content": "It is noon."},
                {"role": "user", "content": [{"type": "input_text", "text": "And"}, {"type": "input_text", "text": "now?"}]}]
            """);
        Assert.Equal(
        [
            "system(0) Be kind.|And brief.", "user Read it.", """assistant <Hm.> I read. call_a:read{"path":"a"} call_b:patch{"input":"+ \"a\"\n"}""",
            "result call_a one", "result call_b done|[input_image]", "assistant <>  call_c:mcp__git__log{}", "result call_c ",
            "assistant <> Done.", "system(0) It is noon.", "user And|now?",
        ],
        ScriptedStream.Lines(request.Request));
        Assert.Equal(["input.encrypted_content", "input.output.input_image", "input.summary", "input.web_search_call"], request.Ignored);
    }

    [Fact]
    public void Ids_of_items_never_reach_the_prompt()
    {
        const string Input = """
            "input": [{"type": "message", "id": "msg_77aa", "role": "user", "content": [{"type": "input_text", "text": "Go."}]},
                {"type": "reasoning", "id": "rs_77aa", "content": [{"type": "reasoning_text", "text": "Hm."}]}, {"type": "function_call", "id": "fc_77aa", "call_id": "call_77aa", "name": "read", "arguments": "{}"},
                {"type": "function_call_output", "id": "fco_77aa", "call_id": "call_77aa", "output": "one"}], "tools": [{"type": "function", "name": "read"}]
            """;
        string prompt = Prompt(Input);
        Assert.DoesNotContain("77aa", prompt, StringComparison.Ordinal);
        Assert.Equal(prompt, Prompt(Input.Replace("77aa", "88bb", StringComparison.Ordinal)));

        static string Prompt(string members) => string.Concat(new PromptEncoder(EncoderRevision.April).Encode(ScriptedStream.ConversationOf(Read(members).Request)).Spans.Select(span => span.Text));
    }

    [Fact]
    public void Tools_are_functions_and_kinds_that_nobody_here_runs_are_passed_over()
    {
        ResponsesRequest request = Read("""
            "input": "Go.", "tools": [
                {"type": "function", "name": "read", "description": "Reads.", "strict": false, "defer_loading": true, "parameters": {"type": "object"}},
                {"type": "web_search"}, {"type": "local_shell"},
                {"type": "custom", "name": "patch", "description": "Patches.", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}},
                {"type": "namespace", "name": "mcp__git__", "description": "Git.", "tools": [{"type": "function", "name": "log"}, {"type": "image_generation"}]}]
            """);
        Message.System system = Assert.IsType<Message.System>(ScriptedStream.ConversationOf(request.Request).Messages[0]);
        Assert.Equal(
        [
            """{"name":"read","description":"Reads.","parameters":{"type": "object"}}""",
            """{"name":"patch","description":"Patches.\n\nGrammar of the input (lark):\nstart: /a+/","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}}""",
            """{"name":"mcp__git__log"}""",
        ],
        system.Tools.Select(tool => tool.FunctionJson));
        Assert.Equal(["tools.1", "tools.2", "tools[4].tools.1"], request.Ignored);
        Assert.Equal(new OfferedTool("log", "mcp__git__", IsCustom: false), request.Tools.Find("mcp__git__log"));
    }

    [Theory]
    [InlineData("\"auto\"", CallChoice.Free, null, 2)]
    [InlineData("\"none\"", CallChoice.None, null, 2)]
    [InlineData("\"required\"", CallChoice.Required, null, 2)]
    [InlineData("""{"type": "function", "name": "read"}""", CallChoice.Required, "read", 2)]
    [InlineData("""{"type": "custom", "name": "patch"}""", CallChoice.Required, "patch", 2)]
    [InlineData("""{"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "patch"}]}""", CallChoice.Required, null, 1)]
    public void A_choice_of_tools_is_kept(string choice, CallChoice calls, string? name, int count)
    {
        ResponsesRequest request = Read($$"""  "input": "Go.", "tools": [{"type": "function", "name": "read"}, {"type": "custom", "name": "patch"}], "tool_choice": {{choice}} """);
        Assert.Equal((calls, name), (request.Request.Calls, request.Request.CallName));
        Assert.Equal(count, Assert.IsType<Message.System>(ScriptedStream.ConversationOf(request.Request).Messages[0]).Tools.Count);
    }

    [Theory]
    [InlineData("", ThinkingMode.Thinking, ReasoningEffort.Unspecified)]
    [InlineData("""  , "reasoning": {"effort": "high", "summary": "auto"} """, ThinkingMode.Thinking, ReasoningEffort.High)]
    [InlineData("""  , "reasoning": {"effort": "none"} """, ThinkingMode.Chat, ReasoningEffort.Unspecified)]
    public void The_effort_decides_whether_the_model_thinks(string field, ThinkingMode mode, ReasoningEffort effort)
    {
        Conversation conversation = ScriptedStream.ConversationOf(Read("\"input\": \"Go.\"" + field).Request);
        Assert.Equal((mode, effort), (conversation.Thinking, conversation.Effort));
    }

    [Fact]
    public void A_schema_holds_the_answer_and_a_strict_function_its_calls()
    {
        const string Schema = """{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}""";
        ResponsesRequest form = Read($$"""  "input": "Go.", "text": {"format": {"type": "json_schema", "name": "x", "schema": {{Schema}} } } """);
        Assert.NotNull(form.Request.AnswerGrammar);
        Assert.Equal(Schema, Assert.IsType<Message.System>(ScriptedStream.ConversationOf(form.Request).Messages[0]).ResponseFormat);
        Assert.NotNull(Read("""  "input": "Go.", "text": {"format": {"type": "json_object"}} """).Request.AnswerGrammar);
        Assert.NotNull(Read($$"""  "input": "Go.", "tools": [{"type": "function", "name": "t", "strict": true, "parameters": {{Schema}} }] """).Request.CallGrammar);
        Assert.NotNull(Read("""  "input": "Go.", "tools": [{"type": "function", "name": "t"}], "tool_choice": "required" """).Request.AnswerGrammar);
    }

    [Fact]
    public void Limits_are_read()
    {
        GenerationRequest request = Read("""  "input": "Go.", "max_output_tokens": 9, "top_logprobs": 3, "user": "ann", "reasoning": {"effort": "none"}, "temperature": 0.5 """).Request;
        Assert.Equal((9, 3, 0.5f, "ann"), (request.MaxTokens, request.TopLogProbabilities, request.Sampling.Temperature, request.Holder));
        Assert.Equal(0, Read("""  "input": "Go.", "include": ["message.output_text.logprobs"] """).Request.TopLogProbabilities);
        Assert.Null(Read("""  "input": "Go.", "include": ["reasoning.encrypted_content"] """).Request.TopLogProbabilities);
    }

    [Theory]
    [InlineData("""{}""", "input")]
    [InlineData("""{"input": []}""", "input")]
    [InlineData("""{"input": "a", "previous_response_id": "resp_1"}""", "previous_response_id")]
    [InlineData("""{"input": "a", "conversation": {"id": "conv_1"}}""", "conversation")]
    [InlineData("""{"input": "a", "background": true}""", "background")]
    [InlineData("""{"input": "a", "prompt": {"id": "pmpt_1"}}""", "prompt")]
    [InlineData("""{"input": [{"type": "item_reference", "id": "msg_1"}]}""", "input[0].type")]
    [InlineData("""{"input": [{"type": "computer_call"}]}""", "input[0].type")]
    [InlineData("""{"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}""", "input[0].content[0].type")]
    [InlineData("""{"input": [{"role": "wizard", "content": "a"}]}""", "input[0].role")]
    [InlineData("""{"input": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}""", "input")]
    [InlineData("""{"input": "a", "tools": [{"type": "function", "name": "a\"b"}]}""", "tools[0].name")]
    [InlineData("""{"input": "a", "tools": [{"type": "function", "name": "b"}, {"type": "custom", "name": "b"}]}""", "tools[1].name")]
    [InlineData("""{"input": "a", "tool_choice": "required"}""", "tool_choice")]
    [InlineData("""{"input": "a", "tool_choice": {"type": "function", "name": "b"}}""", "tool_choice.name")]
    [InlineData("""{"input": "a", "tool_choice": {"type": "web_search"}}""", "tool_choice.type")]
    [InlineData("""{"input": "a", "reasoning": {"effort": "heroic"}}""", "reasoning.effort")]
    [InlineData("""{"input": "a", "text": {"format": {"type": "xml"}}}""", "text.format.type")]
    [InlineData("""{"input": "a", "text": {"format": {"type": "json_schema", "name": "x", "schema": {"not": {}}}}}""", "text.format.schema")]
    [InlineData("""{"input": "a", "text": {"format": {"type": "json_object"}}, "tools": [{"type": "function", "name": "b"}]}""", "text.format")]
    [InlineData("""{"input": "a", "tools": [{"type": "function", "name": "b", "strict": true, "parameters": {"not": {}}}]}""", "tools")]
    [InlineData("""{"input": "a", "truncation": "sometimes"}""", "truncation")]
    [InlineData("""{"input": "a", "metadata": {"a": "\ud83d"}}""", "metadata")]
    [InlineData("""{"input": "a\ud83d"}""", "input")]
    public void What_breaks_a_rule_is_refused_with_its_place(string body, string place)
    {
        RequestError error = Assert.Throws<RequestErrorException>(() => ResponsesWire.Read(JsonDocument.Parse(body).RootElement, ScriptedStream.Nobody, EncoderRevision.April)).Error;
        Assert.Equal((ErrorReason.Invalid, place), (error.Reason, error.Parameter));
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
    }

    private static ResponsesRequest Read(string members) =>
        ResponsesWire.Read(JsonDocument.Parse($$"""{"model": "gpt", {{members}} }""").RootElement, ScriptedStream.Nobody, EncoderRevision.April);
}
