namespace Fathom.Engine;

/// <summary>
/// Several rules for one sequence: what all of them allow may come next; what the first of them forces, must. Each is told every token. One
/// thread at a time; allocates nothing after construction.
/// </summary>
public sealed class TokenRules : TokenRule
{
    private readonly TokenRule[] _rules;
    private TokenMask? _mask;
    private TokenMask? _common;     // made when two masks meet for the first time

    /// <summary>Rules that hold together; of forced tokens the earlier rule's count.</summary>
    public TokenRules(IReadOnlyList<TokenRule> rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        _rules = [.. rules];
        Combine();
    }

    /// <inheritdoc/>
    public override TokenMask? Mask => _mask;

    /// <inheritdoc/>
    public override ReadOnlySpan<int> Forced
    {
        get
        {
            foreach (TokenRule rule in _rules)
            {
                if (!rule.Forced.IsEmpty)
                    return rule.Forced;
            }

            return [];
        }
    }

    /// <inheritdoc/>
    public override void Push(int token)
    {
        foreach (TokenRule rule in _rules)
            rule.Push(token);
        Combine();
    }

    private void Combine()
    {
        _mask = null;
        foreach (TokenRule rule in _rules)
        {
            if (rule.Mask is not { } mask)
                continue;
            if (_mask is null)
            {
                _mask = mask;
                continue;
            }

            _common ??= new TokenMask(mask.VocabularySize);
            if (_mask != _common)
                _common.CopyFrom(_mask);
            _common.And(mask);
            _mask = _common;
        }
    }
}
