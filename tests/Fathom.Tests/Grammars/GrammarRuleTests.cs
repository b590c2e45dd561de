using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;
using Xunit;

namespace Fathom.Tests.Grammars;

public class GrammarRuleTests
{
    private const string Pair = """{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"]}""";

    [Fact]
    public void Begins_behind_its_mark()
    {
        var rule = new GrammarRule(GrammarTexts.Schema(Pair), GrammarTexts.Nano, after: ProtocolTokens.ThinkClose);
        foreach (int token in GrammarTexts.Bundled.Encode("Let me think </think about it", recognizeAddedTokens: false))
        {
            Assert.Null(rule.Mask);
            rule.Push(token);
        }

        Assert.False(rule.HasBegun);
        rule.Push(Id(ProtocolTokens.ThinkClose));
        Assert.True(rule.HasBegun);
        PushAll(rule, """{"a": 1, "b": "x"}""");
        Assert.True(rule.IsComplete);
        Assert.Equal([GrammarTexts.End], Allowed(rule));
    }

    [Fact]
    public void Before_a_mark_that_must_come_everything_may_but_the_end()
    {
        var rule = new GrammarRule(GrammarTexts.Schema(Pair), GrammarTexts.Nano, after: ProtocolTokens.ThinkClose, mustBegin: true);
        rule.Push(Byte('x'));
        Assert.Equal(Enumerable.Range(0, GrammarTexts.Bundled.VocabularySize).Where(id => id != GrammarTexts.End), Allowed(rule));
        rule.Push(Id(ProtocolTokens.ThinkClose));
        Assert.DoesNotContain(Byte('x'), Allowed(rule));
    }

    [Fact]
    public void The_end_comes_only_where_the_text_is_complete()
    {
        var rule = new GrammarRule(GrammarTexts.Schema("""{"enum":[1,12]}"""), GrammarTexts.Nano);
        Assert.DoesNotContain(GrammarTexts.End, Allowed(rule));
        rule.Push(Byte('1'));
        Assert.Equal(new[] { GrammarTexts.End, Byte('2') }.Order(), Allowed(rule));
        rule.Push(GrammarTexts.End);
        Assert.True(rule.IsComplete);
    }

    [Fact]
    public void A_token_that_it_does_not_allow_is_refused_and_changes_nothing()
    {
        var rule = new GrammarRule(GrammarTexts.Schema(Pair), GrammarTexts.Nano);
        Assert.Throws<RequestException>(() => rule.Push(Byte('[')));
        Assert.Throws<RequestException>(() => rule.Push(-1));
        Assert.Throws<RequestException>(() => rule.Push(GrammarTexts.End));
        PushAll(rule, """{"a":1,"b":""}""");
        Assert.True(rule.IsComplete);
    }

    [Fact]
    public void A_character_may_be_cut_by_tokens()
    {
        var rule = new GrammarRule(GrammarTexts.Schema("""{"type":"string","pattern":"^[é-ë東]$"}"""), GrammarTexts.Nano);
        rule.Push(Byte('"'));
        rule.Push(Byte(0xC3));
        Assert.Equal(new[] { Byte(0xA9), Byte(0xAA), Byte(0xAB) }.Order(), Allowed(rule).Where(id => GrammarTexts.Bundled.TokenBytes(id).Length == 1));
        rule.Push(Byte(0xAA));
        rule.Push(Byte('"'));
        Assert.True(rule.IsComplete);
    }

    [Fact]
    public void Too_few_tokens_for_the_shortest_text_are_refused()
    {
        Grammar grammar = GrammarTexts.Schema(Pair);
        Assert.Throws<RequestException>(() => new GrammarRule(grammar, GrammarTexts.Nano, grammar.ShortestLength));
        Assert.NotNull(new GrammarRule(grammar, GrammarTexts.Nano, grammar.ShortestLength + 1).Mask);
    }

    [Fact]
    public void A_mark_that_comes_too_late_still_leaves_a_way_on()
    {
        var rule = new GrammarRule(GrammarTexts.Schema(Pair), GrammarTexts.Nano, maxTokens: 3, after: ProtocolTokens.ThinkClose);
        rule.Push(Byte('x'));
        rule.Push(Id(ProtocolTokens.ThinkClose));
        PushAll(rule, """{"a":1,"b":""}""");
        Assert.True(rule.IsComplete);
    }

    /// <summary>More states than are kept: what is forgotten is found again.</summary>
    [Fact]
    public void A_long_text_through_many_states_goes_on_as_before()
    {
        var rule = new GrammarRule(GrammarTexts.Schema("""{"type":"array","items":{"$ref":"#"}}"""), GrammarTexts.Nano);
        for (int i = 0; i < 12_000; i++)
            rule.Push(Byte('['));
        for (int i = 0; i < 12_000; i++)
        {
            Assert.False(rule.IsComplete);
            rule.Push(Byte(']'));
        }

        Assert.True(rule.IsComplete);
        Assert.Equal([GrammarTexts.End], Allowed(rule));
    }

    [Fact]
    public void Where_it_has_been_before_it_allocates_nothing()
    {
        var rule = new GrammarRule(GrammarTexts.Schema("""{"type":"array","items":{"type":"string"}}"""), GrammarTexts.Nano);
        int[] item = GrammarTexts.Bundled.Encode("\"some words, 東京\", ", recognizeAddedTokens: false);
        int[] again = [.. Enumerable.Range(0, 200).SelectMany(_ => item)];
        rule.Push(Byte('['));
        PushAll(rule, item);
        PushAll(rule, item);
        long before = GC.GetAllocatedBytesForCurrentThread();
        PushAll(rule, again);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void PushAll(GrammarRule rule, string text) => PushAll(rule, GrammarTexts.Bundled.Encode(text, recognizeAddedTokens: false));

    private static void PushAll(GrammarRule rule, int[] tokens)
    {
        foreach (int token in tokens)
            rule.Push(token);
    }

    private static int Id(string text) => GrammarTexts.Bundled.TryGetId(text, out int id) ? id : throw new InvalidOperationException(text);

    private static int Byte(int value) => Enumerable.Range(0, GrammarTexts.Bundled.VocabularySize).First(id =>
        !GrammarTexts.Bundled.IsAdded(id) && GrammarTexts.Bundled.TokenBytes(id).SequenceEqual([(byte)value]));

    private static int[] Allowed(GrammarRule rule) => [.. Enumerable.Range(0, rule.Mask!.VocabularySize).Where(id => rule.Mask[id])];
}
