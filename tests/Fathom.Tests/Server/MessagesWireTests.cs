using System.Text.Json;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Server;
using Fathom.Server.Anthropic;
using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Server;

public class MessagesWireTests
{
    private const string Tool = """{"name": "read", "description": "Reads.", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}, "cache_control": {"type": "ephemeral"}}""";

    [Fact]
    public void A_conversation_is_read_in_its_order()
    {
        MessagesRequest request = Read("""
            "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=4711;"}, {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "system", "content": "And brief."},
                {"role": "user", "content": "Read it."},
                {"role": "system", "content": [{"type": "text", "text": "It is noon."}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "of another server"}, {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "I read."}, {"type": "tool_use", "id": "call_a", "name": "read", "input": {"path": "a"}}, {"type": "tool_use", "id": "call_b", "name": "read", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_a", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "call_b", "is_error": true, "content": [{"type": "text", "text": "no file"}, {"type": "image", "source": {}}]},
                    {"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]}]
            """);
        Assert.Equal(
        [
            "system(0) Be kind.|And brief.", "user Read it.", "system(0) It is noon.", """assistant <Hm.> I read. call_a:read{"path": "a"} call_b:read{}""",
            "result call_a one", "result call_b Error:|no file|[image]", "user And|now?",
        ],
        ScriptedStream.Lines(request.Request));
        Assert.Equal(["messages.redacted_thinking", "messages.tool_result.image", "x-anthropic-billing-header"], request.Ignored);
        Assert.True(request.MarksCache);
    }

    [Fact]
    public void Tools_are_functions_and_those_of_Anthropic_s_servers_are_passed_over()
    {
        MessagesRequest request = Read($$"""
            "messages": [{"role": "user", "content": "Go."}], "tools": [{{Tool}}, {"type": "web_search_20250305", "name": "web_search"}, {"type": "custom", "name": "list", "input_schema": {} }],
            "tool_choice": {"type": "tool", "name": "list", "disable_parallel_tool_use": true}
            """);
        Message.System system = Assert.IsType<Message.System>(ScriptedStream.ConversationOf(request.Request).Messages[0]);
        Assert.Equal(
            ["""{"name":"read","description":"Reads.","parameters":{"type": "object", "properties": {"path": {"type": "string"}}}}""", """{"name":"list","parameters":{}}"""],
            system.Tools.Select(tool => tool.FunctionJson));
        Assert.Equal((CallChoice.Required, "list", true), (request.Request.Calls, request.Request.CallName, request.OneCall));
        Assert.Equal(["tools.1"], request.Ignored);
        Assert.True(request.MarksCache);
    }

    [Theory]
    [InlineData("""{"type": "auto"}""", CallChoice.Free)]
    [InlineData("""{"type": "any"}""", CallChoice.Required)]
    [InlineData("""{"type": "none"}""", CallChoice.None)]
    public void A_choice_of_tools_is_kept(string choice, CallChoice calls) =>
        Assert.Equal(calls, Read($$"""  "messages": [{"role": "user", "content": "Go."}], "tools": [{{Tool}}], "tool_choice": {{choice}} """).Request.Calls);

    [Theory]
    [InlineData("", ThinkingMode.Chat, null, false)]
    [InlineData("""  , "thinking": {"type": "disabled"} """, ThinkingMode.Chat, null, false)]
    [InlineData("""  , "thinking": {"type": "enabled", "budget_tokens": 2048} """, ThinkingMode.Thinking, 2048, false)]
    [InlineData("""  , "thinking": {"type": "adaptive", "display": "omitted"} """, ThinkingMode.Thinking, null, true)]
    public void Thinking_is_as_the_client_says(string field, ThinkingMode mode, int? budget, bool hides)
    {
        MessagesRequest request = Read("\"messages\": [{\"role\": \"user\", \"content\": \"Go.\"}]" + field);
        Assert.Equal((mode, budget, hides), (ScriptedStream.ConversationOf(request.Request).Thinking, request.Request.ThinkingTokens, request.HidesThinking));
    }

    [Fact]
    public void An_effort_is_read_and_told_to_be_without_effect_where_nobody_thinks()
    {
        const string Go = """  "messages": [{"role": "user", "content": "Go."}], "output_config": {"effort": "max"} """;
        MessagesRequest thinks = Read(Go + """, "thinking": {"type": "adaptive"} """);
        Assert.Equal(ReasoningEffort.Max, ScriptedStream.ConversationOf(thinks.Request).Effort);
        Assert.Empty(thinks.Ignored);
        Assert.Equal(["output_config.effort"], Read(Go).Ignored);
    }

