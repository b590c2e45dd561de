using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Fathom.Tests.House;

/// <summary>docs/PAINS.md names tests: each is there and is a test, and a row without one says that it is open.</summary>
public partial class PainTests
{
    [Fact]
    public void Every_pain_has_a_test_or_is_called_open()
    {
        string[] rows = [.. File.ReadAllLines(TestFiles.Path("docs", "PAINS.md")).Where(line => Row().IsMatch(line))];
        Assert.Equal(Enumerable.Range(1, 30), rows.Select(row => int.Parse(Row().Match(row).Groups[1].ValueSpan, CultureInfo.InvariantCulture)));
        foreach (string row in rows)
        {
            MatchCollection tests = Named().Matches(row);
            Assert.True(tests.Count > 0 || row.Contains("| Open: ", StringComparison.Ordinal), $"{row}: expected a test, or Open: and why.");
            foreach (Match test in tests)
            {
                Assert.True(IsTest(test.Groups[1].Value, test.Groups[2].Value), $"{test.Value}: expected a test of this name in this file, found none.");
            }
        }
    }

    [Fact]
    public void What_is_no_test_is_seen()
    {
        const string File = "tests/Fathom.Tests/House/PainTests.cs";
        Assert.True(IsTest(File, nameof(What_is_no_test_is_seen)));
        Assert.False(IsTest(File, nameof(IsTest)));
        Assert.False(IsTest("tests/Fathom.Tests/House/None.cs", nameof(IsTest)));
    }

    private static bool IsTest(string file, string method)
    {
        string path = TestFiles.Path(file.Split('/'));
        return File.Exists(path) && Regex.IsMatch(
            File.ReadAllText(path), $@"\[(Fact|Theory)\b[^;{{}}]*?(\s*\[(InlineData|MemberData)\(.*\)\](\s*//.*)?)*\s+public (static )?(async Task|void|Task) {method}\(");
    }

    [GeneratedRegex(@"^\| (\d+) \|")]
    private static partial Regex Row();

    [GeneratedRegex("`(tests/[\\w./]+\\.cs)`, `(\\w+)`")]
    private static partial Regex Named();
}
