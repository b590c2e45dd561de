namespace Fathom.Grammars;

/// <summary>The parts of JSON that all schemas share, as rules of one grammar, each made when it is first asked for.</summary>
internal sealed class JsonFragments(GrammarBuilder builder)
{
    // Any JSON may nest as deep as this below the place that allows it; readers refuse depths of 64 and more.
    private const int DepthMax = 24;

    private const int IndentMax = 40;

    // Numbers that a double or a long can hold.
    private const string IntegerPattern = "-?[1-9][0-9]{0,17}|0";
    private const string NumberPattern = @"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?";

    // What a backslash may begin: halves of surrogate pairs in pairs only.
    private const string Escapes =
        @"\\(?:[""\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))";

    private static readonly Pattern s_integer = PatternReader.Whole(IntegerPattern);
    private static readonly Pattern s_number = PatternReader.Whole(NumberPattern);
    private static readonly Pattern s_character = PatternReader.Whole($@"[^""\\\x00-\x1F]|{Escapes}");
    private static readonly Pattern s_blank = PatternReader.Whole($@"(?: |\n {{0,{IndentMax}}})?");

    private readonly Dictionary<string, int> _rules = [];

    /// <summary>Nothing, a blank, or a line end and an indent: where JSON may have blanks without end, a reply has these.</summary>
    public int Blank => Rule("blank", (from, to) => s_blank.Add(builder, from, Spelling.Plain, to));

    /// <summary>true or false.</summary>
    public int Boolean => Rule("boolean", (from, to) => builder.AddChoice(from, ["true"u8.ToArray(), "false"u8.ToArray()], to));

    /// <summary>null.</summary>
    public int Null => Rule("null", (from, to) => builder.AddChoice(from, ["null"u8.ToArray()], to));

    /// <summary>A whole number of up to 18 digits.</summary>
    public int Integer => Rule("integer", (from, to) => s_integer.Add(builder, from, Spelling.Plain, to));

    /// <summary>A number of up to 18 digits before the point, 17 behind it and 2 in the exponent.</summary>
    public int Number => Rule("number", (from, to) => s_number.Add(builder, from, Spelling.Plain, to));

    /// <summary>One character of a string, in any way to write it.</summary>
    public int Character => Rule("character", (from, to) => s_character.Add(builder, from, Spelling.Plain, to));

    /// <summary>One character of a string in tool markup.</summary>
    public int MarkupCharacter => Rule("markup character", (from, to) => CharacterFragments.Add(builder, from, CharacterSet.All, Spelling.Markup, to));

    /// <summary>Any string.</summary>
    public int Text => Rule("string", (from, to) =>
    {
        builder.StringBody = builder.NewPosition();
        builder.AddSymbols(from, '"', '"', builder.StringBody);
        AddRest(builder, builder.StringBody, to);
    });

    /// <summary>Any object.</summary>
    public int AnyObject => AnyObjectAt(0);

    /// <summary>Any value.</summary>
    public int AnyValue => AnyValueAt(0);

    /// <summary>The language of what stands behind the opening quote of a string.</summary>
    public static Grammar StringRest()
    {
        var builder = new GrammarBuilder();
        int rule = builder.NewRule("string");
        AddRest(builder, builder.Start(rule), builder.End(rule));
        return builder.Build(rule);
    }

    /// <summary>Adds a colon, a blank perhaps, and returns the position behind them.</summary>
    public int AddColon(int from)
    {
        int colon = builder.AddBytes(from, ":"u8), value = builder.AddBytes(colon, " "u8);
        builder.AddSkip(colon, value);
        return value;
    }

    /// <summary>Adds what stands between two members or items, and returns the position behind it.</summary>
    public int AddComma(int from)
    {
        int behind = builder.NewPosition();
        builder.AddCall(builder.AddBytes(from, ","u8), Blank, behind);
        return behind;
    }

    /// <summary>Adds blanks and a closing bracket.</summary>
    public void AddClose(int from, char bracket, int to)
    {
        int before = builder.NewPosition();
        builder.AddCall(from, Blank, before);
        builder.AddSymbols(before, bracket, bracket, to);
    }

    private static void AddRest(GrammarBuilder builder, int body, int to)
    {
        s_character.Add(builder, body, Spelling.Plain, body);
        builder.AddSymbols(body, '"', '"', to);
    }

    private int AnyValueAt(int depth) => Rule($"any value {depth}", (from, to) =>
    {
        foreach (int rule in (ReadOnlySpan<int>)[Text, Number, Boolean, Null])
            builder.AddCall(from, rule, to);
        if (depth < DepthMax)
        {
            builder.AddCall(from, AnyObjectAt(depth), to);
            builder.AddCall(from, AnyArrayAt(depth), to);
        }
    });

    private int AnyObjectAt(int depth) => Rule($"any object {depth}", (from, to) =>
    {
        (int key, int colon, int behind) = (builder.NewPosition(), builder.NewPosition(), builder.NewPosition());
        int open = builder.AddBytes(from, "{"u8);
        builder.AddSymbols(open, '}', '}', to);
        builder.AddCall(open, Blank, key);
        builder.AddCall(key, Text, colon);
        builder.AddCall(AddColon(colon), AnyValueAt(depth + 1), behind);
        builder.AddSkip(AddComma(behind), key);
        AddClose(behind, '}', to);
    });

    private int AnyArrayAt(int depth) => Rule($"any array {depth}", (from, to) =>
    {
        (int item, int behind) = (builder.NewPosition(), builder.NewPosition());
        int open = builder.AddBytes(from, "["u8);
        builder.AddSymbols(open, ']', ']', to);
        builder.AddCall(open, Blank, item);
        builder.AddCall(item, AnyValueAt(depth + 1), behind);
        builder.AddSkip(AddComma(behind), item);
        AddClose(behind, ']', to);
    });

    private int Rule(string name, Action<int, int> fill)
    {
        if (!_rules.TryGetValue(name, out int rule))
        {
            rule = builder.NewRule(name);
            _rules.Add(name, rule);
            fill(builder.Start(rule), builder.End(rule));
        }

        return rule;
    }
}
