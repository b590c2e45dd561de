using Fathom.Tools;
using Xunit;

namespace Fathom.Tests.House;

public class SourceSizeTests
{
    [Fact]
    public void Every_file_and_method_keeps_its_limit()
    {
        IReadOnlyList<SourceFile> files = SourceSize.Measure(TestFiles.Path());
        Assert.True(files.Count > 20, $"only {files.Count} files found below {TestFiles.Path()}");
        string[] violations = [.. SourceSize.Violations(files)];
        Assert.True(violations.Length == 0, string.Join('\n', violations));
    }

    [Fact]
    public void A_long_method_is_found_and_named()
    {
        string body = string.Concat(Enumerable.Repeat("        Step();\n", 58));
        SourceFile file = SourceSize.Read("X.cs", $"namespace N;\n\nclass C\n{{\n    [Fact]\n    void Long(int x)\n    {{\n{body}    }}\n}}\n");
        Member member = Assert.Single(file.Members);
        Assert.Equal(new Member("Long", FirstLine: 6, Lines: 61), member);
        Assert.Contains("Long has 61 lines", Assert.Single(SourceSize.Violations([file])), StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_file_needs_a_reason()
    {
        string text = string.Concat(Enumerable.Repeat("\n", 400)) + "class C;\n";
        Assert.Single(SourceSize.Violations([SourceSize.Read("X.cs", text)]));
        Assert.Empty(SourceSize.Violations([SourceSize.Read("X.cs", "// size: one table\n" + text)]));
        Assert.Single(SourceSize.Violations([SourceSize.Read("X.cs", "// size: \n" + text)]));
    }

    [Theory]
    [InlineData("""class C { void A() { var s = "{ { {"; } void B() { } }""")]
    [InlineData("""class C { void A() { var s = $"{x:N0} {{ {(y ? "}" : "{")}"; } void B() { } }""")]
    [InlineData("""class C { void A() { var s = @"\"; var t = @"a "" {"; } void B() { } }""")]
    [InlineData("""class C { void A() { char c = '{', d = '\'', e = '"'; } void B() { } }""")]
    [InlineData("class C { void A() { // {\n /* { */ } void B() { } }")]
    [InlineData("class C { void A() { var s = \"\"\"\n { \" {\n \"\"\"; } void B() { } }")]
    [InlineData("class C { void A() { var s = $$\"\"\"\n { {{x}} {\n \"\"\"; } void B() { } }")]
    [InlineData("""class C { int[] t = [1]; Dictionary<int, int> d = new() { [1] = 2 }; void A() { } void B<T>() where T : struct { } }""")]
    [InlineData("""namespace N { class C { string s = ""; int A() => x switch { 1 => 2, _ => 3 }; int B { get => 1; set { } } } }""")]
    public void Two_members_are_seen_through_strings_comments_and_data(string source) =>
        Assert.Equal(["A", "B"], SourceSize.Read("X.cs", source).Members.Select(m => m.Name.Replace("<T>", "", StringComparison.Ordinal)));

    [Fact]
    public void Top_level_statements_count_as_one_method()
    {
        SourceFile file = SourceSize.Read("X.cs", "using System;\n\nint x = 1;\nif (x > 0)\n{\n    Say();\n}\n\nreturn 0;\n\nclass C { }\n");
        Assert.Equal(new Member("top-level statements", FirstLine: 3, Lines: 7), Assert.Single(file.Members));
    }
}
