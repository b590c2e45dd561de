namespace Fathom.Engine;

/// <summary>
/// A hard limit on a reply's reasoning: when it is used up, the tokens that close the reasoning are forced, and the answer follows. The limit
/// leaves room for the answer among the reply's tokens. Does nothing once the reasoning has ended by itself. One sequence; one thread at a
/// time; allocates nothing after construction.
/// </summary>
/// <remarks>limit = min(budget, tokens of the reply − tokens of the close − room), at least 0; it counts the reasoning's tokens without the close.</remarks>
public sealed class ThinkingBudget : TokenRule
{
    private readonly int[] _close;
    private readonly int[] _fallback;     // by tokens of the close that matched: how many match after one that does not
    private readonly int[] _endsToo;
    private int _spent;
    private int _matched;

    /// <summary>A limit for a reply that begins inside its reasoning.</summary>
    /// <param name="budget">tokens of reasoning at most</param> <param name="maxTokens">tokens of the whole reply</param>
    /// <param name="room">tokens to keep for the answer behind the close</param> <param name="close">the tokens that close reasoning</param>
    /// <param name="endsToo">single tokens that end the reasoning as well, such as the mark of tool calls</param>
    /// <exception cref="RequestException">a number is negative, or the reply has no room for the close and the answer</exception>
    public ThinkingBudget(int budget, int maxTokens, int room, ReadOnlySpan<int> close, ReadOnlySpan<int> endsToo = default)
    {
        if (budget < 0 || room < 0)
            throw new RequestException($"Thinking budget: expected at least 0 tokens of reasoning and of room for the answer, found {budget} and {room}.");
        if (close.IsEmpty)
            throw new RequestException("Thinking budget: expected the tokens that close the reasoning, found none. Does the model's tokenizer have </think>?");
        if (maxTokens < close.Length + room)
        {
            throw new RequestException(
                $"Thinking budget: expected at least {close.Length + room} tokens for the reply, {close.Length} to close the reasoning and {room} for the answer, found {maxTokens}. Raise max-tokens.");
        }

        Limit = Math.Min(budget, maxTokens - close.Length - room);
        _close = close.ToArray();
        _endsToo = endsToo.ToArray();
        _fallback = Fallback(_close);
    }

    /// <summary>Tokens of reasoning that are allowed.</summary>
    public int Limit { get; }

    /// <summary>Whether the reasoning is still open.</summary>
    public bool IsThinking { get; private set; } = true;

    /// <summary>Whether the limit closed it, or is closing it.</summary>
    public bool HasFired { get; private set; }

    /// <summary>Nothing is forbidden: a limit that is reached forces.</summary>
    public override TokenMask? Mask => null;

    /// <inheritdoc/>
    /// <remarks>A close that the model has begun is gone on with.</remarks>
    public override ReadOnlySpan<int> Forced => IsThinking && (HasFired || _spent >= Limit) ? _close.AsSpan(_matched) : [];

    /// <summary>Takes the token that came.</summary>
    /// <exception cref="RequestException">another one was forced; the budget is as before</exception>
    public override void Push(int token)
    {
        if (!IsThinking)
            return;
        bool forced = !Forced.IsEmpty;
        if (forced && token != _close[_matched])
            throw new RequestException($"Token {token}: expected {_close[_matched]}, which closes the reasoning, since its budget of {Limit} tokens is used up. Draw what is forced.");
        HasFired |= forced;
        if (_endsToo.AsSpan().Contains(token))
        {
            IsThinking = false;
            return;
        }

        while (_matched > 0 && token != _close[_matched])
            _matched = _fallback[_matched];
        if (token == _close[_matched])
            _matched++;
        _spent += forced ? 0 : 1;
        IsThinking = _matched < _close.Length;
    }

    // Knuth, Morris, Pratt: the longest end of the first n tokens that is a beginning of the close too.
    private static int[] Fallback(int[] close)
    {
        var fallback = new int[close.Length + 1];
        for (int n = 1, match = 0; n < close.Length; n++)
        {
            while (match > 0 && close[n] != close[match])
                match = fallback[match];
            if (close[n] == close[match])
                match++;
            fallback[n + 1] = match;
        }

        return fallback;
    }
}
