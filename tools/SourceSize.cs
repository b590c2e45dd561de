using System.Text.RegularExpressions;

namespace Fathom.Tools;

/// <summary>The limits that bind: 400 lines a file, 60 a method.</summary>
internal static partial class SourceSize
{
    public const int FileLimit = 400;
    public const int MethodLimit = 60;

    /// <summary>Every C# file of the repository, build outputs left out, with its lines and members.</summary>
    public static IReadOnlyList<SourceFile> Measure(string root) =>
        [.. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(root, path).Replace('\\', '/'))
            .Where(path => !path.Split('/').Any(part => part is "bin" or "obj" or "artifacts" || part.StartsWith('.')))
            .Order(StringComparer.Ordinal)
            .Select(path => Read(path, File.ReadAllText(Path.Combine(root, path))))];

    /// <summary>Sentences about files and methods over their limit; none when all is well.</summary>
    public static IEnumerable<string> Violations(IEnumerable<SourceFile> files)
    {
        foreach (SourceFile file in files)
        {
            if (file.Lines > FileLimit && file.Excuse is null)
                yield return $"{file.Path}: {file.Lines} lines, the limit is {FileLimit}. Split it, or say why not in a comment: // size: reason";
            foreach (Member member in file.Members.Where(m => m.Lines > MethodLimit))
                yield return $"{file.Path}({member.FirstLine}): {member.Name} has {member.Lines} lines, the limit is {MethodLimit}. Split it.";
        }
    }

    /// <summary>Measures one file's text.</summary>
    public static SourceFile Read(string path, string text)
    {
        string code = SourceText.CodeOf(text);
        Match excuse = Excuse().Match(text);
        return new SourceFile
        {
            Path = path,
            Lines = text.Length == 0 ? 0 : text.AsSpan().TrimEnd('\n').Count('\n') + 1,
            CodeLines = code.Split('\n').Count(line => line.AsSpan().Trim().Length > 0),
            Excuse = excuse.Success ? excuse.Groups["reason"].Value : null,
            Members = MemberScanner.Scan(code),
        };
    }

    [GeneratedRegex(@"^\s*// size: (?<reason>\S.*)$", RegexOptions.Multiline)]
    private static partial Regex Excuse();
}

/// <summary>One file's size.</summary>
internal sealed record SourceFile
{
    /// <summary>Path below the root, with forward slashes.</summary>
    public required string Path { get; init; }

    /// <summary>All lines, as an editor counts them.</summary>
    public required int Lines { get; init; }

    /// <summary>Lines that hold more than blanks and comments.</summary>
    public required int CodeLines { get; init; }

    /// <summary>Why the file may be longer, or null.</summary>
    public required string? Excuse { get; init; }

    /// <summary>Methods, properties, constructors and operators with a body, and top-level statements as one.</summary>
    public required IReadOnlyList<Member> Members { get; init; }
}

/// <summary>One member's name, first line (from 1) and lines from its signature to its end.</summary>
internal sealed record Member(string Name, int FirstLine, int Lines);
