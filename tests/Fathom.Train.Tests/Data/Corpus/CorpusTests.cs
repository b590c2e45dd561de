using Fathom.Train.Data.Corpus;
using Xunit;

namespace Fathom.Train.Tests.Data.Corpus;

public class CorpusTests
{
    [Fact]
    public void Every_fiftieth_block_is_held_out_and_nothing_is_lost()
    {
        var blocks = new TextBlocks();
        string[] first = [.. Enumerable.Range(0, 700).Select(i => $"first {i} " + new string('a', 1000))];
        string[] second = [.. Enumerable.Range(0, 700).Select(i => $"second {i} " + new string('b', 1000))];
        blocks.Add("first", first);
        blocks.Add("second", second);
        Assert.Equal(blocks.Count / 50, blocks.HeldOut().Count);
        string[] training = Paragraphs(blocks.TrainingRuns());
        string[] heldOut = Paragraphs(blocks.HeldOut());
        Assert.Empty(training.Intersect(heldOut));
        Assert.Equal(first.Concat(second).Order(), training.Concat(heldOut).Order());
        Assert.Equal(training.Order(), Paragraphs([.. blocks.TrainingRuns("first"), .. blocks.TrainingRuns("second")]).Order());
    }

    [Fact]
    public void A_long_paragraph_is_cut_behind_a_sentence()
    {
        string sentence = new string('x', 698) + ". ";
        string[] parts = [.. TextBlocks.Cut(string.Concat(Enumerable.Repeat(sentence, 9)).Trim())];
        Assert.Equal([7 * 700 - 1, 2 * 700 - 1], parts.Select(p => p.Length));
        Assert.Equal([5999], TextBlocks.Cut(new string('x', 5999)).Select(p => p.Length));
    }

    [Fact]
    public void Verses_become_a_paragraph_under_their_heading()
    {
        const string Printed = "\nGenesis 1\n\n  1 In the beginning God created the heaven and the earth.\n  2 And the earth was without form, and void; and\n"
            + "darkness was upon the face of the deep.\n\n1 John 1\n\n  1 That which was from the beginning,\n";
        Assert.Equal(["Genesis 1\nIn the beginning God created the heaven and the earth. And the earth was without form, and void; and darkness was upon the face of the deep.",
            "1 John 1\nThat which was from the beginning,"], Sources.KingJames(Printed));
    }

    [Fact]
    public void Markup_leaves_its_text_without_notes_and_titles() => Assert.Equal(["He said, \"Go--now.\"", "Sing", "to God"], Sources.Osis(
        "<title>Psalm</title><div type=\"x-p\" sID=\"1\"/><verse/>He <w lemma=\"x\">said</w><note>or told</note> , “Go—now.”<div type=\"x-p\" eID=\"1\"/> "
        + "<lg sID=\"2\"/> <l sID=\"3\"/>Sing<l eID=\"3\"/> <l sID=\"4\"/>to God<l eID=\"4\"/><lg eID=\"2\"/>"));

    [Fact]
    public void Only_an_indent_of_four_begins_a_paragraph_of_the_devil_s_dictionary() => Assert.Equal(["PREFACE", "ZEAL, n. A disorder.", "When Zeal", "He went G.J."],
        Sources.Devil("x\nPREFACE\n\nZEAL, n.  A\n_disorder_.\n    When Zeal\n    He went\n          G.J.\n"));

    [Fact]
    public void Typography_becomes_ascii() => Assert.Equal("\"It's--so...\" cafe naive TM b c", PlainText.Paragraph("“It’s—so…”  café naïve ™ b\u00A0c Ω"));

    [Fact]
    public void A_gloss_stands_behind_its_words() => Assert.Equal("running away, bunk, n. the act of leaving", ExtraSources.Synset(
        "00046177 04 n 02 running_away 0 bunk(p) 0 003 @ 00030358 n 0000 | the act of leaving  ", "n."));

    [Fact]
    public void Prose_of_documentation_has_no_directives_code_and_marks() => Assert.Equal(["The heapq module keeps a heap in a plain list, with no copies."],
        ExtraSources.Prose("Heaps\n=====\n\n.. module:: heapq\n\nThe :mod:`heapq` module keeps a *heap* in a plain list, with ``no`` copies.\n\n>>> heappop(h)\n"));

    [Fact]
    public void Shared_text_is_found_whatever_its_marks()
    {
        const string Held = "And it came to pass in the days of old that a man went down to the sea, and cast his net.";
        var check = new OverlapCheck();
        check.AddHeldOut(Held);
        Assert.True(check.Touches("so AND it came -- to pass; in the days of old: that a man went down to the river"));
        Assert.False(check.Touches("and it came to pass in the days of the king that a man went"));
        Assert.Equal(1, check.Shares(["x " + Held])[0]);
        Assert.Equal(0, check.Shares(["nothing of it"])[0]);
    }

    private static string[] Paragraphs(IEnumerable<string> texts) => [.. texts.SelectMany(t => t.Split("\n\n", StringSplitOptions.RemoveEmptyEntries))];
}
