using Fathom.Grammars;
using Xunit;

namespace Fathom.Tests.Grammars;

public class JsonGrammarTests
{
    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]}""",
        new[] { """{"a":1}""", """{"a": 1, "b": "x"}""", "{\n  \"a\": 1,\n  \"b\": \"\"\n}", """{ "a":-7 }""" },
        new[] { "{}", """{"b":"x","a":1}""", """{"a":1,}""", """{"a":1.5}""", """{"a":1,"c":2}""", """{  "a":1}""", """ {"a":1}""", """{"a":1} """, """{"a" :1}""" })]
    [InlineData("""{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}}}""",
        new[] { "{}", """{"b":null}""", """{"a":null,"c":null}""", """{"a":null,"b":null,"c":null}""" },
        new[] { """{,"b":null}""", """{"c":null,"a":null}""", """{"a":null"b":null}""" })]
    [InlineData("""{"type":"object","properties":{"ab":{"type":"null"}},"additionalProperties":{"type":"integer"}}""",
        new[] { """{"ab":null,"a":1,"abc":2,"":3,"ac":4,"\n":5}""", """{"x":1}""" },
        new[] { """{"ab":1}""", """{"\u0061b":1}""", """{"x":null}""" })]
    [InlineData("""{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":3}""",
        new[] { "[true]", "[true, false]", "[\n true,\n false,\n true\n]" }, new[] { "[]", "[true,true,true,true]", "[true true]", "[true,]", "[1]" })]
    [InlineData("""{"type":"array","minItems":2}""", new[] { "[1,{}]", """[[],{"a":[null]},"x"]""" }, new[] { "[]", "[1]" })]
    [InlineData("""{"type":"array","maxItems":0}""", new[] { "[]" }, new[] { "[1]", "[ ]" })]
    [InlineData("""{"enum":["a","ab",1,12,null,{"k":[1,2]}]}""",
        new[] { "\"a\"", "\"ab\"", "1", "12", "null", """{"k":[1,2]}""" }, new[] { "\"abc\"", "2", "\"\"", "\"a" })]
    [InlineData("""{"type":"string","enum":["a",1]}""", new[] { "\"a\"" }, new[] { "1" })]
    [InlineData("""{"const":"Grüße \"x\"\n😀"}""", new[] { """
        "Grüße \"x\"\n😀"
        """ }, new[] { "\"Gr\"" })]
    [InlineData("""{"type":["integer","null"]}""", new[] { "0", "null", "-3" }, new[] { "-0", "01", "1.0", "\"\"" })]
    [InlineData("""{"type":"number"}""", new[] { "0", "-0.5", "1e9", "1.25E-07" }, new[] { "01", ".5", "1.", "+1", "1e999" })]
    [InlineData("true", new[] { "1", "[{\"a\":null}]", "\"\\u00e9\\ud83d\\ude00/\\/\"" }, new[] { "\"\\ud83d\"", "\"\n\"", "\"\\x\"", "nul" })]
    [InlineData("""{"anyOf":[{"type":"string","maxLength":2},{"$ref":"#/$defs/n"}],"$defs":{"n":{"type":"object","properties":{"n":{"$ref":"#"}},"required":["n"]}}}""",
        new[] { "\"東京\"", "\"😀\\n\"", """{"n":{"n":"ab"}}""" }, new[] { "\"abc\"", """{"n":{}}""" })]
    [InlineData("""{"allOf":[{"type":"boolean"}],"title":"t","x-order":1}""", new[] { "true" }, new[] { "1" })]
    public void Holds_to_the_schema(string schema, string[] fits, string[] others)
    {
        Grammar grammar = GrammarTexts.Schema(schema);
        Assert.All(fits, text => Assert.True(GrammarTexts.Accepts(grammar, text), text));
        Assert.All(others, text => Assert.False(GrammarTexts.Accepts(grammar, text), text));
    }

    [Theory]
    [InlineData("date", "2024-02-29 1999-12-31 2000-02-29", "2023-02-29 1900-02-29 2024-13-01 2024-04-31 24-01-01 0000-01-01")]
    [InlineData("time", "23:59:59Z 00:00:00.5+01:00", "24:00:00Z 12:00Z 12:00:00")]
    [InlineData("date-time", "2024-02-29T12:30:00Z", "2024-02-30T12:30:00Z 2024-02-29")]
    [InlineData("email", "a.b+c@example.com x@y.zz", "a@b @b.c a..b@c.de a@-b.de")]
    [InlineData("hostname", "example.com a-b x", "-a a- a..b a_b")]
    [InlineData("ipv4", "0.0.0.0 255.10.9.1", "256.1.1.1 1.2.3 01.2.3.4")]
    [InlineData("ipv6", "::1 :: 1:2:3:4:5:6:7:8 fe80::1 1:: 1:2:3:4:5:6:7::", "1:2 1::2::3 12345:: 1:2:3:4:5:6:7:8:9 :::")]
    [InlineData("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000 123e4567-e89b-12d3-a456-42661417400g")]
    public void Holds_to_formats(string format, string fits, string others)
    {
        Grammar grammar = GrammarTexts.Schema($$"""{"type":"string","format":"{{format}}"}""");
        Assert.All(fits.Split(' '), text => Assert.True(GrammarTexts.Accepts(grammar, $"\"{text}\""), text));
        Assert.All(others.Split(' '), text => Assert.False(GrammarTexts.Accepts(grammar, $"\"{text}\""), text));
    }

    [Fact]
    public void Blanks_end()
    {
        Grammar grammar = GrammarTexts.Schema("""{"type":"array"}""");
        Assert.True(GrammarTexts.Accepts(grammar, $"[\n{new string(' ', 40)}1]"));
        Assert.False(GrammarTexts.Accepts(grammar, $"[\n{new string(' ', 41)}1]"));
        Assert.False(GrammarTexts.Accepts(grammar, "[\n\n1]"));
    }

    [Fact]
    public void A_reference_may_nest_as_deep_as_the_model_likes()
    {
        Grammar grammar = GrammarTexts.Schema("""{"type":"array","items":{"$ref":"#"}}""");
        Assert.True(GrammarTexts.Accepts(grammar, new string('[', 5000) + new string(']', 5000)));
        Assert.False(GrammarTexts.Accepts(grammar, new string('[', 5000) + new string(']', 4999)));
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}""", 8)]     // {"a":""}
    [InlineData("""{"type":"integer","minimum":100}""", 3)]
    [InlineData("""{"type":"string","format":"uuid"}""", 38)]
    public void Knows_the_shortest_text(string schema, int length) => Assert.Equal(length, GrammarTexts.Schema(schema).ShortestLength);
}
