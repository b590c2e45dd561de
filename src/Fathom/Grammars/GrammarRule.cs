using System.Text;
using Fathom.Engine;
using Fathom.Text;

namespace Fathom.Grammars;

/// <summary>
/// Holds a reply, or what follows a mark in it, to a grammar: allows the tokens with which the text can still be completed, however they cut
/// it, and the end only where it is complete. Given the tokens that a reply may have, it brings the text to its end within them. One sequence,
/// one rule; one thread at a time; allocates nothing where the grammar has been before.
/// </summary>
public sealed class GrammarRule : TokenRule
{
    private const int StatesMax = 8192;
    private const int MasksMax = 256;

    private readonly Grammar _grammar;
    private readonly GrammarTokens _tokens;
    private readonly int[] _controls;
    private readonly byte[] _after;
    private readonly byte[] _tail;                          // the last bytes, as many as _after has
    private readonly int _maxTokens;
    private readonly TokenMask _tight;
    private readonly List<GrammarState> _masked = [];
    private GrammarStates _states;
    private TrieWalk _walk;
    private GrammarState? _state;                           // null: the mark has not come
    private TokenMask? _mask;
    private int _pushed;

    /// <summary>A rule for one reply.</summary>
    /// <param name="grammar">what the text must be</param> <param name="tokens">of the model</param>
    /// <param name="maxTokens">tokens of the reply at most, its end included: near them only the shortest ways to complete the text are left</param>
    /// <param name="after">the text behind which the grammar begins, such as &lt;/think&gt;; it must end where a token does. Empty: at once</param>
    /// <param name="mustBegin">whether the reply may not end before that text has come</param>
    /// <exception cref="RequestException">
    /// the tokenizer lacks a control token of the grammar, or no text of the grammar has so few tokens
    /// </exception>
    public GrammarRule(Grammar grammar, GrammarTokens tokens, int maxTokens = int.MaxValue, string after = "", bool mustBegin = false)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        ArgumentNullException.ThrowIfNull(tokens);
        if (after.Length == 0 && grammar.ShortestLength >= maxTokens)
        {
            throw new RequestException(
                $"max-tokens: expected at least {grammar.ShortestLength + 1}, with which the shortest text of the grammar is certain to fit, found {maxTokens}. Raise it.");
        }

