using System.Buffers;
using System.Globalization;
using System.Text;

namespace Fathom.Text;

/// <summary>
/// Cuts text into the pieces within which byte pairs may merge: DeepSeek-V4's three regular expressions, applied one inside the pieces
/// of the other. Works on UTF-8 and on Unicode scalar values, so letters and emoji beyond U+FFFF count as what they are.
/// </summary>
/// <remarks>
/// The first two expressions isolate numbers (in threes) and Chinese or Japanese runs; neither they nor what lies between can then see
/// beyond their own stretch. A byte that is not valid UTF-8 is a stretch and a piece of its own: it is no letter and joins nothing.
/// </remarks>
internal ref struct PreTokenizer(ReadOnlySpan<byte> utf8)
{
    private const int DigitsPerPiece = 3;

    private readonly ReadOnlySpan<byte> _text = utf8;

    /// <summary>First byte of the current piece.</summary>
    public int Start { get; private set; }

    /// <summary>One past the last byte of the current piece.</summary>
    public int End { get; private set; }

    /// <summary>Goes to the next piece; false at the end of the text.</summary>
    public bool MoveNext()
    {
        Start = End;
        if (Start == _text.Length)
            return false;

        RuneClass first = Classify(_text, Start, out int width);
        RuneClass stretch = first & RuneClass.Stretch;
        End = stretch switch
        {
            RuneClass.Invalid => Start + width,
            RuneClass.Number => NumberEnd(Start + width),
            _ => MatchEnd(first, Start + width, stretch),
        };
        return true;
    }

    /// <summary>\p{N}{1,3}</summary>
    private readonly int NumberEnd(int at)
    {
        for (int digits = 1; digits < DigitsPerPiece && at < _text.Length; digits++)
        {
            if ((Classify(_text, at, out int width) & RuneClass.Number) == 0)
                break;
            at += width;
        }

        return at;
    }

    /// <summary>The third expression: its alternatives, told apart by the first character; <paramref name="next"/> is the place after it.</summary>
    private readonly int MatchEnd(RuneClass first, int next, RuneClass stretch)
    {
        byte lead = _text[Start];
        if ((first & RuneClass.LetterOrMark) != 0)
            return RunEnd(next, RuneClass.LetterOrMark, stretch);

        if ((first & RuneClass.PunctuationOrSymbol) != 0)
        {
            if (lead < 0x80 && next < _text.Length && char.IsAsciiLetter((char)_text[next]))
                return AsciiLettersEnd(next);
            return PunctuationEnd(next, stretch);
        }

        // [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ with its optional character present
        if ((first & RuneClass.Newline) == 0 && IsAt(next, RuneClass.LetterOrMark, stretch))
            return RunEnd(next, RuneClass.LetterOrMark, stretch);

        if (lead == ' ' && IsAt(next, RuneClass.PunctuationOrSymbol, stretch))
            return PunctuationEnd(next, stretch);

        return (first & RuneClass.White) != 0 ? WhiteEnd(first, next, stretch) : UnmatchedEnd(next, stretch);
    }

    /// <summary>The [A-Za-z]+ after an ASCII mark.</summary>
    private readonly int AsciiLettersEnd(int at)
    {
        while (at < _text.Length && char.IsAsciiLetter((char)_text[at]))
            at++;
        return at;
    }

    /// <summary>[\p{P}\p{S}]+[\r\n]*</summary>
    private readonly int PunctuationEnd(int at, RuneClass stretch) =>
        RunEnd(RunEnd(at, RuneClass.PunctuationOrSymbol, stretch), RuneClass.Newline, stretch);

    /// <summary>\s*[\r\n]+ | \s+(?!\S) | \s+ : up to the last line break; else all blanks but one if a visible character follows.</summary>
    private readonly int WhiteEnd(RuneClass first, int at, RuneClass stretch)
    {
        int last = Start;                                       // start of the run's last character
        int afterNewline = (first & RuneClass.Newline) != 0 ? at : 0;
        bool visibleFollows = false;
        while (at < _text.Length)
        {
            RuneClass rune = Classify(_text, at, out int width);
            if ((rune & RuneClass.Stretch) != stretch)
                break;
            if ((rune & RuneClass.White) == 0)
            {
                visibleFollows = true;
                break;
            }

            last = at;
            at += width;
            if ((rune & RuneClass.Newline) != 0)
                afterNewline = at;
        }

        if (afterNewline > 0)
            return afterNewline;
        return visibleFollows && last > Start ? last : at;
    }

    /// <summary>Characters that no alternative matches (controls, unassigned) stay together up to the next match.</summary>
    private readonly int UnmatchedEnd(int at, RuneClass stretch)
    {
        while (at < _text.Length)
        {
            RuneClass rune = Classify(_text, at, out int width);
            bool matches = (rune & RuneClass.Visible) != 0 || (rune & RuneClass.White) != 0 || IsAt(at + width, RuneClass.LetterOrMark, stretch);
            if ((rune & RuneClass.Stretch) != stretch || matches)
                break;
            at += width;
        }

        return at;
    }

    private readonly int RunEnd(int at, RuneClass wanted, RuneClass stretch)
    {
        RuneClass mask = wanted | RuneClass.Stretch;
        RuneClass value = wanted | stretch;
        while (at < _text.Length)
        {
            if ((Classify(_text, at, out int width) & mask) != value)
                break;
            at += width;
        }

        return at;
    }

    private readonly bool IsAt(int at, RuneClass wanted, RuneClass stretch) =>
        at < _text.Length && (Classify(_text, at, out _) & (wanted | RuneClass.Stretch)) == (wanted | stretch);

    private static RuneClass Classify(ReadOnlySpan<byte> text, int at, out int width)
    {
        byte lead = text[at];
        if (lead < 0x80)
        {
            width = 1;
            return RuneClasses.Ascii[lead];
        }

        if (Rune.DecodeFromUtf8(text[at..], out Rune rune, out width) == OperationStatus.Done)
            return RuneClasses.Of(rune);
        width = 1;
        return RuneClass.Invalid;
    }
}

