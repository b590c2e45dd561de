namespace Fathom.Engine;

/// <summary>
/// Notices a reply that repeats a cycle of tokens over and over, exactly, and would for ever. It asks for so many tokens and repeats that prose,
/// tables, lists and code do not look like one. Push every token. One sequence; one thread at a time; allocates nothing after construction.
/// </summary>
/// <remarks>
/// Every 64 tokens it looks at the last ones, backwards. A beginning of length n of that text has the period n − f(n), where f(n) is its longest
/// border (Knuth, Morris, Pratt): one pass finds every ending that repeats, with its shortest period. That is a few steps a token.
/// </remarks>
public sealed class LoopDetector
{
    private const int Interval = 64;

    private readonly int _periodMax;
    private readonly int _tokensMin;
    private readonly int _repeatsMin;
    private readonly int[] _ring;
    private readonly int[] _backwards;
    private readonly int[] _borders;
    private long _count;

    /// <summary>A detector at the beginning of a text.</summary>
    /// <param name="periodMax">tokens of the longest cycle that is looked for</param>
    /// <param name="tokensMin">tokens that the repeats must cover</param> <param name="repeatsMin">times that the cycle must have come</param>
    /// <exception cref="RequestException">a number is too small</exception>
    public LoopDetector(int periodMax = 256, int tokensMin = 512, int repeatsMin = 4)
    {
        if (periodMax < 1 || tokensMin < 2 || repeatsMin < 2)
            throw new RequestException($"Loop detection: expected a period of at least 1 token, 2 tokens and 2 repeats, found {periodMax}, {tokensMin} and {repeatsMin}.");
        (_periodMax, _tokensMin, _repeatsMin) = (periodMax, tokensMin, repeatsMin);
        int window = checked(Math.Max(tokensMin, repeatsMin * periodMax));
        _ring = new int[window];
        _backwards = new int[window];
        _borders = new int[window + 1];
    }

    /// <summary>Whether the text has run into a loop; stays so.</summary>
    public bool IsLooping => Period > 0;

    /// <summary>Tokens of the cycle; 0 while there is none.</summary>
    public int Period { get; private set; }

    /// <summary>Times that it had come when it was noticed, as far as the detector looks back.</summary>
    public int Repeats { get; private set; }

    /// <summary>Takes a token.</summary>
    /// <returns>whether the text has run into a loop</returns>
    public bool Push(int token)
    {
        if (IsLooping)
            return true;
        _ring[_count++ % _ring.Length] = token;
        if (_count % Interval == 0 && _count >= _tokensMin)
            Look((int)Math.Min(_count, _ring.Length));
        return IsLooping;
    }

    private void Look(int length)
    {
        for (int i = 0; i < length; i++)
            _backwards[i] = _ring[(_count - 1 - i) % _ring.Length];
        for (int n = 1, border = 0; n < length; n++)
        {
            while (border > 0 && _backwards[n] != _backwards[border])
                border = _borders[border];
            if (_backwards[n] == _backwards[border])
                border++;
            _borders[n + 1] = border;
            int covered = n + 1, period = covered - border;
            if (period <= _periodMax && covered >= _tokensMin && covered / period >= _repeatsMin)
                (Period, Repeats) = (period, covered / period);
        }
    }
}
