using System.Text;

namespace Fathom.Grammars;

/// <summary>How characters of a value are written.</summary>
internal enum Spelling
{
    /// <summary>As UTF-8.</summary>
    Plain,

    /// <summary>As UTF-8 within a JSON string: quotes, backslashes and control characters are escaped, nothing else is.</summary>
    Json,

    /// <summary>
    /// As UTF-8 within tool markup, where nothing is escaped: control characters but tabs and line ends, and the bar with which the markup's
    /// tokens begin, cannot be written.
    /// </summary>
    Markup,
}

/// <summary>Writes steps that take one character of a set, byte by byte.</summary>
internal static class CharacterFragments
{
    private const int Bar = '｜';

    private static readonly CharacterSet s_escaped = CharacterSet.Of((0, 0x1F), ('"', '"'), ('\\', '\\'));
    private static readonly CharacterSet s_unwritable = CharacterSet.Of((0, 8), (11, 12), (14, 0x1F), (Bar, Bar));

    /// <summary>Adds the steps. A set of which nothing can be written adds none.</summary>
    public static void Add(GrammarBuilder builder, int from, CharacterSet set, Spelling spelling, int to)
    {
        CharacterSet plain = spelling switch
        {
            Spelling.Json => set.Without(s_escaped),
            Spelling.Markup => set.Without(s_unwritable),
            _ => set,
        };
        var shared = new Dictionary<(int First, int Last, int To), int>();
        foreach ((int first, int last) in plain.Ranges)
            AddUtf8(builder, from, first, last, to, shared);
        if (spelling == Spelling.Json)
        {
            IEnumerable<int> escaped = s_escaped.Without(set.Complement()).Ranges.SelectMany(range => Enumerable.Range(range.First, range.Last - range.First + 1));
            builder.AddChoice(from, escaped.Select(character => Escape((char)character)), to);
        }
    }

    /// <summary>A text as JSON writes it, quotes included.</summary>
    public static byte[] Quote(string text)
    {
        var json = new StringBuilder("\"");
        foreach (char character in text)
            json.Append(character is < ' ' or '"' or '\\' ? Encoding.ASCII.GetString(Escape(character)) : character);
        return Encoding.UTF8.GetBytes(json.Append('"').ToString());
    }

    private static byte[] Escape(char character) => Encoding.ASCII.GetBytes(character switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => $"\\u{(int)character:x4}",
    });

    // Cuts a range where the number of bytes changes, then until each byte by itself goes through a range of its own.
    private static void AddUtf8(GrammarBuilder builder, int from, int first, int last, int to, Dictionary<(int, int, int), int> shared)
    {
        foreach (int limit in (ReadOnlySpan<int>)[0x7F, 0x7FF, 0xFFFF])
        {
            if (first <= limit && limit < last)
            {
                AddUtf8(builder, from, first, limit, to, shared);
                AddUtf8(builder, from, limit + 1, last, to, shared);
                return;
            }
        }

        for (int bits = 6; bits <= 18 && last > 0x7F; bits += 6)
        {
            int mask = (1 << bits) - 1;
            if ((first & ~mask) == (last & ~mask))
                break;
            int cut = (first & mask) != 0 ? first | mask : (last & mask) != mask ? (last & ~mask) - 1 : last;
            if (cut < last)
            {
                AddUtf8(builder, from, first, cut, to, shared);
                AddUtf8(builder, from, cut + 1, last, to, shared);
                return;
            }
        }

        Span<byte> low = stackalloc byte[4], high = stackalloc byte[4];
        int length = new Rune(first).EncodeToUtf8(low);
        _ = new Rune(last).EncodeToUtf8(high);
        for (int i = length - 1; i > 0; i--)
        {
            (int, int, int) step = (low[i], high[i], to);
            if (!shared.TryGetValue(step, out int before))
            {
                before = builder.NewPosition();
                builder.AddSymbols(before, low[i], high[i], to);
                shared.Add(step, before);
            }

            to = before;
        }

        builder.AddSymbols(from, low[0], high[0], to);
    }
}
