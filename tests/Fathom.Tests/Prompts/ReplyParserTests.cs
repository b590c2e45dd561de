using System.Text.Json;
using Fathom.Prompts;
using Xunit;

namespace Fathom.Tests.Prompts;

public class ReplyParserTests
{
    private const string OneCall = """
        <｜DSML｜tool_calls>
        <｜DSML｜invoke name="f">
        <｜DSML｜parameter name="a" string="false">1</｜DSML｜parameter>
        </｜DSML｜invoke>
        </｜DSML｜tool_calls>
        """;

    private static readonly List<JsonElement> s_cases = [.. ChatGoldens.Load("replies.json").GetProperty("cases").EnumerateArray()];

    public static TheoryData<string> Results => [.. s_cases.Where(c => c.TryGetProperty("result", out _)).Select(Name)];

    public static TheoryData<string> Errors => [.. s_cases.Where(c => c.TryGetProperty("error", out _)).Select(Name)];

    internal static IEnumerable<(string Text, ThinkingMode Thinking)> Texts => s_cases.Select(Input);

    [Theory]
    [MemberData(nameof(Results))]
    public void Reads_what_the_official_parser_reads(string name)
    {
        JsonElement golden = s_cases.Single(c => Name(c) == name);
        JsonElement result = golden.GetProperty("result");
        (string text, ThinkingMode thinking) = Input(golden);

        Reply reply = Reply.Parse(text, thinking);

        Assert.Equal(result.GetProperty("reasoning_content").GetString(), reply.Reasoning);
        Assert.Equal(result.GetProperty("content").GetString(), reply.Content);
        Assert.Equal(
            result.GetProperty("tool_calls").EnumerateArray().Select(call => call.GetProperty("function"))
                .Select(f => new ToolCall(null, f.GetProperty("name").GetString()!, f.GetProperty("arguments").GetString()!)),
            reply.ToolCalls);
    }

    [Theory]
    [MemberData(nameof(Errors))]
    public void Refuses_with_a_sentence_what_the_official_parser_refuses(string name)
    {
        (string text, ThinkingMode thinking) = Input(s_cases.Single(c => Name(c) == name));
        string message = Assert.Throws<PromptException>(() => Reply.Parse(text, thinking)).Message;
        Assert.Matches(@"expected [\s\S]+, found [\s\S]+[.?]$", message);
    }

    [Fact]
    public void Covers_the_whole_golden_file() => Assert.Equal((28, 27), (Results.Count, Errors.Count));

    [Fact]
    public void Streams_thinking_and_answer_and_holds_back_only_possible_markers()
    {
        var parser = new ReplyParser(ThinkingMode.Thinking);
        Assert.Equal([new ReplyEvent.Thinking("I see")], parser.Push("I see"));
        Assert.Equal([new ReplyEvent.Thinking(" a < b")], parser.Push(" a < b"));
        Assert.Equal([new ReplyEvent.Thinking(".")], parser.Push(".</th"));
        Assert.Equal([new ReplyEvent.Text("4")], parser.Push("ink>4"));
        Assert.Empty(parser.Push("\n\n"));
        Assert.Equal([new ReplyEvent.Text("\n\nmore")], parser.Push("more"));
        Assert.Equal([new ReplyEvent.Text("!")], parser.Push("!<｜end▁of▁sentence｜>"));
        Assert.Empty(parser.Complete());
    }

    [Fact]
    public void A_call_arrives_as_soon_as_it_is_closed()
    {
        string text = "\n\n" + OneCall;
        int closed = text.IndexOf("</｜DSML｜invoke", StringComparison.Ordinal) + "</｜DSML｜invoke".Length;
        var parser = new ReplyParser(ThinkingMode.Chat);
        Assert.Equal([new ReplyEvent.ToolCallStarted("f"), new ReplyEvent.ToolCallArguments("{\"a\": 1")], parser.Push(text[..(closed - 1)]));
        Assert.Equal(
            [new ReplyEvent.ToolCallArguments("}"), new ReplyEvent.ToolCalled(new ToolCall(null, "f", "{\"a\": 1}"))],
            parser.Push(text[(closed - 1)..closed]));
    }

    [Fact]
    public void Arguments_arrive_while_they_are_written_and_what_may_be_markup_is_held_back()
    {
        var parser = new ReplyParser(ThinkingMode.Chat);
        Assert.Empty(parser.Push("\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"write\">\n"));
        Assert.Equal([new ReplyEvent.ToolCallStarted("write")], parser.Push("<｜DSML｜parameter"));
        Assert.Empty(parser.Push(" name=\"text\" string="));
        Assert.Equal([new ReplyEvent.ToolCallArguments("{\"text\": \"a")], parser.Push("\"true\">a"));
        Assert.Equal([new ReplyEvent.ToolCallArguments("\\n\\\"b\\\" ")], parser.Push("\n\"b\" <"));
        Assert.Equal([new ReplyEvent.ToolCallArguments("</div>")], parser.Push("/div>"));
        Assert.Empty(parser.Push("</｜DS"));
        Assert.Equal([new ReplyEvent.ToolCallArguments("\"")], parser.Push("ML｜parameter>\n"));
    }

