using System.Globalization;
using CsCheck;
using Fathom.Prompts;
using Xunit;

namespace Fathom.Tests.Prompts;

/// <summary>Expected texts are what CPython prints for json.dumps(json.loads(x), ensure_ascii=False).</summary>
public class PythonJsonTests
{
    [Theory]
    [InlineData("1e5", "100000.0")]
    [InlineData("1E-7", "1e-07")]
    [InlineData("0.0001", "0.0001")]
    [InlineData("0.00001", "1e-05")]
    [InlineData("0.000123456", "0.000123456")]
    [InlineData("1e15", "1000000000000000.0")]
    [InlineData("1e16", "1e+16")]
    [InlineData("9999999999999998.0", "9999999999999998.0")]
    [InlineData("12345678901234567.0", "1.2345678901234568e+16")]
    [InlineData("1.50", "1.5")]
    [InlineData("0.1", "0.1")]
    [InlineData("123.456e2", "12345.6")]
    [InlineData("1e100", "1e+100")]
    [InlineData("1.7976931348623157e308", "1.7976931348623157e+308")]
    [InlineData("5e-324", "5e-324")]
    [InlineData("1e400", "Infinity")]
    [InlineData("-1e400", "-Infinity")]
    [InlineData("1e-400", "0.0")]
    [InlineData("-0.0", "-0.0")]
    [InlineData("-0", "0")]
    [InlineData("-12.5", "-12.5")]
    [InlineData("1000.0", "1000.0")]
    [InlineData("12345678901234567890123456789", "12345678901234567890123456789")]
    [InlineData("NaN", "NaN")]
    [InlineData("-Infinity", "-Infinity")]
    public void Spells_numbers_as_Python(string json, string expected) => Assert.Equal(expected, PythonJson.Parse(json).Write());

    [Theory]
    [InlineData(@"""\u00e9""", "\"é\"")]
    [InlineData(@"""\ud83d\ude00""", "\"😀\"")]
    [InlineData(@"""\/""", "\"/\"")]
    [InlineData(@"""\b\f\n\r\t\""\\""", @"""\b\f\n\r\t\""\\""")]
    [InlineData(@"""\u0001\u001f""", @"""\u0001\u001f""")]
    [InlineData(@"""\u007f\u2028""", "\"\u007f\u2028\"")]
    public void Writes_text_with_Pythons_escapes_only(string json, string expected) => Assert.Equal(expected, PythonJson.Parse(json).Write());

    [Fact]
    public void Keeps_a_lone_surrogate_escape_as_one_unit() => Assert.Equal("\"\ud800\"", PythonJson.Parse(@"""\ud800""").Write());

    [Theory]
    [InlineData(" {\"b\":1,\t\"a\":[true,false,null] }\r\n", "{\"b\": 1, \"a\": [true, false, null]}")]
    [InlineData("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\": 3, \"b\": 2}")]
    [InlineData("[[],{},[{}]]", "[[], {}, [{}]]")]
    [InlineData("{\"\":{\"x\":[1,\"two\"]}}", "{\"\": {\"x\": [1, \"two\"]}}")]
    public void Writes_structure_with_Pythons_separators(string json, string expected) => Assert.Equal(expected, PythonJson.Parse(json).Write());

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("{")]
    [InlineData("{\"a\":1,}")]
    [InlineData("[1,]")]
    [InlineData("{a:1}")]
    [InlineData("01")]
    [InlineData("1.")]
    [InlineData(".5")]
    [InlineData("+1")]
    [InlineData("1e")]
    [InlineData("-")]
    [InlineData("'a'")]
    [InlineData("\"a")]
    [InlineData("\"a\nb\"")]
    [InlineData("\"\\x\"")]
    [InlineData("\"\\u12g4\"")]
    [InlineData("\"\\")]
    [InlineData("1 2")]
    [InlineData("\ufeff1")]
    [InlineData("\u00a01")]
    [InlineData("nul")]
    public void Refuses_what_Python_refuses(string json) =>
        Assert.Contains("expected", Assert.Throws<FormatException>(() => PythonJson.Parse(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void Spells_every_double_so_that_it_reads_back() => Gen.Double.Where(double.IsFinite).Sample(
        value => Assert.Equal(value, double.Parse(PythonJson.Spell(value), CultureInfo.InvariantCulture)), iter: 20_000);

    [Fact]
    public void Writing_is_stable() => Gen.Double.Where(double.IsFinite).Sample(value =>
    {
        string once = PythonJson.Parse(value.ToString("E16", CultureInfo.InvariantCulture)).Write();
        Assert.Equal(once, PythonJson.Parse(once).Write());
    }, iter: 5_000);

    [Fact]
    public void Refuses_integers_that_Python_refuses_by_their_length()
    {
        Assert.Equal(4300, PythonJson.Parse(new string('7', 4300)).Write().Length);
        Assert.Throws<FormatException>(() => PythonJson.Parse(new string('7', 4301)));
    }

    [Fact]
    public void Refuses_nesting_that_would_endanger_the_stack()
    {
        PythonJson.Parse(new string('[', 500) + new string(']', 500));
        Assert.Throws<PromptException>(() => PythonJson.Parse(new string('[', 100_000)));
    }
}
