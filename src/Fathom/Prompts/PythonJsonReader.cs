using System.Globalization;
using System.Text;

namespace Fathom.Prompts;

/// <summary>
/// Reads JSON as Python's json.loads does, which is not what RFC 8259 or System.Text.Json do: NaN, Infinity and -Infinity are values,
/// a float too large is Infinity, lone surrogate escapes pass, and an integer of more than 4,300 digits is refused.
/// </summary>
internal ref struct PythonJsonReader(string json)
{
    /// <summary>Our own limit: Python's depends on its stack. Deeper text is an error even where text that is not JSON would pass.</summary>
    public const int DepthMax = 500;

    /// <summary>Python's default limit for the conversion of an integer.</summary>
    public const int IntegerDigitsMax = 4300;

    private int _at;
    private int _depth;

    /// <summary>One value and nothing after it but blanks.</summary>
    public PythonJson ReadWhole()
    {
        SkipBlanks();
        PythonJson value = ReadValue();
        SkipBlanks();
        if (_at < json.Length)
            throw Unexpected("the end");
        return value;
    }

    private readonly char Current => _at < json.Length ? json[_at] : '\0';

    private PythonJson ReadValue()
    {
        switch (Current)
        {
            case '{':
                return Nested(ref this, static (ref r) => r.ReadMap());
            case '[':
                return Nested(ref this, static (ref r) => r.ReadArray());
            case '"':
                return new PythonJson.Text(ReadText());
            case '-' or (>= '0' and <= '9') when !StartsWith("-Infinity"):
                return ReadNumber();
        }
        foreach (string word in (ReadOnlySpan<string>)["true", "false", "null", "NaN", "Infinity", "-Infinity"])
        {
            if (!StartsWith(word))
                continue;
            _at += word.Length;
            return new PythonJson.Literal(word);
        }
        throw Unexpected("a value");
    }

    private delegate PythonJson Read(ref PythonJsonReader reader);

    private static PythonJson Nested(ref PythonJsonReader reader, Read read)
    {
        if (++reader._depth > DepthMax)
            throw new PromptException($"JSON: expected at most {DepthMax} levels, found more at character {reader._at}; flatten the value.");
        PythonJson value = read(ref reader);
        reader._depth--;
        return value;
    }

    private PythonJson.Map ReadMap()
    {
        var entries = new OrderedDictionary<string, PythonJson>();
        _at++;
        SkipBlanks();
        if (TryTake('}'))
            return new PythonJson.Map(entries);
        while (true)
        {
            if (Current != '"')
                throw Unexpected("a key in double quotes");
            string key = ReadText();
            SkipBlanks();
            if (!TryTake(':'))
                throw Unexpected("':'");
            SkipBlanks();
            entries[key] = ReadValue();                 // a repeated key keeps its place and takes the later value
            SkipBlanks();
            if (TryTake('}'))
                return new PythonJson.Map(entries);
            if (!TryTake(','))
                throw Unexpected("',' or '}'");
            SkipBlanks();
        }
    }

    private PythonJson.Array ReadArray()
    {
        var items = new List<PythonJson>();
        _at++;
        SkipBlanks();
        if (TryTake(']'))
            return new PythonJson.Array(items);
        while (true)
        {
            items.Add(ReadValue());
            SkipBlanks();
            if (TryTake(']'))
                return new PythonJson.Array(items);
            if (!TryTake(','))
                throw Unexpected("',' or ']'");
            SkipBlanks();
        }
    }

    private string ReadText()
    {
        var text = new StringBuilder();
        _at++;
        while (true)
        {
            if (_at >= json.Length)
                throw Unexpected("the closing quote");
            char c = json[_at];
            if (c < ' ')
                throw Unexpected("a control character to be escaped");
            _at++;
            if (c == '"')
                return text.ToString();
            text.Append(c == '\\' ? ReadEscape() : c);
        }
    }

    private char ReadEscape()
    {
        char c = Current;
        _at++;
        switch (c)
        {
            case '"' or '\\' or '/':
                return c;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u' when _at + 4 <= json.Length
                && ushort.TryParse(json.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort unit):
                _at += 4;
                return (char)unit;
        }
        _at--;
        throw Unexpected("an escape (\", \\, /, b, f, n, r, t or u with four hex digits)");
    }

    private PythonJson.Literal ReadNumber()
    {
        int start = _at;
        TryTake('-');
        int digitsStart = _at;
        if (!TryTake('0'))
            SkipDigits();
        int digits = _at - digitsStart;
        if (digits == 0)
            throw Unexpected("a digit");
        bool isFloat = TrySkipFraction() | TrySkipExponent();
        string spelling = json[start.._at];
        if (isFloat)
            return new PythonJson.Literal(PythonJson.Spell(double.Parse(spelling, NumberStyles.Float, CultureInfo.InvariantCulture)));
        if (digits > IntegerDigitsMax)
            throw new FormatException($"at character {start}: an integer of {digits} digits, expected at most {IntegerDigitsMax}");
        return new PythonJson.Literal(spelling == "-0" ? "0" : spelling);
    }

    private bool TrySkipFraction()
    {
        if (Current != '.' || _at + 1 >= json.Length || !char.IsAsciiDigit(json[_at + 1]))
            return false;                               // what follows is then an error for the caller: «1.» is no number
        _at++;
        SkipDigits();
        return true;
    }

    private bool TrySkipExponent()
    {
        int mark = _at;
        if (!TryTake('e') && !TryTake('E'))
            return false;
        if (!TryTake('-'))
            TryTake('+');
        if (char.IsAsciiDigit(Current))
        {
            SkipDigits();
            return true;
        }
        _at = mark;
        return false;
    }

    private void SkipDigits()
    {
        while (char.IsAsciiDigit(Current))
            _at++;
    }

    private void SkipBlanks()
    {
        while (Current is ' ' or '\t' or '\n' or '\r')
            _at++;
    }

    private bool TryTake(char c)
    {
        if (_at >= json.Length || json[_at] != c)
            return false;
        _at++;
        return true;
    }

    private readonly bool StartsWith(string word) => json.AsSpan(_at).StartsWith(word, StringComparison.Ordinal);

    private readonly FormatException Unexpected(string expected) =>
        new($"at character {_at}: expected {expected}, found {(_at < json.Length ? PythonJson.Quote(json.Substring(_at, 1)) : "the end")}");
}
