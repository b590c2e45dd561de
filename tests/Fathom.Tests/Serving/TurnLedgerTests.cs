using Fathom.Prompts;
using Fathom.Serving;
using Xunit;

namespace Fathom.Tests.Serving;

public class TurnLedgerTests
{
    private static Transcript Turn(string content, string reasoning = "r", params ToolCall[] calls) => new([1, 2, 3], true, new Reply(reasoning, content, calls, null));

    [Fact]
    public void A_turn_is_found_by_what_the_client_sees_and_only_behind_the_same_conversation()
    {
        var ledger = new TurnLedger(1 << 20);
        Message[] before = [new Message.System("x"), new Message.User("q")], other = [new Message.User("p")];
        ledger.Add("t", VisibleText.Chain("t", before)[^1], Turn("yes"));
        var sent = new Message.Assistant(" yes\n");
        Assert.NotNull(ledger.Find("t", VisibleText.Chain("t", before)[^1], sent));
        // Clients change their system text, by the date for example.
        Assert.NotNull(ledger.Find("t", VisibleText.Chain("t", [new Message.System("y"), new Message.User("q")])[^1], sent));
        Assert.Null(ledger.Find("t", VisibleText.Chain("t", other)[^1], sent));
        Assert.Null(ledger.Find("u", VisibleText.Chain("u", before)[^1], sent));
        Assert.Null(ledger.Find("t", VisibleText.Chain("t", before)[^1], new Message.Assistant("no")));
        Assert.Null(ledger.Find("t", VisibleText.Chain("t", before)[^1], new Message.Assistant("yes") { Reasoning = "other" }));
        Assert.NotNull(ledger.Find("t", VisibleText.Chain("t", before)[^1], new Message.Assistant("yes") { Reasoning = "r" }));
    }

    [Fact]
    public void A_call_s_id_finds_its_turn_behind_any_conversation_of_the_tenant()
    {
        var ledger = new TurnLedger(1 << 20);
        ledger.Add("t", "before", Turn("", "r", new ToolCall("call_1", "f", "{\"a\": 1.0}")));
        Message.Assistant Sent(string arguments, string name = "f") => new("") { ToolCalls = [new ToolCall("call_1", name, arguments)] };
        Assert.NotNull(ledger.Find("t", "elsewhere", Sent("{ \"a\":1.0 }")));
        Assert.Null(ledger.Find("t", "elsewhere", Sent("{\"a\": 2}")));
        Assert.Null(ledger.Find("t", "elsewhere", Sent("{\"a\": 1.0}", "g")));
        Assert.Null(ledger.Find("u", "elsewhere", Sent("{\"a\": 1.0}")));
    }

    [Fact]
    public void What_was_not_used_for_longest_is_forgotten_first()
    {
        long one = Turn("0").Bytes + 200;
        var ledger = new TurnLedger(3 * one);
        for (int i = 0; i < 3; i++)
        {
            ledger.Add("", $"{i}", Turn("0"));
        }
        Assert.NotNull(ledger.Find("", "0", new Message.Assistant("0")));
        for (int i = 3; i < 5; i++)
        {
            ledger.Add("", $"{i}", Turn("0"));
            Assert.InRange(ledger.Bytes, 1, 3 * one);
        }
        Assert.NotNull(ledger.Find("", "0", new Message.Assistant("0")));
        Assert.Null(ledger.Find("", "1", new Message.Assistant("0")));
        Assert.NotNull(ledger.Find("", "4", new Message.Assistant("0")));
    }
}
