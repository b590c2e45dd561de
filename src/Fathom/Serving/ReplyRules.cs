using Fathom.Engine;
using Fathom.Grammars;
using Fathom.Prompts;
using Fathom.Text;

namespace Fathom.Serving;

/// <summary>
/// Makes the rules that a request's reply follows: a limit for its reasoning, grammars for its answer and its calls. May be used from any thread.
/// </summary>
internal sealed class ReplyRules(Tokenizer tokenizer, int endToken, int vocabularySize)
{
    // Of a reply's tokens a quarter is kept for the answer behind the reasoning, and never more than this.
    private const int AnswerTokensMax = 512;

    // Looks at the whole vocabulary, so it is made when it is first needed.
    private readonly Lazy<GrammarTokens> _tokens = new(() => new GrammarTokens(new TokenTrie(tokenizer), endToken, vocabularySize));

    private int? Markup => tokenizer.TryGetId(ProtocolTokens.Dsml, out int markup) ? markup : null;

    /// <summary>Checks that a request's grammars can be followed within its tokens.</summary>
    /// <exception cref="RequestException">they can't</exception>
    public void Require(GenerationRequest request, ThinkingMode thinking, int maxTokens)
    {
        if (request.Calls == CallChoice.Required && request.AnswerGrammar is null && Markup is null)
        {
            throw new RequestException($"The model's tokenizer has no token {ProtocolTokens.Dsml}, so the model cannot be made to call a tool. Leave "
                + $"the choice to it, or serve another model.");
        }
        if (request.AnswerGrammar is { } grammar)
        {
            int least = grammar.ShortestLength + (thinking == ThinkingMode.Thinking ? 2 : 1);
            if (maxTokens < least)
            {
                throw new RequestException($"max_tokens: expected at least {least}, with which the shortest answer of the asked form is certain to "
                    + $"fit, found {maxTokens}. Raise it.");
            }
        }
        if (request.AnswerGrammar is not null || request.CallGrammar is not null)
        {
            _ = _tokens.Value;
        }
    }

    /// <summary>The limit of a reply's reasoning; it leaves room for an answer in any case. Null where there is no reasoning.</summary>
    public TokenRule? OfReasoning(ServedSequence sequence)
    {
        if (sequence.Prompt.Reply != ThinkingMode.Thinking || !tokenizer.TryGetId(ProtocolTokens.ThinkClose, out int close))
        {
            return null;
        }
        int room = Math.Min(AnswerTokensMax, sequence.MaxTokens / 4);
        if (sequence.Request.AnswerGrammar is { } grammar)
        {
            room = Math.Max(room, grammar.ShortestLength + 1);
        }
        var budget = new ThinkingBudget(sequence.Request.ThinkingTokens ?? int.MaxValue, sequence.MaxTokens, room, [close], Markup is { } markup ? [markup] : []);
        List<int> forbidden = [.. Forbidden(sequence.Request)];
        return forbidden.Count == 0 ? budget : new TokenRules([budget, new ForbiddenTokens(forbidden, vocabularySize)]);
    }

    // Where an answer must follow, reasoning ends in no other way; and where there are no calls, none begins in it.
    private IEnumerable<int> Forbidden(GenerationRequest request)
    {
        bool hasForm = request.AnswerGrammar is not null;
        if (hasForm || request.Calls == CallChoice.Required)
        {
            yield return endToken;
        }
        if ((hasForm || request.Calls == CallChoice.None) && Markup is { } markup)
        {
            yield return markup;
        }
    }

    /// <summary>What the answer must follow; null for nothing.</summary>
    /// <param name="sequence">whose answer begins</param> <param name="tokensLeft">for the answer</param>
    public TokenRule? OfAnswer(ServedSequence sequence, int tokensLeft)
    {
        GenerationRequest request = sequence.Request;
        if (request.AnswerGrammar is { } grammar)
        {
            return new GrammarRule(grammar, _tokens.Value, tokensLeft);
        }
        return request.Calls switch
        {
            CallChoice.None => Markup is { } markup ? new ForbiddenTokens([markup], vocabularySize) : null,
            CallChoice.Required => new ForcedOpening(tokenizer.Encode(ToolCallText.Opening(request.CallName), recognizeAddedTokens: true)),
            _ => request.CallGrammar is { } calls ? new GrammarRule(calls, _tokens.Value, after: ToolGrammar.Opening) : null,
        };
    }
}
