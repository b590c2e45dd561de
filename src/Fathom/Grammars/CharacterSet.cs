namespace Fathom.Grammars;

/// <summary>A set of Unicode characters as ranges of code points, ascending and apart; halves of surrogate pairs are no characters.</summary>
internal sealed class CharacterSet
{
    private const int Last = 0x10FFFF;

    private CharacterSet(List<(int First, int Last)> ranges) => Ranges = ranges;

    public static CharacterSet All { get; } = Of((0, Last));

    public static CharacterSet Digits { get; } = Of(('0', '9'));

    public static CharacterSet WordCharacters { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    /// <summary>ECMAScript's \s.</summary>
    public static CharacterSet Blanks { get; } = Of((9, 13), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
        (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF));

    /// <summary>ECMAScript's dot.</summary>
    public static CharacterSet AnyButLineEnds { get; } = Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)).Complement();

    public IReadOnlyList<(int First, int Last)> Ranges { get; }

    /// <summary>Ranges in any order, which may overlap.</summary>
    public static CharacterSet Of(params IEnumerable<(int First, int Last)> ranges)
    {
        var joined = new List<(int First, int Last)>();
        foreach ((int first, int last) in ranges.SelectMany(WithoutSurrogates).Order())
        {
            if (joined.Count > 0 && first <= joined[^1].Last + 1)
                joined[^1] = (joined[^1].First, Math.Max(joined[^1].Last, last));
            else
                joined.Add((first, last));
        }

        return new CharacterSet(joined);
    }

    public static CharacterSet Union(IEnumerable<CharacterSet> sets) => Of(sets.SelectMany(set => set.Ranges));

    public CharacterSet Complement()
    {
        var gaps = new List<(int, int)>();
        int next = 0;
        foreach ((int first, int last) in Ranges)
        {
            gaps.Add((next, first - 1));
            next = last + 1;
        }

        gaps.Add((next, Last));
        return Of(gaps);
    }

    public CharacterSet Without(CharacterSet other) => Union([Complement(), other]).Complement();

    private static IEnumerable<(int First, int Last)> WithoutSurrogates((int First, int Last) range)
    {
        if (range.First <= Math.Min(range.Last, 0xD7FF))
            yield return (range.First, Math.Min(range.Last, 0xD7FF));
        if (Math.Max(range.First, 0xE000) <= range.Last)
            yield return (Math.Max(range.First, 0xE000), range.Last);
    }
}