        _grammar = grammar;
        _tokens = tokens;
        _controls = [.. grammar.Controls.Select(text => tokens.Trie.Tokenizer.TryGetId(text, out int id) && tokens.Trie.Tokenizer.IsAdded(id) ? id
            : throw new RequestException($"The model's tokenizer has no token {text}, so its tool calls cannot be held to a grammar."))];
        _after = Encoding.UTF8.GetBytes(after);
        _tail = new byte[_after.Length];
        _maxTokens = maxTokens;
        _tight = new TokenMask(tokens.VocabularySize);
        _states = new GrammarStates(grammar);
        _walk = new TrieWalk(tokens.Trie, _states);
        if (_after.Length == 0)
            Begin();
        else if (mustBegin)
            _mask = AllButTheEnd(tokens);
    }

    /// <summary>What may come next; null for everything, before a mark that need not come.</summary>
    public override TokenMask? Mask => _mask;

    /// <summary>Whether the mark has come.</summary>
    public bool HasBegun => _state is not null;

    /// <summary>Whether the text is one of the grammar's as it stands.</summary>
    public bool IsComplete => _state is { IsAccepting: true };

    /// <summary>Takes the token that came; the end token changes nothing.</summary>
    /// <exception cref="RequestException">the mask did not allow the token; the text is as before</exception>
    public override void Push(int token)
    {
        if (_mask is not null && (token < 0 || token >= _mask.VocabularySize || !_mask[token]))
            throw new RequestException($"Token {token}: expected one with which the grammar goes on, found one with which it doesn't. Draw it with the rule's mask.");
        if (token == _tokens.EndToken)
            return;
        _pushed++;
        if (_state is null)
        {
            if (EndsMark(token))
                Begin();
            return;
        }

        _state = Behind(_state, token);
        Allow(_state);
    }

    private void Begin()
    {
        _state = _states.Start;
        Allow(_state);
    }

    private GrammarState Behind(GrammarState state, int token)
    {
        int control = Array.IndexOf(_controls, token);
        if (control >= 0)
            return _states.Step(state, Grammar.FirstControl + control)!;      // the mask allowed it
        foreach (byte next in _tokens.Trie.Bytes(token))
            state = _states.Step(state, next)!;
        return state;
    }

    private void Allow(GrammarState state)
    {
        if (_states.Count > StatesMax)
            _state = state = Forget(state);
        if (state.Mask is null)
            Find(state);
        _mask = state.Mask;
        // The token, then what it makes necessary, then the end.
        int left = _maxTokens - _pushed;
        if (state.CostBehindMax > left - 2)
            Tighten(state, left - 2);
    }

    private void Find(GrammarState state)
    {
        if (_masked.Count == MasksMax)
        {
            foreach (GrammarState other in _masked)
                other.Mask = null;
            _masked.Clear();
        }

        var mask = new TokenMask(_tokens.VocabularySize);
        if (_states.IsInString(state))
        {
            mask.CopyFrom(_tokens.InsideString);
            state.CostBehindMax = Math.Max(state.Cost - 1 + _tokens.InsideStringCost, AllowStringEnds(state, mask));
        }
        else
        {
            state.CostBehindMax = Math.Max(_walk.Allow(TokenTrie.Root, state, int.MaxValue, mask), AllowOthers(state, int.MaxValue, mask));
        }

        state.Mask = mask;
        _masked.Add(state);
    }

    private int AllowStringEnds(GrammarState state, TokenMask mask)
    {
        GrammarState closed = _states.Step(state, '"')!;                      // a string may end anywhere
        int largest = closed.Cost;
        foreach (int node in _tokens.StringEnds)
        {
            if (_tokens.Trie.Token(node) is not TokenTrie.None and int token)
                mask[token] = true;
            largest = Math.Max(largest, _walk.Allow(node, closed, int.MaxValue, mask));
        }

        return largest;
    }

    // Control tokens and the end, which the trie does not hold.
    private int AllowOthers(GrammarState state, int costMax, TokenMask mask)
    {
        int largest = 0;
        for (int control = 0; control < _controls.Length; control++)
        {
            if (_states.Step(state, Grammar.FirstControl + control) is { } next && next.Cost <= costMax)
            {
                mask[_controls[control]] = true;
                largest = Math.Max(largest, next.Cost);
            }
        }

        if (state.IsAccepting)
            mask[_tokens.EndToken] = true;
        return largest;
    }

    private void Tighten(GrammarState state, int costMax)
    {
        // A mark that came too late leaves no room for the shortest text: then the limit on tokens will cut it whatever is allowed.
        if (state.Cost - 1 > costMax)
            return;
        _tight.Fill(false);
        _walk.Allow(TokenTrie.Root, state, costMax, _tight);
        AllowOthers(state, costMax, _tight);
        _mask = _tight;
    }

    private GrammarState Forget(GrammarState state)
    {
        var fresh = new GrammarStates(_grammar);
        state = fresh.Adopt(_states, state);
        (_states, _walk) = (fresh, new TrieWalk(_tokens.Trie, fresh));
        _masked.Clear();
        return state;
    }

    private static TokenMask AllButTheEnd(GrammarTokens tokens)
    {
        var mask = new TokenMask(tokens.VocabularySize);
        mask.Fill(true);
        mask[tokens.EndToken] = false;
        return mask;
    }

    private bool EndsMark(int token)
    {
        ReadOnlySpan<byte> bytes = _tokens.Trie.Bytes(token);
        int kept = Math.Max(0, _tail.Length - bytes.Length);
        _tail.AsSpan(_tail.Length - kept).CopyTo(_tail);
        bytes[^(_tail.Length - kept)..].CopyTo(_tail.AsSpan(kept));
        return _pushed > 0 && _tail.AsSpan().SequenceEqual(_after);
    }
}
