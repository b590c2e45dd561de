using System.Globalization;
using System.Text;
using Fathom.Engine;

namespace Fathom.Grammars;

/// <summary>
/// Reads the regular expressions that schemas may have: characters, the dot, classes such as [^a-z\d], the escapes \d \w \s \D \W \S \t \n \r
/// \f \v \0 \xHH \uHHHH \u{H…} and of signs, groups ( ) and (?: ), the choice |, the counts * + ? {n} {n,} {n,m}, and ^ and $ at the ends of the
/// whole or of one of its outermost choices. They mean what ECMAScript's Unicode mode says; without ^ or $ anything may stand before or behind.
/// References back, looking around, \b, \p and named groups are refused.
/// </summary>
internal sealed class PatternReader
{
    private const int DepthMax = 100;
    private const int CountMax = 10_000;

    private readonly string _path;
    private readonly string _text;
    private readonly int[] _characters;
    private int _at;
    private int _depth;

    private PatternReader(string text, string path)
    {
        (_text, _path) = (text, path);
        _characters = [.. text.EnumerateRunes().Select(rune => rune.Value)];
    }

    private int Next => _at < _characters.Length ? _characters[_at] : -1;

    /// <summary>The pattern of whole values.</summary>
    /// <param name="text">the expression</param> <param name="path">of the pattern in the schema, for messages</param>
    /// <exception cref="RequestException">the expression is malformed or has something that is not supported; the message says where</exception>
    public static Pattern Read(string text, string path)
    {
        var reader = new PatternReader(text, path);
        var choices = new List<Pattern>();
        do
        {
            var parts = new List<Pattern>();
            if (!reader.Take('^'))
                parts.Add(Pattern.Anything);
            parts.Add(reader.ReadSequence());
            if (!reader.Take('$'))
                parts.Add(Pattern.Anything);
            choices.Add(new Pattern.Sequence(parts));
        }
        while (reader.Take('|'));
        return reader.Next < 0 ? new Pattern.Choice(choices) : throw reader.Unexpected("the end or a choice");
    }

    /// <summary>The pattern of a fixed expression of our own, which whole values match.</summary>
    public static Pattern Whole(string text) => Read($"^(?:{text})$", text);

    private Pattern.Sequence ReadSequence()
    {
        var parts = new List<Pattern>();
        while (Next is not (-1 or '|' or ')' or '$'))
            parts.Add(ReadCounted(ReadPart()));
        return new Pattern.Sequence(parts);
    }

    private Pattern ReadPart()
    {
        int character = Next;
        _at++;
        switch (character)
        {
            case '(':
                return ReadGroup();
            case '[':
                return new Pattern.Character(ReadClass());
            case '.':
                return new Pattern.Character(CharacterSet.AnyButLineEnds);
            case '\\':
                return new Pattern.Character(ReadEscape(inClass: false));
            case '^' or '*' or '+' or '?' or '{' or '}' or ']':
                _at--;
                throw Unexpected("a character, a class or a group");
            default:
                return new Pattern.Character(CharacterSet.Of((character, character)));
        }
    }

    private Pattern.Choice ReadGroup()
    {
        if (++_depth > DepthMax)
            throw Unexpected($"groups within groups {DepthMax} deep at most");
        if (Take('?') && !Take(':'))
            throw Unexpected("a plain group: looking around and names are not supported");
        var choices = new List<Pattern>();
        do
        {
            choices.Add(ReadSequence());
        }
        while (Take('|'));
        if (!Take(')'))
            throw Unexpected("a closing parenthesis; ^ and $ may stand at the ends only");
        _depth--;
        return new Pattern.Choice(choices);
    }

