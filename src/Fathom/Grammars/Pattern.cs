namespace Fathom.Grammars;

/// <summary>A regular expression, read by <see cref="PatternReader"/>. A closed set.</summary>
internal abstract record Pattern
{
    /// <summary>One character of a set.</summary>
    public sealed record Character(CharacterSet Set) : Pattern;

    /// <summary>All parts, one behind the other.</summary>
    public sealed record Sequence(IReadOnlyList<Pattern> Parts) : Pattern;

    /// <summary>One of several.</summary>
    public sealed record Choice(IReadOnlyList<Pattern> Parts) : Pattern;

    /// <summary>A part from Min to Max times, or without limit if that is null.</summary>
    public sealed record Repeat(Pattern Part, int Min, int? Max) : Pattern;

    /// <summary>Anything at all.</summary>
    public static Pattern Anything { get; } = new Repeat(new Character(CharacterSet.All), 0, null);

    /// <summary>Adds the steps that take a text of the pattern.</summary>
    public void Add(GrammarBuilder builder, int from, Spelling spelling, int to)
    {
        switch (this)
        {
            case Character character:
                CharacterFragments.Add(builder, from, character.Set, spelling, to);
                break;
            case Sequence sequence:
                foreach (Pattern part in sequence.Parts)
                {
                    int behind = builder.NewPosition();
                    part.Add(builder, from, spelling, behind);
                    from = behind;
                }

                builder.AddSkip(from, to);
                break;
            case Choice choice:
                foreach (Pattern part in choice.Parts)
                    part.Add(builder, from, spelling, to);
                break;
            case Repeat repeat:
                AddRepeat(repeat, builder, from, spelling, to);
                break;
        }
    }

    private static void AddRepeat(Repeat repeat, GrammarBuilder builder, int from, Spelling spelling, int to)
    {
        int at = builder.NewPosition();
        builder.AddSkip(from, at);
        for (int i = 0; i < (repeat.Max ?? repeat.Min); i++)
        {
            if (i >= repeat.Min)
                builder.AddSkip(at, to);
            int behind = builder.NewPosition();
            repeat.Part.Add(builder, at, spelling, behind);
            at = behind;
        }

        if (repeat.Max is null)
            repeat.Part.Add(builder, at, spelling, at);
        builder.AddSkip(at, to);
    }
}
