using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace Fathom.Train.Data.Corpus;

/// <summary>The paragraphs of the five sources of the first model, in ASCII. What each recipe does is part of the held-out rule: don't change it.</summary>
internal static partial class Sources
{
    private static readonly string[] s_novels = ["emma", "mansfieldpark", "northangerabbey", "persuasion", "prideprejudice", "sensesensibility"];

    /// <summary>What the program «bible» prints for gen1:1-rev22:21: per chapter a heading line, then its verses as one paragraph.</summary>
    public static IEnumerable<string> KingJames(string printed)
    {
        string? heading = null;
        var verses = new StringBuilder();
        foreach (string line in printed.Split('\n'))
        {
            if (line.Length == 0)
                continue;
            if (Heading().IsMatch(line))
            {
                if (heading is not null)
                    yield return $"{heading}\n{PlainText.OneLine(verses.ToString())}";
                heading = line;
                verses.Clear();
                continue;
            }

            verses.Append(VerseNumber().Replace(line, "")).Append(' ');
        }

        if (heading is not null)
            yield return $"{heading}\n{PlainText.OneLine(verses.ToString())}";
    }

    /// <summary>The World English Bible from its zText module: each line of verse and each paragraph is one of ours.</summary>
    /// <param name="folder">with ot.bzs, ot.bzz, nt.bzs, nt.bzz</param>
    public static IEnumerable<string> WorldEnglish(string folder) =>
        from testament in (string[])["ot", "nt"]
        from book in Inflate(Path.Combine(folder, testament))
        from paragraph in Osis(book)
        select paragraph;

    /// <summary>The text of OSIS markup without notes and titles.</summary>
    public static IEnumerable<string> Osis(string markup)
    {
        string text = NotesAndTitles().Replace(OsisWhite().Replace(markup, " "), "");
        text = Chapters().Replace(text, " ");
        text = ParagraphTags().Replace(text, "\n\n");
        text = LineTags().Replace(text, "\n");
        text = PlainText.ToAscii(WebUtility.HtmlDecode(Tags().Replace(text, "")));
        text = BlankBeforeMark().Replace(Blanks().Replace(text, " "), "$1");
        text = BlankAroundBreak().Replace(text, "\n");
        return ManyBreaks().Split(text).Select(p => p.Trim()).Where(p => p.Length > 0);
    }

    /// <summary>Jane Austen's six novels, from the vectors of lines in the package's data folder.</summary>
    public static IEnumerable<string> Austen(string folder)
    {
        Dictionary<string, string[]> novels = RData.CharacterVectors(folder);
        return s_novels.SelectMany(novel => PlainText.Paragraphs(string.Join('\n', novels[novel]).Replace("_", "", StringComparison.Ordinal)));
    }

    /// <summary>The Jargon File, from its first entry on.</summary>
    public static IEnumerable<string> Jargon(string dictionary)
    {
        string text = dictionary[dictionary.IndexOf("(TM)\n //", StringComparison.Ordinal)..];
        return PlainText.Paragraphs(Braces().Replace(text, ""));
    }

    /// <summary>The Devil's Dictionary, from the preface on; a line with an indent of four is a paragraph.</summary>
    public static IEnumerable<string> Devil(string dictionary)
    {
        string text = Braces().Replace(dictionary[dictionary.IndexOf("PREFACE", StringComparison.Ordinal)..], "").Replace("_", "", StringComparison.Ordinal);
        return PlainText.Paragraphs(IndentOfFour().Replace(text, "\n\n"));
    }

    /// <summary>The text of a dictd dictionary: dictzip is gzip.</summary>
    public static string ReadDictionary(string path)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress), Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>The blocks of one testament: an index of offset, packed and plain size, then zlib streams.</summary>
    private static IEnumerable<string> Inflate(string stem)
    {
        byte[] index = File.ReadAllBytes(stem + ".bzs");
        byte[] packed = File.ReadAllBytes(stem + ".bzz");
        for (int at = 0; at < index.Length; at += 12)
        {
            int offset = BinaryPrimitives.ReadInt32LittleEndian(index.AsSpan(at));
            int length = BinaryPrimitives.ReadInt32LittleEndian(index.AsSpan(at + 4));
            using var zlib = new ZLibStream(new MemoryStream(packed, offset, length), CompressionMode.Decompress);
            using var reader = new StreamReader(zlib, Encoding.UTF8);
            yield return reader.ReadToEnd();
        }
    }

    [GeneratedRegex(@"^(\d |Song of )?[A-Z][A-Za-z]+( of [A-Z][a-z]+)? \d+$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"^ +\d+ ")]
    private static partial Regex VerseNumber();

    [GeneratedRegex(@"\s+")]
    private static partial Regex OsisWhite();

    [GeneratedRegex(@"<(note|title)\b.*?</\1>")]
    private static partial Regex NotesAndTitles();

    [GeneratedRegex(@"<(verse|chapter)\b[^>]*>")]
    private static partial Regex Chapters();

    [GeneratedRegex(@"<lg\b[^>]*>|<div\b[^>]*type=""x-p""[^>]*>")]
    private static partial Regex ParagraphTags();

    [GeneratedRegex(@"<(l|lb)\b[^>]*>")]
    private static partial Regex LineTags();

    [GeneratedRegex(@"<[^>]*>")]
    private static partial Regex Tags();

    [GeneratedRegex(@"[ \t]+")]
    private static partial Regex Blanks();

    [GeneratedRegex(@" +([,.;:!?])")]
    private static partial Regex BlankBeforeMark();

    [GeneratedRegex(@" ?\n ?")]
    private static partial Regex BlankAroundBreak();

    [GeneratedRegex(@"\n\n+")]
    private static partial Regex ManyBreaks();

    [GeneratedRegex(@"[{}]")]
    private static partial Regex Braces();

    [GeneratedRegex(@"\n {4}(?=\S)")]
    private static partial Regex IndentOfFour();
}