    private Pattern ReadCounted(Pattern part)
    {
        (int Min, int? Max) count;
        switch (Next)
        {
            case '*':
                count = (0, null);
                break;
            case '+':
                count = (1, null);
                break;
            case '?':
                count = (0, 1);
                break;
            case '{':
                _at++;
                count.Min = ReadCount();
                count.Max = !Take(',') ? count.Min : Next == '}' ? null : ReadCount();
                if (Next != '}' || count.Max < count.Min)
                    throw Unexpected("{n}, {n,} or {n,m} with n no larger than m");
                break;
            default:
                return part;
        }

        _at++;
        Take('?');                                     // a lazy count takes the same texts
        return new Pattern.Repeat(part, count.Min, count.Max);
    }

    private int ReadCount()
    {
        int first = _at, count = 0;
        for (; Next is >= '0' and <= '9' && count <= CountMax; _at++)
            count = count * 10 + Next - '0';
        return _at > first && count <= CountMax ? count : throw Unexpected($"a count up to {CountMax}");
    }

    private CharacterSet ReadClass()
    {
        bool negated = Take('^');
        var sets = new List<CharacterSet>();
        while (!Take(']'))
        {
            CharacterSet set = ReadClassCharacter();
            if (Next == '-' && _at + 1 < _characters.Length && _characters[_at + 1] != ']')
            {
                _at++;
                int first = Single(set), last = Single(ReadClassCharacter());
                if (last < first)
                    throw Unexpected("a range that goes upwards");
                set = CharacterSet.Of((first, last));
            }

            sets.Add(set);
        }

        CharacterSet all = CharacterSet.Union(sets);
        return negated ? all.Complement() : all;
    }

    private CharacterSet ReadClassCharacter()
    {
        if (Next < 0)
            throw Unexpected("a closing bracket");
        int character = Next;
        _at++;
        return character == '\\' ? ReadEscape(inClass: true) : CharacterSet.Of((character, character));
    }

    private int Single(CharacterSet set) =>
        set.Ranges is [var range] && range.First == range.Last ? range.First : throw Unexpected("a single character at each end of a range");

    private CharacterSet ReadEscape(bool inClass)
    {
        int character = Next;
        _at++;
        switch (character)
        {
            case 'd':
                return CharacterSet.Digits;
            case 'D':
                return CharacterSet.Digits.Complement();
            case 'w':
                return CharacterSet.WordCharacters;
            case 'W':
                return CharacterSet.WordCharacters.Complement();
            case 's':
                return CharacterSet.Blanks;
            case 'S':
                return CharacterSet.Blanks.Complement();
        }

        int value = character switch
        {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\f',
            'v' => '\v',
            '0' when Next is not (>= '0' and <= '9') => 0,
            'b' when inClass => '\b',
            'x' => ReadHex(2),
            'u' => ReadCodePoint(),
            >= 0 when character < 128 && !char.IsAsciiLetterOrDigit((char)character) => character,
            _ => -1,
        };
        if (value >= 0)
            return CharacterSet.Of((value, value));
        _at--;
        throw Unexpected("an escape that is supported: references back, \\b and \\p are not");
    }

    private int ReadCodePoint()
    {
        if (!Take('{'))
            return ReadHex(4);
        int digits = 0;
        while (_at + digits < _characters.Length && _characters[_at + digits] != '}')
            digits++;
        int value = ReadHex(digits);
        return Take('}') && value <= 0x10FFFF ? value : throw Unexpected("\\u{…} with a code point up to 10FFFF");
    }

    private int ReadHex(int digits)
    {
        if (digits is 0 or > 6 || _at + digits > _characters.Length)
            throw Unexpected("hexadecimal digits");
        string text = string.Concat(_characters.AsSpan(_at, digits).ToArray().Select(c => new Rune(c).ToString()));
        if (!int.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
            throw Unexpected("hexadecimal digits");
        _at += digits;
        return value;
    }

    private bool Take(int character)
    {
        bool taken = Next == character;
        _at += taken ? 1 : 0;
        return taken;
    }

    private RequestException Unexpected(string expected) => new(
        $"{_path}: expected {expected} at character {_at} of \"{_text}\", found {(Next < 0 ? "the end" : $"'{new Rune(Next)}'")}. See what patterns may have in the documentation of JsonGrammar.");
}
