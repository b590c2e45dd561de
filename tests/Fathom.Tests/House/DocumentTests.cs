using System.Reflection;
using System.Text.RegularExpressions;
using Fathom.Extensions.AI;
using Fathom.Model;
using Fathom.Server;
using Xunit;

namespace Fathom.Tests.House;

/// <summary>The maps in docs name files and members; a name that is gone fails here.</summary>
public partial class DocumentTests
{
    private const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;

    private static readonly Assembly[] s_libraries = [typeof(ModelConfig).Assembly, typeof(FathomModel).Assembly, typeof(ServerHost).Assembly];

    private static readonly ILookup<string, string> s_sources = new[] { "src", "tests", "tools", "bench", "samples" }
        .SelectMany(folder => Directory.EnumerateFiles(TestFiles.Path(folder), "*.cs", SearchOption.AllDirectories))
        .Where(path => !path.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
        .ToLookup(Path.GetFileName, path => path)!; // a listed file has a name

    [Theory]
    [InlineData("docs/EQUATIONS.md")]
    [InlineData("docs/ARCHITECTURE.md")]
    [InlineData("docs/GLOSSARY.md")]
    [InlineData("docs/SERVING.md")]
    [InlineData("docs/PAINS.md")]
    [InlineData("docs/IN-PROCESS.md")]
    [InlineData("README.md")]
    [InlineData("CONTRIBUTING.md")]
    public void Every_file_and_member_it_names_exists(string document)
    {
        string text = File.ReadAllText(TestFiles.Path(document.Split('/')));
        var wrong = new List<string>();
        foreach (Match match in Sources().Matches(text))
        {
            string[] files = [.. Find(match.Groups["file"].Value)];
            string member = match.Groups["member"].Value;
            if (files.Length == 0)
            {
                wrong.Add($"{match.Groups["file"].Value}: no such file");
            }
            else if (member.Length > 0 && !files.Any(file => Regex.IsMatch(File.ReadAllText(file), $@"\b{member}\b")))
            {
                wrong.Add($"{match.Groups["file"].Value}: has no {member}");
            }
        }
        string packages = File.ReadAllText(TestFiles.Path("Directory.Packages.props"));
        wrong.AddRange(Members().Matches(text)
            .Where(match => !packages.Contains($"\"{match.Value.Trim('`')}\"", StringComparison.Ordinal))
            .Where(match => !Exists(match.Groups["type"].Value, match.Groups["member"].Value))
            .Select(match => $"{match.Value}: no such member"));
        Assert.True(wrong.Count == 0, $"{document} names what is not there:\n{string.Join('\n', wrong.Distinct())}");
    }

    [Fact]
    public void The_rules_see_what_they_must()
    {
        Assert.Equal(("Rope.cs", "Run"), (Sources().Match("| `Rope.cs`, `Run` |").Groups["file"].Value, Sources().Match("| `Rope.cs`, `Run` |").Groups["member"].Value));
        Assert.True(Exists("LayerPlan", "For") && Exists("AttentionKind", "Csa") && !Exists("LayerPlan", "None"));
        Assert.Empty(Find("None.cs"));
        Assert.Single(Find("src/Fathom/Model/Block.cs"));
    }

    private static IEnumerable<string> Find(string name) => name.Contains('/', StringComparison.Ordinal)
        ? new[] { TestFiles.Path(name.Split('/')) }.Where(File.Exists)
        : s_sources[name];

    private static bool Exists(string type, string member) => s_libraries.SelectMany(library => library.GetTypes())
        .Any(candidate => candidate.Name == type && candidate.GetMember(member, Any).Length > 0);

    // `File.cs`, or `File.cs`, `Member`
    [GeneratedRegex(@"`(?<file>[\w./]+\.cs)`(, `(?<member>[A-Z]\w*)`)?")]
    private static partial Regex Sources();

    // `Type.Member`
    [GeneratedRegex(@"`(?<type>[A-Z]\w*)\.(?<member>[A-Z]\w*)`")]
    private static partial Regex Members();
}
