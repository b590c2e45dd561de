using System.Text.Json;
using CsCheck;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;
using Xunit;

namespace Fathom.Tests.Grammars;

public class ToolGrammarTests
{
    private const string Search = """
        {"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer","minimum":1,"maximum":50},"tags":{"type":"array","items":{"type":"string"}},
        "unit":{"anyOf":[{"enum":["day","week"]},{"type":"null"}]}},"required":["query"],"additionalProperties":false}
        """;

    private static readonly (string Name, JsonElement Parameters)[] s_tools =
    [
        ("search", JsonElement.Parse(Search)),
        ("now", JsonElement.Parse("""{"type":"object","properties":{}}""")),
    ];

    private static readonly Grammar s_reply = ToolGrammar.Reply(s_tools);

    [Theory]
    [InlineData("""{"query": "two words"}""")]
    [InlineData("""{"query": "a <b> \"c\"\n｜ and ｜DSM x", "limit": 7}""")]
    [InlineData("""{"query": "", "limit": 50, "tags": ["x", "y"], "unit": null}""")]
    [InlineData("""{"query": "q", "unit": "week"}""")]
    public void Calls_as_the_encoder_writes_them_fit(string arguments)
    {
        string text = Written(new ToolCall(null, "search", arguments), new ToolCall(null, "now", "{}"));
        Assert.True(GrammarTexts.Accepts(s_reply, text), text);
        Assert.True(GrammarTexts.Accepts(ToolGrammar.Block(s_tools), text[ToolGrammar.Opening.Length..]), text);
    }

    [Theory]
    [InlineData("find", """{"query": "x"}""")]
    [InlineData("search", """{"limit": 1}""")]
    [InlineData("search", """{"query": "x", "limit": 51}""")]
    [InlineData("search", """{"query": "x", "limit": "1"}""")]
    [InlineData("search", """{"query": 1}""")]
    [InlineData("search", """{"query": "x", "unit": "month"}""")]
    [InlineData("search", """{"query": "x", "other": 1}""")]
    [InlineData("now", """{"x": 1}""")]
    public void Other_calls_do_not(string name, string arguments) =>
        Assert.False(GrammarTexts.Accepts(s_reply, Written(new ToolCall(null, name, arguments))));

    [Fact]
    public void Whatever_is_drawn_is_read_as_calls_whose_arguments_validate() =>
        Gen.Select(Gen.Int, Gen.Int[0, 200]).Sample((seed, more) =>
        {
            int maxTokens = s_reply.ShortestLength + 1 + more;
            int[] drawn = GrammarTexts.Draw(new GrammarRule(s_reply, GrammarTexts.Nano, maxTokens), GrammarTexts.Nano, new Random(seed), maxTokens);
            AssertRead(GrammarTexts.Bundled.Decode(drawn));
        }, iter: 200);

    [Fact]
    public void Behind_its_opening_a_free_reply_is_held_to_the_tools()
    {
        const int MaxTokens = 300;
        var rule = new GrammarRule(ToolGrammar.Block(s_tools), GrammarTexts.Nano, MaxTokens, after: ToolGrammar.Opening);
        string before = "Let me see. 1 < 2\n\n<";
        foreach (int token in GrammarTexts.Bundled.Encode(before + ProtocolTokens.Dsml, recognizeAddedTokens: true))
        {
            Assert.Null(rule.Mask);
            rule.Push(token);
        }

        Assert.True(rule.HasBegun);
        int[] drawn = GrammarTexts.Draw(rule, GrammarTexts.Nano, new Random(5), MaxTokens);
        AssertRead(ToolGrammar.Opening + GrammarTexts.Bundled.Decode(drawn));
    }

    [Theory]
    [InlineData("""{"type":"string"}""", "the schema of an object")]
    [InlineData("""{"properties":{"a":{"type":"strin"}}}""", "#/properties/a/type")]
    [InlineData("""{"properties":{"a\"b":{"type":"string"}}}""", "a parameter's name")]
    [InlineData("""{"properties":{"a":{"const":"x｜DSML｜y"}}}""", "#/properties/a")]
    public void Bad_schemas_are_refused_with_the_tool_s_name(string parameters, string what)
    {
        RequestException problem = Assert.Throws<RequestException>(() => ToolGrammar.Block([("search", JsonElement.Parse(parameters))]));
        Assert.Contains("tool search", problem.Message, StringComparison.Ordinal);
        Assert.Contains(what, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_tools_twice_the_same_and_names_that_end_their_tag_are_refused()
    {
        JsonElement empty = JsonElement.Parse("""{"type":"object"}""");
        Assert.Throws<RequestException>(() => ToolGrammar.Block([]));
        Assert.Throws<RequestException>(() => ToolGrammar.Block([("a", empty), ("a", empty)]));
        Assert.Throws<RequestException>(() => ToolGrammar.Block([("a\">", empty)]));
    }

    private static string Written(params ToolCall[] calls)
    {
        var conversation = new Conversation { Messages = [new Message.User("x"), new Message.Assistant("") { ToolCalls = calls }] };
        string prompt = new PromptEncoder(EncoderRevision.April).Encode(conversation).Text;
        int at = prompt.IndexOf(ToolGrammar.Opening, StringComparison.Ordinal);
        return prompt[at..].Replace(ProtocolTokens.EndOfSentence, "", StringComparison.Ordinal);
    }

    private static void AssertRead(string text)
    {
        var parser = new ReplyParser(ThinkingMode.Chat);
        ReplyEvent[] events = [.. parser.Push(text + ProtocolTokens.EndOfSentence), .. parser.Complete()];
        Assert.DoesNotContain(events, one => one is ReplyEvent.Malformed or ReplyEvent.Text);
        ToolCall[] calls = [.. events.OfType<ReplyEvent.ToolCalled>().Select(one => one.Call)];
        Assert.NotEmpty(calls);
        foreach (ToolCall call in calls)
        {
            JsonElement schema = s_tools.Single(tool => tool.Name == call.Name).Parameters;
            Assert.True(SchemaValidator.Fits(JsonElement.Parse(call.Arguments), schema, schema), text);
        }
    }
}
