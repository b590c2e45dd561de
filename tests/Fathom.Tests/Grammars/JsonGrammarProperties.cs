using System.Text.Json;
using CsCheck;
using Fathom.Grammars;
using Fathom.Text;
using Xunit;

namespace Fathom.Tests.Grammars;

public class JsonGrammarProperties
{
    [Fact]
    public void Whatever_is_drawn_from_the_mask_ends_in_time_as_json_that_validates() =>
        Gen.Select(Gen.Int, Gen.Int[0, 150]).Sample((seed, more) => AssertDrawn(seed, GrammarTexts.Nano, more), iter: 400);

    [Fact]
    public void With_the_large_vocabulary_too() =>
        Gen.Select(Gen.Int, Gen.Int[0, 40]).Sample((seed, more) => AssertDrawn(seed, GrammarTexts.V4, more), iter: 12);

    [Fact]
    public void Any_object_ends_in_time_as_an_object() =>
        Gen.Select(Gen.Int, Gen.Int[4, 200]).Sample((seed, maxTokens) =>
        {
            var rule = new GrammarRule(JsonGrammar.AnyObject(), GrammarTexts.Nano, maxTokens);
            int[] drawn = GrammarTexts.Draw(rule, GrammarTexts.Nano, new Random(seed), maxTokens);
            Assert.Equal(JsonValueKind.Object, JsonElement.Parse(Strict(drawn, GrammarTexts.Nano)).ValueKind);
        }, iter: 200);

    /// <summary>The mask against its definition: a token may come if the grammar goes on with its bytes, and the way to the end then fits.</summary>
    [Fact]
    public void The_mask_allows_exactly_the_tokens_with_which_the_text_can_be_completed_in_time() =>
        Gen.Select(Gen.Int, Gen.Int[0, 60], Gen.Int[0, 40]).Sample((seed, more, steps) =>
        {
            Grammar grammar = GrammarTexts.Schema(RandomSchema.Of(seed));
            int maxTokens = grammar.ShortestLength + 1 + more;
            var rule = new GrammarRule(grammar, GrammarTexts.Nano, maxTokens);
            var states = new GrammarStates(grammar);
            GrammarState state = states.Start;
            var random = new Random(seed);
            for (int step = 0; step < steps && step < maxTokens - 1; step++)
            {
                int left = maxTokens - step;
                int[] expected = [.. Enumerable.Range(0, Tokenizers.VocabularySize).Where(id => IsPossible(states, state, id, left))];
                int[] found = [.. Enumerable.Range(0, Tokenizers.VocabularySize).Where(id => rule.Mask![id])];
                Assert.True(expected.SequenceEqual(found), $"schema {seed}, step {step}: {expected.Except(found).Count()} too few, {found.Except(expected).Count()} too many");
                int token = expected[random.Next(expected.Length)];
                rule.Push(token);
                if (token == GrammarTexts.End)
                    return;
                foreach (byte next in Tokenizers.TokenBytes(token))
                    state = states.Step(state, next)!;
            }
        }, iter: 60);

    private static Tokenizer Tokenizers => GrammarTexts.Nano.Trie.Tokenizer;

    private static bool IsPossible(GrammarStates states, GrammarState state, int id, int left)
    {
        if (id == GrammarTexts.End)
            return state.IsAccepting;
        if (Tokenizers.IsAdded(id) || Tokenizers.TokenBytes(id).IsEmpty)
            return false;
        GrammarState? at = state;
        foreach (byte next in Tokenizers.TokenBytes(id))
            at = at is null ? null : states.Step(at, next);
        return at is not null && at.Cost + 2 <= left;
    }

    private static void AssertDrawn(int seed, GrammarTokens tokens, int more)
    {
        string schema = RandomSchema.Of(seed);
        Grammar grammar = GrammarTexts.Schema(schema);
        int maxTokens = grammar.ShortestLength + 1 + more;
        int[] drawn = GrammarTexts.Draw(new GrammarRule(grammar, tokens, maxTokens), tokens, new Random(seed), maxTokens);
        string text = Strict(drawn, tokens);
        JsonElement root = JsonElement.Parse(schema);
        Assert.True(SchemaValidator.Fits(JsonElement.Parse(text), root, root), $"schema {seed}: {schema}\ngave {text}");
        Assert.True(GrammarTexts.Accepts(grammar, text), text);
    }

    // UTF-8 that is none throws.
    private static string Strict(int[] drawn, GrammarTokens tokens) =>
        new System.Text.UTF8Encoding(false, throwOnInvalidBytes: true).GetString(GrammarTexts.Tokenizer(tokens).DecodeBytes(drawn));
}
