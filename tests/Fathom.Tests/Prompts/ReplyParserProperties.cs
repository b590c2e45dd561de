using CsCheck;
using Fathom.Prompts;
using Xunit;

namespace Fathom.Tests.Prompts;

public class ReplyParserProperties
{
    // Pieces that are, start, or resemble markers: random text alone would hardly ever meet one.
    private static readonly string[] s_pieces =
    [
        "a", "é😀", "\n", "\n\n", "<", "</", "｜", "｜DS", ">\n", "\">\n", "\"", " ",
        "<think>", "</think>", "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", "｜DSML｜",
        "\n\n<｜DSML｜tool_calls", "</｜DSML｜tool_calls>", "<｜DSML｜invoke", " name=\"f\">\n", "</｜DSML｜invoke",
        "<｜DSML｜parameter", " name=\"a\" string=\"true\">", " name=\"b\" string=\"false\">", "</｜DSML｜parameter",
        "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"g\">\n"
            + "<｜DSML｜parameter name=\"x\" string=\"true\">v</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
    ];

    private static readonly Gen<string> s_text = Gen.OneOf(s_pieces).List[0, 14].Select(pieces => string.Concat(pieces));

    private static readonly Gen<ThinkingMode> s_mode = Gen.OneOf(ThinkingMode.Chat, ThinkingMode.Thinking);

    private static readonly Gen<string> s_plain =
        Gen.OneOf("a", "é", "😀", "\n", "\n\n", " ", "<b>", "\"", "\\", "\u0001", "北京", ">", "1").List[0, 6].Select(string.Concat);

    private static readonly Gen<string> s_word = Gen.OneOf("a", "b", "c", "城市", "_").List[1, 4].Select(string.Concat);

    private static readonly Gen<string> s_json = Gen.OneOf(
        s_plain.Select(PythonJson.Quote),
        Gen.OneOf("1", "-2.5", "1e+20", "true", "null", "[]", "{}", "[1, \"two\", {\"k\": \"v\"}]", "12345678901234567890"));

    private static readonly Gen<ToolCall> s_call = Gen.Select(s_word, Gen.Select(s_word, s_json).List[0, 4]).Select((name, parameters) => new ToolCall(
        null, name, "{" + string.Join(", ", parameters.DistinctBy(p => p.Item1).Select(p => $"{PythonJson.Quote(p.Item1)}: {p.Item2}")) + "}"));

    [Fact]
    public void Any_split_gives_the_same_events() =>
        Gen.Select(s_text, s_mode, Gen.Int[1, 9].List[1, 8]).Sample((text, mode, sizes) => AssertSame(text, mode, sizes), iter: 5_000);

    [Fact]
    public void Any_split_of_a_golden_reply_gives_the_same_events()
    {
        foreach ((string text, ThinkingMode mode) in ReplyParserTests.Texts)
        {
            foreach (int size in (int[])[1, 2, 3, 7])
                AssertSame(text, mode, [size]);
        }
    }

    [Fact]
    public void No_text_is_lost_unless_it_follows_the_end() =>
        Gen.Select(s_text, s_mode).Sample((text, mode) =>
        {
            // Without EOS, tool blocks and calls every character is thinking, answer, or one of the closing think markers.
            string plain = text.Replace(ProtocolTokens.EndOfSentence, "").Replace("tool_calls", "").Replace("invoke", "");
            Reply reply = ReplyParserTests.Read(plain, mode);
            string gap = reply.Reasoning.Length + reply.Content.Length == plain.Length ? "" : ProtocolTokens.ThinkClose;
            Assert.Equal(plain, reply.Reasoning + gap + reply.Content);
        }, iter: 5_000);

    [Fact]
    public void Reading_a_rendered_turn_gives_the_turn() =>
        Gen.Select(s_plain, s_plain, s_call.List[0, 3], s_mode).Sample((reasoning, content, calls, mode) =>
        {
            var question = new Message.User("q");
            var answer = new Message.Assistant(content) { Reasoning = mode == ThinkingMode.Thinking ? reasoning : "", ToolCalls = calls };
            string prompt = Render(mode, question);
            string text = Render(mode, question, answer)[prompt.Length..];

            Reply reply = Reply.Parse(text, mode);

            Assert.Equal((answer.Reasoning, content), (reply.Reasoning, reply.Content));
            Assert.Equal(calls, reply.ToolCalls);
        }, iter: 5_000);

    [Fact]
    public void The_pieces_of_a_call_s_arguments_are_its_arguments() =>
        Gen.Select(s_text, s_mode).Sample((text, mode) =>
        {
            var parser = new ReplyParser(mode);
            string pieces = "";
            foreach (ReplyEvent e in text.SelectMany(c => parser.Push(c.ToString())).Concat(parser.Complete()))
            {
                pieces = e switch
                {
                    ReplyEvent.ToolCallStarted => "",
                    ReplyEvent.ToolCallArguments arguments => pieces + arguments.Json,
                    _ => pieces,
                };
                if (e is ReplyEvent.ToolCalled called)
                    Assert.Equal(called.Call.Arguments, pieces);
            }
        }, iter: 5_000);

    private static string Render(ThinkingMode mode, params Message[] messages) =>
        new PromptEncoder(EncoderRevision.April).Encode(new Conversation { Messages = messages, Thinking = mode }).Text;

    private static void AssertSame(string text, ThinkingMode mode, List<int> sizes)
    {
        var whole = new ReplyParser(mode);
        var pieces = new ReplyParser(mode);
        List<ReplyEvent> expected = [.. whole.Push(text), .. whole.Complete()];
        List<ReplyEvent> actual = [];
        for (int at = 0, i = 0; at < text.Length; i++)
        {
            int size = Math.Min(sizes[i % sizes.Count], text.Length - at);
            actual.AddRange(pieces.Push(text.Substring(at, size)));
            at += size;
        }
        actual.AddRange(pieces.Complete());
        Assert.Equal(Joined(expected), Joined(actual));
    }

    /// <summary>Neighbouring texts of one kind put together: where they are cut is no part of the contract.</summary>
    private static List<ReplyEvent> Joined(List<ReplyEvent> events)
    {
        var joined = new List<ReplyEvent>();
        foreach (ReplyEvent e in events)
        {
            ReplyEvent? both = (joined.LastOrDefault(), e) switch
            {
                (ReplyEvent.Text a, ReplyEvent.Text b) => new ReplyEvent.Text(a.Value + b.Value),
                (ReplyEvent.Thinking a, ReplyEvent.Thinking b) => new ReplyEvent.Thinking(a.Value + b.Value),
                (ReplyEvent.ToolCallArguments a, ReplyEvent.ToolCallArguments b) => new ReplyEvent.ToolCallArguments(a.Json + b.Json),
                (ReplyEvent.Markup a, ReplyEvent.Markup b) when a.InReasoning == b.InReasoning => new ReplyEvent.Markup(a.Value + b.Value, a.InReasoning),
                _ => null,
            };
            if (both is not null)
                joined[^1] = both;
            else
                joined.Add(e);
        }
        return joined;
    }
}
