using System.Text;
using System.Text.Json;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Tests.Text;
using Fathom.Text;

namespace Fathom.Tests.Grammars;

/// <summary>Texts against grammars, without a vocabulary and with the two of the tests.</summary>
internal static class GrammarTexts
{
    public const int End = 1;

    /// <summary>The bundled model's tokenizer.</summary>
    public static Tokenizer Bundled { get; } = Fathom.Text.Tokenizer.Load(TestFiles.Path("models", "fathom-nano"));

    public static GrammarTokens Nano { get; } = new(new TokenTrie(Bundled), End, Bundled.VocabularySize);

    public static GrammarTokens V4 { get; } = new(new TokenTrie(Tokenizers.V4), End, Tokenizers.V4.VocabularySize);

    public static Grammar Schema(string schema) => JsonGrammar.FromSchema(JsonElement.Parse(schema));

    /// <summary>Whether a text is one of a grammar's; the mark of tool calls counts as its token.</summary>
    public static bool Accepts(Grammar grammar, string text)
    {
        var states = new GrammarStates(grammar);
        GrammarState? state = states.Start;
        string[] parts = text.Split(ProtocolTokens.Dsml);
        for (int i = 0; i < parts.Length; i++)
        {
            if (i > 0)
                state = state is null || grammar.Controls.Count == 0 ? null : states.Step(state, Grammar.FirstControl);
            foreach (byte next in Encoding.UTF8.GetBytes(parts[i]))
                state = state is null ? null : states.Step(state, next);
        }

        return state is { IsAccepting: true };
    }

    /// <summary>Draws tokens that a rule allows until it draws the end; says why if it cannot.</summary>
    public static int[] Draw(GrammarRule rule, GrammarTokens tokens, Random random, int maxTokens)
    {
        var drawn = new List<int>();
        var allowed = new List<int>();
        while (true)
        {
            TokenMask mask = rule.Mask ?? throw new InvalidOperationException("The rule has not begun.");
            allowed.Clear();
            bool shortOnes = random.Next(3) > 0;             // else strings would hardly ever end
            for (int id = 0; id < mask.VocabularySize; id++)
            {
                if (mask[id] && (!shortOnes || id == End || tokens.Trie.Bytes(id).Length <= 2))
                    allowed.Add(id);
            }

            if (allowed.Count == 0 && !shortOnes)
                throw new InvalidOperationException($"Nothing may follow '{Tokenizer(tokens).Decode([.. drawn])}'.");
            if (allowed.Count == 0)
                continue;
            int token = allowed[random.Next(allowed.Count)];
            if (mask[End] && random.Next(2) == 0)
                token = End;
            rule.Push(token);
            if (token == End)
                return [.. drawn];
            drawn.Add(token);
            if (drawn.Count >= maxTokens)
                throw new InvalidOperationException($"No end within {maxTokens} tokens: '{Tokenizer(tokens).Decode(drawn[..Math.Min(200, drawn.Count)].ToArray())}'.");
        }
    }

    public static Tokenizer Tokenizer(GrammarTokens tokens) => tokens.Trie.Tokenizer;
}
