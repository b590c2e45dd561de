using System.Text;
using System.Text.Json;
using Fathom.Engine;
using Fathom.Grammars;
using Xunit;

namespace Fathom.Tests.Grammars;

public class SchemaErrorTests
{
    [Theory]
    [InlineData("3", "#: expected a schema", "found 3")]
    [InlineData("false", "#: expected a schema", "found false")]
    [InlineData("""{"type":"strin"}""", "#/type", "found \"strin\"")]
    [InlineData("""{"type":7}""", "#/type", "found 7")]
    [InlineData("""{"properties":{"a/b":{"type":"string","maxLenght":3}}}""", "#/properties/a~1b", "maxLenght")]
    [InlineData("""{"type":"string","minimum":3}""", "#: expected no keywords but", "minimum")]
    [InlineData("""{"oneOf":[{"type":"null"}]}""", "#: expected no keyword", "oneOf")]
    [InlineData("""{"anyOf":[]}""", "#/anyOf", "found []")]
    [InlineData("""{"anyOf":[{"type":"null"}],"type":"null"}""", "#: expected no keywords but anyOf", "type")]
    [InlineData("""{"allOf":[true,true]}""", "#/allOf", "found 2")]
    [InlineData("""{"type":"array","uniqueItems":true}""", "#", "uniqueItems")]
    [InlineData("""{"type":"array","minItems":3,"maxItems":2}""", "#", "found 2 and 3")]
    [InlineData("""{"type":"array","maxItems":-1}""", "#/maxItems", "found -1")]
    [InlineData("""{"type":"array","maxItems":1e9}""", "#/maxItems", "found 1e9")]
    [InlineData("""{"type":"string","minLength":3,"maxLength":2}""", "#", "found 2 and 3")]
    [InlineData("""{"type":"string","format":"uri"}""", "#/format: expected date, time", "found uri")]
    [InlineData("""{"type":"string","pattern":"a","maxLength":3}""", "#: expected either a pattern", "found both")]
    [InlineData("""{"type":"string","pattern":"(a"}""", "#/pattern", "found the end")]
    [InlineData("""{"type":"string","pattern":"a{3,2}"}""", "#/pattern", "n no larger than m")]
    [InlineData("""{"type":"string","pattern":"(?=a)"}""", "#/pattern", "looking around")]
    [InlineData("""{"type":"string","pattern":"(a)\\1"}""", "#/pattern", "references back")]
    [InlineData("""{"type":"string","pattern":"a^b"}""", "#/pattern", "found '^'")]
    [InlineData("""{"type":"string","pattern":"[z-a]"}""", "#/pattern", "upwards")]
    [InlineData("""{"type":"string","pattern":"^[^\\s\\S]$"}""", "#: expected a schema that some value", "contradict itself")]
    [InlineData("""{"type":"integer","minimum":1.2,"maximum":1.8}""", "#: expected a schema that some value", "contradict itself")]
    [InlineData("""{"type":"integer","minimum":"1"}""", "#/minimum", "found \"1\"")]
    [InlineData("""{"type":"integer","maximum":1e30}""", "#/maximum", "18 digits")]
    [InlineData("""{"type":"integer","multipleOf":0}""", "#/multipleOf", "found 0")]
    [InlineData("""{"type":"number","multipleOf":0.3}""", "#/multipleOf", "found 0.3")]
    [InlineData("""{"enum":[]}""", "#: expected an enum or const with a value", "found none")]
    [InlineData("""{"type":"string","enum":[1]}""", "#: expected an enum or const with a value", "found none")]
    [InlineData("""{"enum":"a"}""", "#/enum", "found \"a\"")]
    [InlineData("""{"properties":[]}""", "#/properties", "found []")]
    [InlineData("""{"properties":{"a":true},"required":["b"]}""", "#/required", "found b")]
    [InlineData("""{"properties":{"a":true},"required":"a"}""", "#/required", "found \"a\"")]
    [InlineData("""{"properties":{"a":true,"a":true}}""", "#/properties/a", "twice")]
    [InlineData("""{"$ref":"#/$defs/x"}""", "#/$ref", "there is no $defs")]
    [InlineData("""{"$ref":"http://x"}""", "#/$ref", "begins otherwise")]
    [InlineData("""{"$ref":"#"}""", "#/$ref", "back to itself")]
    [InlineData("""{"anyOf":[{"type":"null"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}""", "#/$defs/b/$ref", "back to itself")]
    [InlineData("""{"properties":{"next":{"$ref":"#"}},"required":["next"]}""", "#: expected a schema that some value", "need itself")]
    [InlineData("""{"type":"array","items":{"$ref":"#"},"minItems":1}""", "#: expected a schema that some value", "need itself")]
    public void Says_where_and_what(string schema, string where, string what)
    {
        RequestException problem = Assert.Throws<RequestException>(() => GrammarTexts.Schema(schema));
        Assert.StartsWith(where, problem.Message, StringComparison.Ordinal);
        Assert.Contains(what, problem.Message, StringComparison.Ordinal);
        Assert.Contains("expected", problem.Message, StringComparison.Ordinal);
        Assert.Contains("found", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type":"string","maxLength":200000}""")]
    [InlineData("""{"type":"string","pattern":"(((a{500}){500}){500}){500}"}""")]
    [InlineData("""{"type":"string","pattern":"(((){900}){900}){900}"}""")]
    [InlineData("""{"type":"array","maxItems":100000,"items":{"type":"array","maxItems":100000}}""")]
    public void Schemas_that_unroll_without_measure_are_refused(string schema) =>
        Assert.Contains("positions", Assert.Throws<RequestException>(() => GrammarTexts.Schema(schema)).Message, StringComparison.Ordinal);