    [Theory]
    [InlineData("<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>")]
    [InlineData("<｜DSML｜invoke name=\"f\">\n</｜DSML｜invoke>")]
    public void A_call_without_the_markup_in_front_is_still_a_call(string text)
    {
        List<ReplyEvent> events = Events("Well." + text + ProtocolTokens.EndOfSentence, ThinkingMode.Chat);
        Assert.Equal(new ToolCall(null, "f", "{}"), Assert.Single(events.OfType<ReplyEvent.ToolCalled>()).Call);
        Assert.Equal("Well.", string.Concat(events.OfType<ReplyEvent.Text>().Select(e => e.Value)));
        Assert.Contains("in front", Reply.From(events).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Markup_that_cannot_be_understood_is_never_text()
    {
        string text = "Well.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"g\">\n<｜DSML｜parameter nam=\"a\">1</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
            + "</｜DSML｜tool_calls>Then<think> ｜DSML｜that.";
        List<ReplyEvent> events = Events(text + ProtocolTokens.EndOfSentence, ThinkingMode.Chat);
        Assert.Equal("Well.Then that.", string.Concat(events.OfType<ReplyEvent.Text>().Select(e => e.Value)));
        Assert.Equal(text, Reply.From(events).Content);
        Assert.Empty(events.OfType<ReplyEvent.ToolCalled>());
    }

    [Fact]
    public void A_reply_cut_off_by_a_limit_keeps_its_text_and_says_so()
    {
        Reply reply = Read("Half an ans\n", ThinkingMode.Chat);
        Assert.Equal("Half an ans\n", reply.Content);
        Assert.Contains("cut off", reply.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_call_inside_unclosed_reasoning_is_still_a_call()
    {
        Reply reply = Read("hm\n\n" + OneCall + ProtocolTokens.EndOfSentence, ThinkingMode.Thinking);
        Assert.Equal("hm", reply.Reasoning);
        Assert.Equal("f", Assert.Single(reply.ToolCalls).Name);
        Assert.Contains("</think>", reply.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n")]
    [InlineData("\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">x")]
    [InlineData("\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">x</｜DSML｜parameter>\n")]
    public void A_call_that_is_cut_off_is_never_made(string text)
    {
        Reply reply = Read(text, ThinkingMode.Chat);
        Assert.Empty(reply.ToolCalls);
        Assert.Equal(text, reply.Content);
        Assert.Contains("cut off", reply.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Calls_before_a_broken_one_survive_and_its_markup_becomes_text()
    {
        string broken = "\n<｜DSML｜invoke name=\"g\">\n"
            + "<｜DSML｜parameter name=\"a\">1</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";
        string text = "\n\n" + OneCall[..OneCall.LastIndexOf('\n')] + broken + ProtocolTokens.EndOfSentence;
        Reply reply = Read(text, ThinkingMode.Chat);
        Assert.Equal("f", Assert.Single(reply.ToolCalls).Name);
        Assert.Equal(">" + broken, reply.Content);
        Assert.Contains("in a parameter of g", reply.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_value_is_read_in_time_that_grows_with_its_length()
    {
        string value = string.Concat(Enumerable.Repeat("line of a file <b>\n", 20_000));
        string text = "\n\n" + OneCall.Replace("string=\"false\">1<", $"string=\"true\">{value}<", StringComparison.Ordinal);
        var parser = new ReplyParser(ThinkingMode.Chat);
        List<ReplyEvent> events = [];
        for (int i = 0; i < text.Length; i += 4)
            events.AddRange(parser.Push(text.Substring(i, Math.Min(4, text.Length - i))));
        ToolCall call = Assert.Single(events.OfType<ReplyEvent.ToolCalled>()).Call;
        Assert.Equal(PythonJson.Quote(value), call.Arguments[6..^1]);
        Assert.Equal(call.Arguments, string.Concat(events.OfType<ReplyEvent.ToolCallArguments>().Select(e => e.Json)));
    }

    internal static Reply Read(string text, ThinkingMode thinking) => Reply.From(Events(text, thinking));

    private static List<ReplyEvent> Events(string text, ThinkingMode thinking)
    {
        var parser = new ReplyParser(thinking);
        return [.. parser.Push(text), .. parser.Complete()];
    }

    private static (string Text, ThinkingMode Thinking) Input(JsonElement golden)
    {
        JsonElement input = golden.GetProperty("input");
        return (input.GetProperty("text").GetString()!, PromptNames.ParseThinking(input.GetProperty("thinking_mode").GetString()!));
    }

    private static string Name(JsonElement golden) => golden.GetProperty("name").GetString()!;
}
