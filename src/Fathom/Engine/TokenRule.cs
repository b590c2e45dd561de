namespace Fathom.Engine;

/// <summary>
/// What may come next in one sequence, and what must: a grammar, a budget, a quotation. Asked before every draw and told every token that was drawn.
/// One sequence, one rule; one thread at a time.
/// </summary>
public abstract class TokenRule
{
    /// <summary>The tokens that may come next, of the model's vocabulary; null for all. At least one, as long as <see cref="Forced"/> is empty.</summary>
    public abstract TokenMask? Mask { get; }

    /// <summary>Tokens that come next whatever the model says, the first one first; none where the model is free. They use up no randomness.</summary>
    public virtual ReadOnlySpan<int> Forced => [];

    /// <summary>Takes the token that came.</summary>
    /// <exception cref="RequestException">the rule did not allow it</exception>
    public abstract void Push(int token);
}