    [Fact]
    public void Choices_of_choices_of_choices_are_refused_or_merged()
    {
        Assert.Contains("deep", Assert.Throws<RequestException>(() => JsonGrammar.FromSchema(Parse(Nested("{\"anyOf\":[", "]}", 900)))).Message, StringComparison.Ordinal);
        // Each definition names the next one twice: 2^60 ways to the same null.
        var doubling = new StringBuilder("{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
        for (int i = 0; i < 60; i++)
            doubling.Append(System.Globalization.CultureInfo.InvariantCulture, $"\"d{i}\":{{\"anyOf\":[{{\"$ref\":\"#/$defs/d{i + 1}\"}},{{\"$ref\":\"#/$defs/d{i + 1}\"}}]}},");
        doubling.Append("\"d60\":{\"type\":\"null\"}}}");
        Assert.True(GrammarTexts.Accepts(JsonGrammar.FromSchema(Parse(doubling.ToString())), "null"));
    }

    [Fact]
    public void Deep_schemas_and_huge_enums_are_read_in_one_pass()
    {
        Grammar deep = JsonGrammar.FromSchema(Parse(Nested("{\"type\":\"array\",\"items\":", "}", 3000)));
        Assert.True(GrammarTexts.Accepts(deep, new string('[', 3000) + new string(']', 3000)));
        Grammar many = JsonGrammar.FromSchema(Parse($"{{\"enum\":[{string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"word{i}\""))}]}}"));
        Assert.True(GrammarTexts.Accepts(many, "\"word19999\""));
        Assert.False(GrammarTexts.Accepts(many, "\"word20000\""));
    }

    [Fact]
    public void A_grammar_of_many_readings_keeps_a_way_on()
    {
        // Every level can be either of two kinds until its last property is seen.
        Grammar grammar = GrammarTexts.Schema("""
            {"$ref":"#/$defs/n","$defs":{"n":{"anyOf":[{"type":"integer"},
            {"type":"object","properties":{"c":{"$ref":"#/$defs/n"},"x":{"type":"integer"}},"required":["c","x"]},
            {"type":"object","properties":{"c":{"$ref":"#/$defs/n"},"x":{"type":"null"}},"required":["c","x"]}]}}}
            """);
        var states = new GrammarStates(grammar);
        GrammarState? state = states.Start;
        foreach (byte next in Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"c\":", 40))))
        {
            state = states.Step(state!, next);
            Assert.NotNull(state);
            Assert.InRange(state.Places.Length, 1, GrammarStates.PlacesMax);
        }

        foreach (byte next in Encoding.UTF8.GetBytes("1"))
            Assert.NotNull(state = states.Step(state!, next));
    }

    private static string Nested(string open, string close, int depth) =>
        string.Concat(Enumerable.Repeat(open, depth)) + "{\"type\":\"null\"}" + string.Concat(Enumerable.Repeat(close, depth));

    private static JsonElement Parse(string json) => JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 10_000 }).RootElement;
}
