using System.Text.RegularExpressions;
using CsCheck;
using Xunit;

namespace Fathom.Tests.Text;

public class PreTokenizerProperties
{
    // The expressions as tokenizer.json has them. The runtime's engine sees UTF-16 units, so the law is for text without surrogates.
    private static readonly Regex[] s_expressions =
    [
        new(@"\p{N}{1,3}", RegexOptions.CultureInvariant),
        new("[一-龥\u3040-\u309f\u30a0-\u30ff]+", RegexOptions.CultureInvariant),
        new("""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
            RegexOptions.CultureInvariant),
    ];

    private static readonly Gen<char> s_character = Gen.OneOf<char>(
        Gen.OneOf(" \n\r\t\u000b\u0085\u00a0\u2028\u3000".ToCharArray()),
        Gen.OneOf(" \na1中!'".ToCharArray()),
        Gen.OneOf("é\u0301\u0001\u200d\u0378²½Ⅳ①٣々〇・゛゠\u3040\u3097ヿ龥龦㐀，｜▁№€".ToCharArray()),
        Gen.Char['\0', '\u007f'],
        Gen.Char['\0', '\ud7ff'],
        Gen.Char['\ue000', '\uffff']);

    [Fact]
    public void Splits_like_the_regular_expressions() =>
        s_character.Array[0, 40].Select(characters => new string(characters)).Sample(
            text => Assert.Equal(Reference(text), PreTokenizerTests.Split(text)), iter: 20_000);

    [Fact]
    public void Every_character_alone_and_between_others_splits_like_the_regular_expressions()
    {
        for (int value = 0; value <= 0xFFFF; value++)
        {
            if (value is >= 0xD800 and <= 0xDFFF)
                continue;
            string text = $"a{(char)value}b{(char)value} {(char)value}{(char)value}!";
            if (!Reference(text).AsSpan().SequenceEqual(PreTokenizerTests.Split(text)))
                Assert.Fail($"U+{value:X4}: [{string.Join('|', Reference(text))}] expected, [{string.Join('|', PreTokenizerTests.Split(text))}] found");
        }
    }

    [Fact]
    public void Pieces_joined_are_the_input() =>
        TokenizerProperties.Bytes.Sample(text =>
        {
            List<byte[]> pieces = PreTokenizerTests.Split(text);
            Assert.Equal(text, pieces.SelectMany(piece => piece));
            Assert.DoesNotContain(pieces, piece => piece.Length == 0);
        });

    private static string[] Reference(string text)
    {
        string[] pieces = [text];
        foreach (Regex expression in s_expressions)
            pieces = [.. pieces.SelectMany(piece => Isolate(expression, piece))];
        return pieces;
    }

    private static IEnumerable<string> Isolate(Regex expression, string text)
    {
        int end = 0;
        foreach (Match match in expression.Matches(text))
        {
            if (match.Index > end)
                yield return text[end..match.Index];
            yield return match.Value;
            end = match.Index + match.Length;
        }

        if (end < text.Length)
            yield return text[end..];
    }
}
