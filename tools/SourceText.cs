using System.Text;

namespace Fathom.Tools;

/// <summary>C# source with comments and the insides of strings blanked out, so that braces and words can be counted; lines keep their numbers.</summary>
internal sealed class SourceText
{
    private readonly string _text;
    private readonly StringBuilder _code;
    private int _at;

    private SourceText(string text)
    {
        _text = text;
        _code = new StringBuilder(text.Length);
    }

    /// <summary>The code of <paramref name="text"/>: of the same length, with blanks for comments, characters and strings.</summary>
    public static string CodeOf(string text)
    {
        var source = new SourceText(text);
        while (source._at < text.Length)
            source.Next();
        return source._code.ToString();
    }

    private void Next()
    {
        if (At("//"))
            Blank(EndOfLine());
        else if (At("/*"))
            Blank(After("*/", _at + 2));
        else if (StartsString(out int dollars, out bool verbatim, out int quotes))
            SkipString(dollars, verbatim, quotes);
        else if (_text[_at] == '\'')
            SkipCharacter();
        else
            Keep();
    }

    /// <summary>Recognises "…", @"…", $"…", $@"…", """…""" and $$"""…""", with the current place moved to the first quote.</summary>
    private bool StartsString(out int dollars, out bool verbatim, out int quotes)
    {
        dollars = 0;
        verbatim = false;
        quotes = 0;
        int i = _at;
        for (; i < _text.Length && _text[i] is '$' or '@'; i++)
        {
            dollars += _text[i] == '$' ? 1 : 0;
            verbatim |= _text[i] == '@';
        }

        for (; i < _text.Length && _text[i] == '"'; i++)
            quotes++;
        if (quotes == 0)
            return false;
        quotes = quotes >= 3 && !verbatim ? quotes : 1;      // else "" is an empty string or, within @"…", one quote
        i = _at;
        while (_text[i] != '"')
            i++;
        Blank(i);
        return true;
    }

    private void SkipString(int dollars, bool verbatim, int quotes)
    {
        bool raw = quotes >= 3;
        Blank(_at + quotes);
        while (_at < _text.Length)
        {
            if (raw ? Run('"') >= quotes : _text[_at] == '"' && !(verbatim && Run('"') >= 2))
            {
                Blank(_at + (raw ? Run('"') : 1));
                return;
            }

            if (dollars > 0 && _text[_at] == '{')
                SkipBraces(raw ? dollars : 1);
            else if (!raw && verbatim && _text[_at] == '"')
                Blank(_at + 2);
            else
                Blank(_at + (!raw && !verbatim && _text[_at] == '\\' ? 2 : 1));
        }
    }

    /// <summary>In an interpolated string: braces that are text, or a hole, whose strings may hold quotes of their own.</summary>
    private void SkipBraces(int opening)
    {
        int run = Run('{');
        bool isHole = opening == 1 ? run % 2 == 1 : run >= opening;
        Blank(_at + run);
        if (!isHole)
            return;
        int depth = opening;
        while (_at < _text.Length && depth > 0)
        {
            if (StartsString(out int dollars, out bool verbatim, out int quotes))
            {
                SkipString(dollars, verbatim, quotes);
                continue;
            }

            if (_text[_at] == '\'')
            {
                SkipCharacter();
                continue;
            }

            depth += _text[_at] switch { '{' => 1, '}' => -1, _ => 0 };
            Blank(_at + 1);
        }
    }

    private void SkipCharacter()
    {
        int end = _at + 1;
        while (end < _text.Length && _text[end] is not ('\'' or '\n'))
            end += _text[end] == '\\' ? 2 : 1;
        Blank(end + 1);
    }

    private int Run(char c)
    {
        int i = _at;
        while (i < _text.Length && _text[i] == c)
            i++;
        return i - _at;
    }

    private bool At(string s) => string.CompareOrdinal(_text, _at, s, 0, s.Length) == 0;

    private int EndOfLine() => _text.IndexOf('\n', _at) is var end and >= 0 ? end : _text.Length;

    private int After(string s, int from) => _text.IndexOf(s, Math.Min(from, _text.Length), StringComparison.Ordinal) is var i and >= 0 ? i + s.Length : _text.Length;

    private void Keep() => _code.Append(_text[_at++]);

    private void Blank(int end)
    {
        for (end = Math.Min(end, _text.Length); _at < end; _at++)
            _code.Append(_text[_at] is '\n' or '\r' ? _text[_at] : ' ');
    }
}
