using System.Text;

namespace Fathom.Train.Data.Corpus;

/// <summary>
/// Cuts paragraphs into blocks of about 4 KB and holds every 50th back. Blocks are cut at paragraph ends; a paragraph over 6,000 characters
/// is cut before at its last sentence end below 5,000. The rule is fixed: figures on the held-out text compare only while it stays.
/// </summary>
public sealed class TextBlocks
{
    private const int BlockBytes = 4096;
    private const int ParagraphMax = 6000;
    private const int CutBefore = 5000;
    private const int HeldOutEvery = 50;

    private readonly List<Block> _blocks = [];

    private readonly record struct Block(string Source, string Text);

    /// <summary>Blocks so far.</summary>
    public int Count => _blocks.Count;

    /// <summary>Appends a source's paragraphs; its last block may be short, none spans two sources.</summary>
    public void Add(string source, IEnumerable<string> paragraphs)
    {
        ArgumentNullException.ThrowIfNull(paragraphs);
        var block = new StringBuilder();
        foreach (string piece in paragraphs.SelectMany(Cut))
        {
            block.Append(piece).Append("\n\n");
            if (block.Length >= BlockBytes)
                Flush();
        }

        if (block.Length > 0)
            Flush();

        void Flush()
        {
            _blocks.Add(new Block(source, block.ToString()));
            block.Clear();
        }
    }

    /// <summary>The held-out blocks, 49, 99, …, of one source or of all.</summary>
    public IReadOnlyList<string> HeldOut(string? source = null) =>
        [.. _blocks.Where((block, i) => IsHeldOut(i) && (source is null || block.Source == source)).Select(block => block.Text)];

    /// <summary>What lies between held-out blocks, each run one text: all sources in their order, or the runs of one source.</summary>
    public IReadOnlyList<string> TrainingRuns(string? source = null)
    {
        var runs = new List<string>();
        var run = new StringBuilder();
        for (int i = 0; i < _blocks.Count; i++)
        {
            if (!IsHeldOut(i) && (source is null || _blocks[i].Source == source))
                run.Append(_blocks[i].Text);
            else if (run.Length > 0)
                Flush();
        }

        if (run.Length > 0)
            Flush();
        return runs;

        void Flush()
        {
            runs.Add(run.ToString());
            run.Clear();
        }
    }

    /// <summary>A paragraph, or its parts if it is long.</summary>
    public static IEnumerable<string> Cut(string paragraph)
    {
        ArgumentNullException.ThrowIfNull(paragraph);
        while (paragraph.Length > ParagraphMax)
        {
            int end = paragraph.LastIndexOf(". ", CutBefore - 1, StringComparison.Ordinal);
            if (end < 0)
                end = CutBefore - 2;
            yield return paragraph[..(end + 1)];
            paragraph = paragraph[(end + 2)..];
        }

        yield return paragraph;
    }

    private static bool IsHeldOut(int block) => block % HeldOutEvery == HeldOutEvery - 1;
}