/// <summary>What the splitting expressions ask of a character.</summary>
[Flags]
internal enum RuneClass : byte
{
    /// <summary>\p{L} or \p{M}</summary>
    LetterOrMark = 1,

    /// <summary>\p{P} or \p{S}</summary>
    PunctuationOrSymbol = 2,

    /// <summary>\s</summary>
    White = 4,

    /// <summary>[\r\n], which is also white.</summary>
    Newline = 8,

    /// <summary>\p{N}</summary>
    Number = 16,

    /// <summary>The range of the second expression: U+4E00 to 9FA5, U+3040 to 30FF.</summary>
    Cjk = 32,

    /// <summary>A byte outside every UTF-8 character.</summary>
    Invalid = 64,

    Visible = LetterOrMark | PunctuationOrSymbol,

    /// <summary>The bits that say which stretch a character lies in; none of them: the rest.</summary>
    Stretch = Number | Cjk | Invalid,
}

/// <summary>The class of a character, from the runtime's Unicode tables.</summary>
internal static class RuneClasses
{
    private static readonly RuneClass[] s_ascii = MakeAscii();

    /// <summary>Classes of U+0000 to U+007F.</summary>
    public static ReadOnlySpan<RuneClass> Ascii => s_ascii;

    public static RuneClass Of(Rune rune)
    {
        RuneClass result = Rune.GetUnicodeCategory(rune) switch
        {
            <= UnicodeCategory.EnclosingMark => RuneClass.LetterOrMark,             // Lu Ll Lt Lm Lo, Mn Mc Me
            <= UnicodeCategory.OtherNumber => RuneClass.Number,                     // Nd Nl No
            >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherSymbol => RuneClass.PunctuationOrSymbol,
            _ => 0,
        };
        if (Rune.IsWhiteSpace(rune))
            result |= RuneClass.White;
        if (rune.Value is '\r' or '\n')
            result |= RuneClass.Newline;
        if (rune.Value is (>= 0x4E00 and <= 0x9FA5) or (>= 0x3040 and <= 0x30FF))
            result |= RuneClass.Cjk;
        return result;
    }

    private static RuneClass[] MakeAscii()
    {
        var classes = new RuneClass[0x80];
        for (int value = 0; value < classes.Length; value++)
            classes[value] = Of(new Rune(value));
        return classes;
    }
}