    [Fact]
    public void Limits_and_stops_are_read()
    {
        GenerationRequest request = Read("""  "messages": [{"role": "user", "content": "Go."}], "stop_sequences": ["a", "b"], "temperature": 0.5, "top_p": 0.9, "top_k": 7 """).Request;
        Assert.Equal((9, 0.5f, 0.9f, 7), (request.MaxTokens, request.Sampling.Temperature, request.Sampling.TopP, request.Sampling.TopK));
        Assert.Equal(["a", "b"], request.StopStrings);
    }

    [Theory]
    [InlineData("ann", "ann")]
    [InlineData("user_1_account__session_77aa", "user_1_account_")]
    [InlineData("""{"device_id":"d","account_uuid":"","session_id":"77aa"}""", "device_id=\"d\",account_uuid=\"\"")]
    [InlineData("{not json", "{not json")]
    [InlineData("{\"\\ud83d\":1}", "{\"\\ud83d\":1}")]
    [InlineData(null, null)]
    public void Sessions_of_one_person_are_one_end_user(string? id, string? user) => Assert.Equal(user, EndUser.Of(id));

    [Fact]
    public void A_schema_holds_the_answer_and_a_strict_tool_its_calls()
    {
        const string Go = """  "messages": [{"role": "user", "content": "Go."}] """, Schema = """{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}""";
        MessagesRequest form = Read($$"""  {{Go}}, "output_config": {"format": {"type": "json_schema", "schema": {{Schema}} } } """);
        Assert.NotNull(form.Request.AnswerGrammar);
        Assert.Equal(Schema, Assert.IsType<Message.System>(ScriptedStream.ConversationOf(form.Request).Messages[0]).ResponseFormat);
        Assert.NotNull(Read($$"""  {{Go}}, "tools": [{"name": "t", "strict": true, "input_schema": {{Schema}} }] """).Request.CallGrammar);
        Assert.NotNull(Read($$"""  {{Go}}, "tools": [{"name": "t", "input_schema": {{Schema}} }], "tool_choice": {"type": "any"} """).Request.AnswerGrammar);
        Assert.Null(Read($$"""  {{Go}}, "tools": [{"name": "t", "input_schema": {{Schema}} }] """).Request.CallGrammar);
    }

    [Fact]
    public void The_end_user_has_caches_and_a_share_of_their_own()
    {
        GenerationRequest request = Read("""  "messages": [{"role": "user", "content": "Go."}], "metadata": {"user_id": "ann"} """).Request;
        Assert.Equal((ScriptedStream.Nobody.Tenant("ann"), "ann"), (request.Tenant, request.Holder));
    }

    [Fact]
    public void The_assistant_s_last_turn_is_gone_on_with() => Assert.Equal(
        ["user Go.", "assistant… <> I went"], ScriptedStream.Lines(Read("""  "messages": [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "I went"}] """).Request));

    [Theory]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}]}""", "max_tokens")]
    [InlineData("""{"max_tokens": 9}""", "messages")]
    [InlineData("""{"max_tokens": 9, "messages": []}""", "messages")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "tool", "content": "a"}]}""", "messages[0].role")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user"}]}""", "messages[0].content")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}""", "messages[0].content[0].type")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}""", "messages[0].content[0].type")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}""", "messages[0].content[0].tool_use_id")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b"}]}]}""", "messages[0].content")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b\"c"}]}]}""", "messages[0].content[0].name")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "tool_choice": {"type": "any"}}""", "tool_choice")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "tools": [{"name": "b"}]}""", "tools[0].input_schema")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "output_config": {"format": {"type": "xml"}}}""", "output_config.format.type")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "output_config": {"format": {"type": "json_schema"}}}""", "output_config.format.schema")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "output_format": {"type": "json_schema", "schema": {"not": {}}}}""", "output_format.schema")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "tools": [{"name": "b", "strict": true, "input_schema": {"not": {}}}]}""", "tools")]
    [InlineData("""{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "thinking": {"type": "maybe"}}""", "thinking.type")]
    public void What_breaks_a_rule_is_refused_with_its_place(string body, string place)
    {
        RequestError error = Assert.Throws<RequestErrorException>(() => MessagesWire.Read(JsonDocument.Parse(body).RootElement, ScriptedStream.Nobody, EncoderRevision.April, counts: false)).Error;
        Assert.Equal((ErrorReason.Invalid, place), (error.Reason, error.Parameter));
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
    }

    private static MessagesRequest Read(string members) =>
        MessagesWire.Read(JsonDocument.Parse($$"""{"model": "claude", "max_tokens": 9, {{members}} }""").RootElement, ScriptedStream.Nobody, EncoderRevision.April, counts: false);
}
