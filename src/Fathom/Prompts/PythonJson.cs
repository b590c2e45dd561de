using System.Globalization;
using System.Text;

namespace Fathom.Prompts;

/// <summary>
/// A JSON value as Python's json module reads it and writes it back with ensure_ascii=False: the model was trained on that style.
/// Numbers are rewritten (1e5 → 100000.0), integers keep any size, a repeated key keeps its first place and its last value.
/// A lone surrogate escape (\ud800) is kept as one UTF-16 unit, as Python keeps it; the encoder refuses it later, because it has no UTF-8 form.
/// </summary>
internal abstract record PythonJson
{
    private PythonJson()
    {
    }

    /// <summary>A string, unescaped.</summary>
    public sealed record Text(string Value) : PythonJson;

    /// <summary>A number, true, false or null, already in Python's spelling.</summary>
    public sealed record Literal(string Spelling) : PythonJson;

    /// <summary>An array.</summary>
    public sealed record Array(List<PythonJson> Items) : PythonJson;

    /// <summary>An object; keys in order of first appearance.</summary>
    public sealed record Map(OrderedDictionary<string, PythonJson> Entries) : PythonJson;

    /// <summary>True for what Python's «if value:» skips; the encoder writes no response format then.</summary>
    public bool IsFalsy => this switch
    {
        Text text => text.Value.Length == 0,
        Literal literal => literal.Spelling is "null" or "false" or "0" or "0.0" or "-0.0",
        Array array => array.Items.Count == 0,
        Map map => map.Entries.Count == 0,
        _ => false,
    };

    /// <summary>Reads one JSON value that fills the whole text.</summary>
    /// <exception cref="FormatException">The text is not JSON; the message says where and what was expected.</exception>
    /// <exception cref="PromptException">It is nested too deep for our stack.</exception>
    public static PythonJson Parse(string json) => new PythonJsonReader(json).ReadWhole();

    /// <summary>The value as json.dumps(value, ensure_ascii=False) writes it.</summary>
    public string Write()
    {
        var output = new StringBuilder();
        Write(output);
        return output.ToString();
    }

    /// <summary>A string with its quotes and Python's escapes: those of the control characters, the quote and the backslash.</summary>
    public static string Quote(string text)
    {
        var output = new StringBuilder(text.Length + 2);
        WriteText(text, output);
        return output.ToString();
    }

    /// <summary>The start of a text in quotes, for errors: the whole may be megabytes long and hostile.</summary>
    public static string QuoteStart(string text)
    {
        const int CharactersMax = 60;
        if (text.Length <= CharactersMax)
            return Quote(text);
        int length = char.IsHighSurrogate(text[CharactersMax - 1]) ? CharactersMax - 1 : CharactersMax;
        return Quote(text[..length]) + "…";
    }

    /// <summary>A double as Python's repr spells it: shortest digits that round-trip, an exponent below 1e-4 and from 1e16 on.</summary>
    internal static string Spell(double value)
    {
        if (double.IsNaN(value))
            return "NaN";
        if (double.IsInfinity(value))
            return value > 0 ? "Infinity" : "-Infinity";
        if (value == 0)
            return double.IsNegative(value) ? "-0.0" : "0.0";

        // «R» gives the same shortest digits but another layout, so take digits and exponent apart and lay them out again.
        string shortest = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        int e = shortest.IndexOf('E', StringComparison.Ordinal);
        string mantissa = e < 0 ? shortest : shortest[..e];
        int exponent = e < 0 ? 0 : int.Parse(shortest.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        int dot = mantissa.IndexOf('.', StringComparison.Ordinal);
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        int point = (dot < 0 ? mantissa.Length : dot) + exponent;      // the value is 0.digits · 10^point
        int zeros = digits.Length - digits.TrimStart('0').Length;
        digits = digits[zeros..].TrimEnd('0');
        point -= zeros;
        return (value < 0 ? "-" : "") + Layout(digits, point);
    }

    private static string Layout(string digits, int point)
    {
        if (point is <= -4 or > 16)
        {
            int exponent = point - 1;
            string fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture)}";
        }
        if (point <= 0)
            return "0." + new string('0', -point) + digits;
        return point >= digits.Length
            ? digits + new string('0', point - digits.Length) + ".0"
            : digits[..point] + "." + digits[point..];
    }

    private void Write(StringBuilder output)
    {
        switch (this)
        {
            case Text text:
                WriteText(text.Value, output);
                break;
            case Literal literal:
                output.Append(literal.Spelling);
                break;
            case Array array:
                output.Append('[');
                for (int i = 0; i < array.Items.Count; i++)
                {
                    output.Append(i > 0 ? ", " : "");
                    array.Items[i].Write(output);
                }
                output.Append(']');
                break;
            case Map map:
                output.Append('{');
                for (int i = 0; i < map.Entries.Count; i++)
                {
                    (string key, PythonJson value) = map.Entries.GetAt(i);
                    output.Append(i > 0 ? ", " : "");
                    WriteText(key, output);
                    output.Append(": ");
                    value.Write(output);
                }
                output.Append('}');
                break;
        }
    }

    private static void WriteText(string text, StringBuilder output)
    {
        output.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => output.Append("\\\""),
                '\\' => output.Append("\\\\"),
                '\n' => output.Append("\\n"),
                '\r' => output.Append("\\r"),
                '\t' => output.Append("\\t"),
                '\b' => output.Append("\\b"),
                '\f' => output.Append("\\f"),
                < ' ' => output.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => output.Append(c),
            };
        }
        output.Append('"');
    }
}
