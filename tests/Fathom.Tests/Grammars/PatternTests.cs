using System.Text.RegularExpressions;
using CsCheck;
using Fathom.Grammars;
using Xunit;

namespace Fathom.Tests.Grammars;

public class PatternTests
{
    private static readonly Gen<string> s_part = Gen.OneOf(
        "a", "b", ".", "[ab]", "[^a]", "[a-c]", "\\d", "\\w", "\\s", "\\S", "\\.", "(a|bc)", "(?:ab)+", "a?", "b*", "c{2}", "d{1,2}", "é", "\\u00e9", "(a(b|c)*)?", "[\\d-]", "x{0}");

    /// <summary>Against .NET's expressions, on texts that are likely to match.</summary>
    [Fact]
    public void Takes_what_dotnet_takes() =>
        Gen.Select(s_part.Array[1, 4].Array[1, 2], Gen.Bool, Gen.Bool, Gen.Char["abcdé1 .-\n"].Array[0, 6].Array[30]).Sample((choices, begins, ends, texts) =>
        {
            string pattern = string.Join('|', choices.Select(parts => (begins ? "^" : "") + string.Concat(parts) + (ends ? "$" : "")));
            Grammar grammar = Made(pattern);
            foreach (string text in texts.Select(letters => new string(letters)))
            {
                // In ECMAScript $ is the very end, where .NET allows a line end behind it.
                bool expected = Regex.IsMatch(text, pattern.Replace("$", "\\z", StringComparison.Ordinal).Replace(".", "[^\\n]", StringComparison.Ordinal)
                    .Replace("\\[^\\n]", "\\.", StringComparison.Ordinal).Replace("\\d", "[0-9]", StringComparison.Ordinal).Replace("[[0-9]-]", "[0-9-]", StringComparison.Ordinal)
                    .Replace("\\w", "[0-9A-Za-z_]", StringComparison.Ordinal), RegexOptions.CultureInvariant);
                Assert.True(expected == GrammarTexts.Accepts(grammar, text), $"'{pattern}' on '{text}': expected {expected}");
            }
        }, iter: 500);

    [Theory]
    [InlineData("[\\x41\\u0042\\u{1F600}]", "A B 😀", "C")]
    [InlineData("\\$\\^\\/\\-", "$^/-", "$")]
    [InlineData("[^\\D]{3}", "123", "12a")]
    [InlineData("\\0\\t?", "\0 \0\t", "\t")]
    [InlineData("[\\]\\-^]", "] - ^", "a")]
    [InlineData("(a|)b", "ab b", "a")]
    [InlineData("[a-]", "a -", "b")]
    public void Knows_escapes(string pattern, string fits, string others)
    {
        Grammar grammar = Made($"^{pattern}$");
        Assert.All(fits.Split(' '), text => Assert.True(GrammarTexts.Accepts(grammar, text), text));
        Assert.All(others.Split(' '), text => Assert.False(GrammarTexts.Accepts(grammar, text), text));
    }

    [Fact]
    public void Every_character_of_a_range_and_no_other_is_taken_byte_for_byte() =>
        Gen.Select(Gen.Int[0, 0x10FFFF], Gen.Int[0, 0x3000], Gen.Int[0, 0x10FFFF]).Sample((first, length, other) =>
        {
            int last = Math.Min(first + length, 0x10FFFF);
            var builder = new GrammarBuilder();
            int rule = builder.NewRule("range");
            CharacterFragments.Add(builder, builder.Start(rule), CharacterSet.Of((first, last)), Spelling.Plain, builder.End(rule));
            if (first >= 0xD800 && last <= 0xDFFF)
                return;
            Grammar grammar = builder.Build(rule);
            foreach (int candidate in new[] { first, last, first + length / 2, first - 1, last + 1, other })
            {
                if (candidate is < 0 or > 0x10FFFF or >= 0xD800 and <= 0xDFFF)
                    continue;
                Assert.True(GrammarTexts.Accepts(grammar, char.ConvertFromUtf32(candidate)) == (candidate >= first && candidate <= last), $"{candidate:X} in {first:X} to {last:X}");
            }
        });

    private static Grammar Made(string pattern)
    {
        var builder = new GrammarBuilder();
        int rule = builder.NewRule("pattern");
        PatternReader.Read(pattern, "pattern").Add(builder, builder.Start(rule), Spelling.Plain, builder.End(rule));
        return builder.Build(rule);
    }
}
