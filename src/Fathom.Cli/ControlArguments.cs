using System.CommandLine;
using System.Text.Json;
using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Cli;

/// <summary>The options that hold a reply to something: a schema, a limit on its reasoning, strings that end it.</summary>
internal sealed class ControlArguments
{
    // Of a reply's tokens, what is kept for the answer when reasoning is limited.
    private const int AnswerShare = 4;

    private readonly Option<string?> _schema = new("--json-schema")
    {
        Description = "Hold the reply to the JSON schema in a file: it ends within --max-tokens as JSON that fits. Behind <think> it begins after </think>.",
        HelpName = "FILE",
    };

    private readonly Option<int?> _budget = new("--thinking-budget")
    {
        Description = "Tokens of reasoning at most behind a text that leaves <think> open; then </think> is written, and the answer follows.",
        HelpName = "N",
    };

    private readonly Option<string[]> _stop = new("--stop")
    {
        Description = "End where this text comes; it is not printed. May be given up to 16 times.",
        HelpName = "TEXT",
        DefaultValueFactory = _ => [],
    };

    public ControlArguments() => _budget.Validators.Add(result => Arguments.InRange(result, 0, int.MaxValue));

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _schema, _budget, _stop })
            command.Add(option);
    }

    public StopStrings Stops(ParseResult parsed)
    {
        try
        {
            return new StopStrings(parsed.GetValue(_stop) ?? []);
        }
        catch (RequestException problem)
        {
            throw new UsageException("--" + problem.Message);
        }
    }

    /// <summary>The grammar of --json-schema, or null without one.</summary>
    public Grammar? Schema(ParseResult parsed)
    {
        if (parsed.GetValue(_schema) is not { } file)
            return null;
        try
        {
            using JsonDocument schema = JsonDocument.Parse(TextInput.Read(file));
            return JsonGrammar.FromSchema(schema.RootElement);
        }
        catch (JsonException problem)
        {
            throw new RequestException($"{file}: expected a JSON schema, found something that is no JSON: {problem.Message}", problem);
        }
        catch (RequestException problem)
        {
            throw new RequestException($"{file}: {problem.Message}", problem);
        }
    }

    /// <summary>What holds the reply to a prompt.</summary>
    /// <param name="parsed">the options</param> <param name="grammar">of <see cref="Schema"/></param> <param name="session">the model</param>
    /// <param name="prompt">its tokens</param> <param name="maxTokens">of the reply</param>
    public TokenRules Rules(ParseResult parsed, Grammar? grammar, ModelSession session, ReadOnlySpan<int> prompt, int maxTokens)
    {
        var rules = new List<TokenRule>();
        int? budget = parsed.GetValue(_budget);
        bool isThinking = session.Tokenizer.TryGetId(ProtocolTokens.ThinkOpen, out int open) & session.Tokenizer.TryGetId(ProtocolTokens.ThinkClose, out int close)
            && prompt.LastIndexOf(open) > prompt.LastIndexOf(close);
        if (budget is not null && !isThinking)
            throw new UsageException($"--thinking-budget: expected a text that leaves {ProtocolTokens.ThinkOpen} open, found one that does not. End it with {ProtocolTokens.ThinkOpen}.");
        // A schema alone limits the reasoning too, so that its answer fits.
        if (isThinking && (budget is not null || grammar is not null))
            rules.Add(new ThinkingBudget(budget ?? maxTokens, maxTokens, Math.Max(maxTokens / AnswerShare, grammar is null ? 1 : grammar.ShortestLength + 1), [close]));
        if (grammar is not null)
        {
            var tokens = new GrammarTokens(new TokenTrie(session.Tokenizer), session.Model.Config.EosToken, session.Model.Config.VocabularySize);
            rules.Add(new GrammarRule(grammar, tokens, maxTokens, after: isThinking ? ProtocolTokens.ThinkClose : "", mustBegin: true));
        }

        return new TokenRules(rules);
    }
}
