using System.Text.RegularExpressions;

namespace Fathom.Train.Data.Corpus;

/// <summary>Sources beyond the first five. Each has its own blocks, and so its own held-out text.</summary>
internal static partial class ExtraSources
{
    private static readonly (string File, string Kind)[] s_wordNet = [("noun", "n."), ("verb", "v."), ("adj", "adj."), ("adv", "adv.")];

    /// <summary>WordNet's glosses: «rally, rallying, n. the feat of …».</summary>
    public static IEnumerable<string> WordNet(string folder) =>
        from part in s_wordNet
        from line in File.ReadLines(Path.Combine(folder, "data." + part.File))
        where !line.StartsWith(' ')                             // the licence
        select PlainText.Paragraph(Synset(line, part.Kind));

    /// <summary>One line of a data file: offset, file, kind, count of words in hexadecimal, words with an id each, …, then the gloss.</summary>
    public static string Synset(string line, string kind)
    {
        string[] fields = line.Split(' ', 5);
        int count = Convert.ToInt32(fields[3], 16);
        string[] words = fields[4].Split(' ');
        IEnumerable<string> lemmas = Enumerable.Range(0, count).Select(i => Marker().Replace(words[2 * i], "").Replace('_', ' '));
        return $"{string.Join(", ", lemmas)}, {kind} {line[(line.IndexOf('|') + 1)..].Trim()}";
    }

    /// <summary>The prose of Python's documentation, from its reStructuredText sources in the order of their paths.</summary>
    public static IEnumerable<string> PythonDocumentation(string folder) =>
        Directory.EnumerateFiles(folder, "*.rst.txt", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
            .SelectMany(path => Prose(File.ReadAllText(path)));

    /// <summary>Paragraphs of prose: no directives, no code, no tables; roles and marks of emphasis become their text.</summary>
    public static IEnumerable<string> Prose(string source) =>
        from raw in BlankLines().Split(source)
        let text = PlainText.Paragraph(Marks().Replace(Roles().Replace(Underline().Replace(raw, ""), RoleText), ""))
        where text.Length >= 40 && !raw.TrimStart().StartsWith("..", StringComparison.Ordinal) && IsProse(text)
        select text;

    private static string RoleText(Match role)
    {
        string text = role.Groups[1].Value;
        int target = text.IndexOf(" <", StringComparison.Ordinal);
        return (target > 0 ? text[..target] : text).TrimStart('~', '!');
    }

    private static bool IsProse(string text) =>
        !text.StartsWith(">>>", StringComparison.Ordinal) && !text.StartsWith('+') && text[^1] is '.' or ':' or '!' or '?' or ')'
        && text.Count(c => char.IsAsciiLetter(c) || c == ' ') * 100 >= text.Length * 88;

    [GeneratedRegex(@"\(\w+\)$")]
    private static partial Regex Marker();

    [GeneratedRegex(@"\n\s*\n")]
    private static partial Regex BlankLines();

    [GeneratedRegex(@"(?m)^[=\-~^""*+#']{3,}\s*$")]
    private static partial Regex Underline();

    [GeneratedRegex(@"(?s):[\w:+-]+:`([^`]+)`")]
    private static partial Regex Roles();

    [GeneratedRegex(@"`+_?|\*+|\|")]
    private static partial Regex Marks();
}
