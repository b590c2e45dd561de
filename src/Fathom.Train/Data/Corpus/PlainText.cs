using System.Text;
using System.Text.RegularExpressions;

namespace Fathom.Train.Data.Corpus;

/// <summary>What all sources share: typographic characters to ASCII, everything else outside ASCII dropped, blanks and blank lines to one.</summary>
internal static partial class PlainText
{
    // Letters with marks lose the marks; what has no ASCII letter inside (ß, Ø, æ) is dropped. '\0' means dropped.
    private const string Latin1Letters = "AAAAAA\0CEEEEIIII\0NOOOOO\0\0UUUUY\0\0aaaaaa\0ceeeeiiii\0nooooo\0\0uuuuy\0y";

    /// <summary>The compatibility decomposition, of which only ASCII stays.</summary>
    public static string ToAscii(string text)
    {
        var ascii = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (c < 0x80)
                ascii.Append(c);
            else
                ascii.Append(AsciiOf(c));
        }

        return ascii.ToString();
    }

    /// <summary>One line: every run of white space is one blank, none at the ends.</summary>
    public static string OneLine(string text) => White().Replace(text, " ").Trim();

    /// <summary>A paragraph in ASCII on one line; empty if nothing is left.</summary>
    public static string Paragraph(string text) => OneLine(ToAscii(text));

    /// <summary>The paragraphs of a text that blank lines separate.</summary>
    public static IEnumerable<string> Paragraphs(string text) => BlankLines().Split(text).Select(Paragraph).Where(p => p.Length > 0);

    private static string AsciiOf(char c) => c switch
    {
        '‘' or '’' or '‚' or '‛' => "'",
        '“' or '”' or '„' => "\"",
        '‐' or '‑' or '‒' or '–' or '−' => "-",
        '—' or '―' => "--",
        '…' => "...",
        '\u00A0' or '´' or '¨' or '¯' or '¸' => " ",
        '™' => "TM",
        '½' => "12",
        '¼' => "14",
        '¾' => "34",
        '¹' => "1",
        '²' => "2",
        '³' => "3",
        'ª' => "a",
        'º' => "o",
        >= 'À' and <= 'ÿ' => Latin1Letters[c - 'À'] == '\0' ? "" : Latin1Letters[c - 'À'].ToString(),
        _ => "",
    };

    [GeneratedRegex(@"\s+")]
    private static partial Regex White();

    [GeneratedRegex(@"\n\s*\n")]
    private static partial Regex BlankLines();
}
