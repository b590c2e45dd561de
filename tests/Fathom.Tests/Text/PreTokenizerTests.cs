using System.Text;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Text;

public class PreTokenizerTests
{
    internal static List<byte[]> Split(ReadOnlySpan<byte> text)
    {
        var pieces = new List<byte[]>();
        var splitter = new PreTokenizer(text);
        while (splitter.MoveNext())
            pieces.Add(text[splitter.Start..splitter.End].ToArray());
        return pieces;
    }

    internal static string[] Split(string text) => [.. Split(Encoding.UTF8.GetBytes(text)).Select(Encoding.UTF8.GetString)];

    [Theory]
    [InlineData("1234567", new[] { "123", "456", "7" })]
    [InlineData("a1b", new[] { "a", "1", "b" })]
    [InlineData("②½Ⅳ², 4", new[] { "②½Ⅳ", "²", ",", " ", "4" })]
    [InlineData("a  1", new[] { "a", "  ", "1" })]
    [InlineData("a  b", new[] { "a", " ", " b" })]
    [InlineData("a  中b", new[] { "a", "  ", "中", "b" })]
    [InlineData("中・文", new[] { "中", "・", "文" })]
    [InlineData("x\u3040あ", new[] { "x", "\u3040あ" })]
    [InlineData("'s it's 'é 'sé", new[] { "'s", " it", "'s", " '", "é", " '", "sé" })]
    [InlineData("!!a !a", new[] { "!!", "a", " !", "a" })]
    [InlineData("a->b\r\n\n c", new[] { "a", "->", "b", "\r\n\n", " c" })]
    [InlineData("a; \n \n  b", new[] { "a", ";", " \n \n", " ", " b" })]
    [InlineData("};\n\nx", new[] { "};\n\n", "x" })]
    [InlineData("tail  ", new[] { "tail", "  " })]
    [InlineData("\t\u00a0word", new[] { "\t", "\u00a0word" })]
    [InlineData("\u0001\u0002a\u0003 !", new[] { "\u0001", "\u0002a", "\u0003", " !" })]
    [InlineData("\u0001\u00021", new[] { "\u0001\u0002", "1" })]
    [InlineData("e\u0301\u0301f", new[] { "e\u0301\u0301f" })]
    [InlineData("\u200dab", new[] { "\u200dab" })]
    public void Splits_as_the_three_expressions_say(string text, string[] pieces) => Assert.Equal(pieces, Split(text));

    [Theory]
    [InlineData("a😀👍🏽b", new[] { "a", "😀👍🏽", "b" })]                  // So, So Sk: symbols
    [InlineData(" 😀\n", new[] { " 😀\n" })]
    [InlineData("x𝒳𠀀y 𠀀", new[] { "x𝒳𠀀y", " 𠀀" })]                     // Lu and Lo; 𠀀 is outside the Chinese range of the expression
    [InlineData("𝟏𝟐𝟑𝟒a", new[] { "𝟏𝟐𝟑", "𝟒", "a" })]                    // Nd
    [InlineData("👨\u200d👩", new[] { "👨", "\u200d", "👩" })]              // a joiner is neither mark nor symbol
    [InlineData("a\U0001D165b", new[] { "a\U0001D165b" })]                  // Mc
    [InlineData("\U000E0001\U000E0020x", new[] { "\U000E0001", "\U000E0020x" })]    // Cf
    [InlineData("❤\uFE0Fa", new[] { "❤", "\uFE0Fa" })]                      // a selector is a mark, so it begins the next piece
    public void Characters_beyond_the_basic_plane_count_as_what_they_are(string text, string[] pieces) => Assert.Equal(pieces, Split(text));

    [Fact]
    public void A_byte_that_is_no_character_is_a_piece_of_its_own()
    {
        byte[][] expected = [[.. "ab"u8], [0xFF], [0xE4], [0xB8], [.. "  "u8], [0xC0], [0x80], [.. "c"u8], [0xED], [0xA0], [0x80]];

        Assert.Equal(expected, Split([.. "ab"u8, 0xFF, 0xE4, 0xB8, .. "  "u8, 0xC0, 0x80, .. "c"u8, 0xED, 0xA0, 0x80]));
    }

    [Fact]
    public void An_empty_text_has_no_pieces() => Assert.Empty(Split(""));
}
