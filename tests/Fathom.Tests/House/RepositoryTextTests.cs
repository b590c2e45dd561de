using Xunit;

namespace Fathom.Tests.House;

/// <summary>Words that the repository's own texts do without: promises, and names of hosts that a build would then depend on.</summary>
public class RepositoryTextTests
{
    private static readonly string[] s_endings = [".cs", ".md", ".csproj", ".props", ".targets", ".slnx", ".json", ".yml", ".yaml", ".sh", ".js", ".html", ".css"];

    private static readonly string[] s_words =
    [
        "TO" + "DO", "FIX" + "ME", "(plan" + "ned)", "coming" + " soon",
        "nuget" + ".org", "npmjs" + ".", "npmjs" + ".com", "huggingface" + ".co/", "ghcr" + ".io", "docker" + ".io", "pypi" + ".org", "crates" + ".io",
    ];

    [Fact]
    public void No_text_promises_or_names_a_registry()
    {
        string[] found =
        [
            .. from path in Texts()
               let text = File.ReadAllText(path)
               from word in s_words
               let at = text.IndexOf(word, StringComparison.OrdinalIgnoreCase)
               where at >= 0
               select $"{Path.GetRelativePath(TestFiles.Path(), path)}({1 + text.AsSpan(0, at).Count('\n')}): '{word}'",
        ];
        Assert.True(found.Length == 0, string.Join('\n', found));
    }

    /// <summary>Own texts: data under tests and models comes from elsewhere, and folders that begin with a point are not ours but one.</summary>
    private static IEnumerable<string> Texts() =>
        Directory.EnumerateFiles(TestFiles.Path(), "*", SearchOption.AllDirectories)
            .Where(path => s_endings.Contains(Path.GetExtension(path)) || path == TestFiles.Path(".ci", "run"))
            .Where(path =>
            {
                string[] parts = Path.GetRelativePath(TestFiles.Path(), path).Split(Path.DirectorySeparatorChar);
                return parts is not (["models", ..] or ["tests", "data", ..] or ["tests", "goldens", ..])
                    && !parts.Any(part => part is "bin" or "obj" or "artifacts" or "node_modules" or "packages.lock.json" || (part.StartsWith('.') && part != ".ci"));
            });
}
