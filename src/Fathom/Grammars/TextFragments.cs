using System.Text;
using Fathom.Engine;
using Fathom.Prompts;

namespace Fathom.Grammars;

/// <summary>Writes the strings of schemas as steps of a grammar.</summary>
internal sealed class TextFragments(GrammarBuilder builder, JsonFragments json)
{
    private static readonly CharacterSet s_markupText = CharacterSet.Of((9, 10), (13, 13), (0x20, 0x10FFFF));

    /// <summary>Adds the steps that take a string of a schema.</summary>
    /// <exception cref="RequestException">the schema's keywords contradict one another or cannot be enforced together</exception>
    public void Add(int from, SchemaLeaf leaf, Spelling spelling, int to)
    {
        int body = from, end = to;
        if (spelling == Spelling.Json)
        {
            end = builder.NewPosition();
            body = builder.AddBytes(from, "\""u8);
            builder.AddSymbols(end, '"', '"', to);
        }

        bool hasLength = leaf.Schema.TryGetProperty("minLength", out _) | leaf.Schema.TryGetProperty("maxLength", out _);
        if (PatternOf(leaf) is { } pattern)
        {
            if (hasLength)
                throw new RequestException($"{leaf.Path}: expected either a pattern or format or lengths, found both. State the lengths within the pattern.");
            pattern.Add(builder, body, spelling, end);
        }
        else if (hasLength || spelling == Spelling.Json)
        {
            AddCounted(body, leaf, spelling, end);
        }
        else
        {
            AddMarkupText(builder, body, end);
        }
    }

    /// <summary>Adds the steps that take a JSON string other than some names; characters have one way to be written as long as it might be one.</summary>
    public static void AddOtherKey(GrammarBuilder builder, int from, IEnumerable<string> names, int to)
    {
        var behind = new Dictionary<(int Node, int Character), int>();
        var isName = new HashSet<int>();
        int start = builder.AddBytes(from, "\""u8), free = builder.NewPosition();
        List<int> nodes = [start];
        foreach (string name in names)
        {
            int node = start;
            foreach (Rune character in name.EnumerateRunes())
            {
                if (!behind.TryGetValue((node, character.Value), out int next))
                {
                    next = builder.NewPosition();
                    nodes.Add(next);
                    behind.Add((node, character.Value), next);
                    CharacterFragments.Add(builder, node, CharacterSet.Of((character.Value, character.Value)), Spelling.Json, next);
                }

                node = next;
            }

            isName.Add(node);
        }

        ILookup<int, int> children = behind.Keys.ToLookup(key => key.Node, key => key.Character);
        foreach (int node in nodes)
        {
            CharacterSet others = CharacterSet.All.Without(CharacterSet.Of(children[node].Select(character => (character, character))));
            CharacterFragments.Add(builder, node, others, Spelling.Json, free);
            if (!isName.Contains(node))
                builder.AddSymbols(node, '"', '"', to);
        }

        CharacterFragments.Add(builder, free, CharacterSet.All, Spelling.Json, free);
        builder.AddSymbols(free, '"', '"', to);
    }

    private static Pattern? PatternOf(SchemaLeaf leaf)
    {
        bool hasPattern = leaf.Schema.TryGetProperty("pattern", out System.Text.Json.JsonElement pattern);
        bool hasFormat = leaf.Schema.TryGetProperty("format", out System.Text.Json.JsonElement format);
        if (hasPattern && hasFormat)
            throw new RequestException($"{leaf.Path}: expected either pattern or format, found both. Keep the stricter one.");
        if (!hasPattern && !hasFormat)
            return null;
        string keyword = hasPattern ? "pattern" : "format";
        System.Text.Json.JsonElement value = hasPattern ? pattern : format;
        if (value.ValueKind != System.Text.Json.JsonValueKind.String)
            throw new RequestException($"{leaf.Path}/{keyword}: expected a string, found {SchemaKeywords.Start(value)}.");
        string text = value.GetString()!;                  // a string has text
        return hasPattern ? PatternReader.Read(text, $"{leaf.Path}/pattern") : StringFormats.Find(text)
            ?? throw new RequestException($"{leaf.Path}/format: expected {StringFormats.Names}, found {text}. Use a pattern, or leave it out.");
    }

    private void AddCounted(int from, SchemaLeaf leaf, Spelling spelling, int to)
    {
        int least = SchemaKeywords.Count(leaf.Schema, "minLength", 0, leaf.Path), most = SchemaKeywords.Count(leaf.Schema, "maxLength", int.MaxValue, leaf.Path);
        if (most < least)
            throw new RequestException($"{leaf.Path}: expected maxLength of at least minLength, found {most} and {least}.");
        int character = spelling == Spelling.Json ? json.Character : json.MarkupCharacter, at = from;
        for (int count = 0; ; count++)
        {
            if (count >= least)
                builder.AddSkip(at, to);
            if (count == most)
                return;
            bool isLast = most == int.MaxValue && count >= least;
            int behind = isLast ? at : builder.NewPosition();
            builder.AddCall(at, character, behind);
            if (isLast)
                return;
            at = behind;
        }
    }

    // Any text in which the mark of tool calls is not spelled out: it would read as the token. The mark's characters that were just written
    // are the state; a character that does not go on with it may begin it anew, and only its first one can.
    private static void AddMarkupText(GrammarBuilder builder, int from, int to)
    {
        string mark = ProtocolTokens.Dsml;
        int[] states = [.. mark.Select(_ => builder.NewPosition())];
        builder.AddSkip(from, states[0]);
        for (int i = 0; i < mark.Length; i++)
        {
            CharacterSet goesOn = CharacterSet.Of((mark[i], mark[i])), first = CharacterSet.Of((mark[0], mark[0]));
            CharacterFragments.Add(builder, states[i], s_markupText.Without(CharacterSet.Union([goesOn, first])), Spelling.Plain, states[0]);
            if (i < mark.Length - 1)
                CharacterFragments.Add(builder, states[i], goesOn, Spelling.Plain, states[i + 1]);
            if (i > 0 && i < mark.Length - 1)
                CharacterFragments.Add(builder, states[i], first, Spelling.Plain, states[1]);
            builder.AddSkip(states[i], to);
        }
    }
}
